"""What becomes of each tensor of a fine-tune in an adapter: low-rank factors, a bias, or a tensor that is saved whole.

Only matrices that map vectors to vectors get factors. Embeddings, the head, norms and convolutions are saved with their module
(``modules_to_save`` of peft) if they changed, and biases of matrices are saved beside them. An adapter can hold nothing but the
``weight`` and ``bias`` of modules: a change of anything else is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.layout import is_derived
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import ArgumentError, CheckpointError, MergeError, MergeStopped
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.statistics import estimate
from nbmerge.statistics.survey import fit_models, tensors_of_all

Way = Literal["factors", "bias", "module", "none"]
HEAD = "lm_head"
"""Module of the head where it has no tensor of its own, because it shares the embedding's."""
FARTHEST = 1.0
"""Distance from the base, relative to the base's length, from which a model cannot be its fine-tune: that of two models that have
nothing in common is 1.4."""


@dataclass(frozen=True)
class Role:
    """What becomes of one tensor.

    Parameters
    ----------
    tensor : TensorPlan
        Its inputs are the tensor of the base and that of the fine-tune.
    module : str
        Name of its module.
    way : "factors", "bias", "module" or "none"
        Low-rank factors; a bias of a module with factors; saved with its module; or no adapter can hold its change.
    """

    tensor: TensorPlan
    module: str
    way: Way

    @property
    def leaf(self) -> str:
        """What it is in its module, such as "weight"."""
        return self.tensor.name.rpartition(".")[2]


@dataclass(frozen=True)
class Pair:
    """A fine-tune and its base, tensor by tensor.

    Parameters
    ----------
    plan : Plan
        Lays their tensors side by side.
    model, base : ModelRef
    roles : tuple of Role
    shared : str, optional
        Name of the embedding where it is also the head.
    """

    plan: Plan
    model: ModelRef
    base: ModelRef
    roles: tuple[Role, ...]
    shared: str | None

    @property
    def matrices(self) -> tuple[Role, ...]:
        """What gets factors if it changed."""
        return tuple(role for role in self.roles if role.way == "factors")


def pair_models(model: ModelRef, base: ModelRef) -> Pair:
    """Lay a fine-tune and its base side by side, from their headers.

    Raises
    ------
    ArgumentError
        When they are the same model.
    CheckpointError
        When they do not fit each other, or have nothing that an adapter changes.
    """
    if model == base:
        raise ArgumentError(f"{model} is both the fine-tune and the base. Name two models.")
    one, other = Checkpoint.open(base), Checkpoint.open(model)
    if one.vocabulary != other.vocabulary:
        raise CheckpointError(
            f"{model} has {other.vocabulary} tokens and {base} has {one.vocabulary}, so they differ in more than an adapter holds. "
            "Give one the tokenizer of the other first (nbmerge.transplant)."
        )
    if one.tied != other.tied:
        raise CheckpointError(
            f"Of {model} and {base}, only one has a head of its own; the other uses its embedding. Save both in the same way."
        )
    plan = fit_models(base, model)
    _refuse_unpaired(one, other, {t.name for t in plan.tensors})
    roles = _assign(tensors_of_all(plan))
    if not any(role.way == "factors" for role in roles):
        raise CheckpointError(f"{model} has no weight matrices inside layers, so an adapter has nothing to change.")
    return Pair(plan, model, base, roles, one.token_embedding if one.tied else None)


def _refuse_unpaired(base: Checkpoint, model: Checkpoint, planned: set[str]) -> None:
    """Refuse tensors that only one of the two has, unless models compute them themselves."""
    alone = [n for n in set(base.tensors) ^ set(model.tensors) if not is_derived(n)]
    if alone := sorted({*alone, *(n for n in model.tensors if n not in planned and not is_derived(n))}):
        raise CheckpointError(
            f"{model.name} and {base.name} do not have the same tensors: {alone[0]:.200} is in one of them only "
            f"({len(alone)} such tensors). Name the model that this one was trained from."
        )


def _assign(tensors: Sequence[TensorPlan]) -> tuple[Role, ...]:
    split = [(t, *t.name.rpartition(".")[::2]) for t in tensors]
    with_factors = {module for t, module, leaf in split if leaf == "weight" and _is_map(t)}

    def way(module: str, leaf: str) -> Way:
        if leaf not in ("weight", "bias") or not module:
            return "none"
        if module in with_factors:
            return "factors" if leaf == "weight" else "bias"
        return "module"

    return tuple(Role(t, module, way(module, leaf)) for t, module, leaf in split)


def _is_map(tensor: TensorPlan) -> bool:
    """Whether a weight is a matrix from vectors to vectors."""
    return len(tensor.shape) == 2 and min(tensor.shape) > 1 and tensor.kind not in ("embedding", "head")


def refuse_unrelated(pair: Pair) -> None:
    """Refuse a model that is too far from its base to be a fine-tune, by a sample of the rows of every tensor."""
    sources = [{"model": m, "parameters": {"weight": w}} for m, w in ((pair.base, 0.0), (pair.model, 1.0))]
    try:
        frame = estimate(Recipe.of({"merge_method": "linear", "models": sources})).changes.frame
    except MergeStopped:
        raise
    except MergeError:  # NaN, or a file that cannot be read: the extraction finds it as well
        return
    matrices = frame["tensor"].isin([role.tensor.name for role in pair.matrices])  # norms of all models are alike
    sums = frame.loc[matrices & (frame["parent"] == pair.plan.parents[0]), ["dd", "pp"]].sum()
    distance = float(sums["dd"] / max(sums["pp"], 1e-300)) ** 0.5
    if distance > FARTHEST:
        raise CheckpointError(
            f"{pair.model} is not a fine-tune of {pair.base}: its weights are {distance:.0%} of the base's length away from it, and a "
            "fine-tune a few per cent. Name the model that it was trained from ('nbmerge family' compares models)."
        )


def check_rank(pair: Pair, rank: int) -> None:
    """Refuse a rank that no matrix has."""
    most = max((min(role.tensor.shape), role.tensor.name) for role in pair.matrices)
    if rank > most[0]:
        raise ArgumentError(
            f"rank is {rank}, and no matrix of {pair.model} has more than {most[0]} ({most[1]}). Choose a lower rank."
        )


def refuse_other_changes(pair: Pair, energies: Mapping[str, float]) -> None:
    """Refuse changes that an adapter cannot hold, and models without a change in a matrix.

    Parameters
    ----------
    pair : Pair
    energies : mapping of str to float
        ‖δ‖² of every tensor.
    """
    lost = [role.tensor.name for role in pair.roles if role.way == "none" and energies[role.tensor.name]]
    if lost:
        raise CheckpointError(
            f"{pair.model} changed {lost[0]:.200} ({len(lost)} such tensors), and a LoRA holds changes of weights and biases of modules "
            "only. Its experts or parameters of its own cannot be extracted; use the fine-tune itself."
        )
    if any(energies[role.tensor.name] for role in pair.matrices):
        return
    if any(energies.values()):
        kinds = Counter(role.tensor.kind for role in pair.roles if energies[role.tensor.name])
        raise CheckpointError(
            f"{pair.model} changed no matrix inside the layers of {pair.base}, only {', '.join(kinds)}, and peft cannot load an adapter "
            "without one. Use the fine-tune itself."
        )
    raise CheckpointError(
        f"{pair.model} and {pair.base} have the same weights, so there is nothing to extract. Name the fine-tune first, then its base."
    )
