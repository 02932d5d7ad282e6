"""Every output tensor with its inputs and its numbers, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from nbmerge.checkpoints import Checkpoint, StoredTensor
from nbmerge.checkpoints.layout import is_after_layers, is_derived
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.planning.precedence import EMBED_SLERP, find
from nbmerge.engine.planning.resolved import Input, Piece, Resolved, Stretch, place_of
from nbmerge.engine.planning.tokens.vocabulary import ByToken
from nbmerge.engine.planning.values import find_owner_weights, find_values
from nbmerge.methods import Values, methods
from nbmerge.model_ref import ModelRef
from nbmerge.recipe import Recipe
from nbmerge.recipe.setting import position

FRONT = ("embedding", "other")
"""Roles of what stands before the layers, at position 0 of the first slice."""
BACK = ("other", "final norm", "head")
"""Roles of what stands behind them, at position 1 of the last slice; of what has no role, poolers and parts of heads."""


@dataclass(frozen=True)
class Output:
    """An output tensor before its inputs and numbers are settled.

    Parameters
    ----------
    name : str
    layer : int, optional
    kind : str
    names : list of str
        What its inputs are called, one for each of the slice's.
    t : float
        Position in the slice, 0 to 1.
    """

    name: str
    layer: int | None
    kind: str
    names: list[str]
    t: float


def plan_tensors(resolved: Resolved) -> Iterator[TensorPlan]:
    """Embeddings, layers in order, final norm and head of every section; then what no section names."""
    for stretches in resolved.stretches:
        first, last = stretches[0], stretches[-1]
        yield from _plan_outside(resolved, first, first.pieces[0], FRONT, 0.0)
        for stretch in stretches:
            yield from _plan_layers(resolved, stretch)
        yield from _plan_outside(resolved, last, last.pieces[-1], BACK, 1.0)
    yield from _copy_unnamed(resolved)


# --- inside the layers ---


def _plan_layers(resolved: Resolved, stretch: Stretch) -> Iterator[TensorPlan]:
    start = 0
    for piece in stretch.pieces:
        for j in range(piece.depth):
            yield from _plan_layer(resolved, stretch, piece, j, start + j)
        start += piece.depth


def _plan_layer(resolved: Resolved, stretch: Stretch, piece: Piece, j: int, out: int) -> Iterator[TensorPlan]:
    layout, stack = resolved.donor_checkpoint.layout, stretch.stack
    t, several = position(j, piece.depth), len(layout.stacks) > 1
    for part in _parts_of_layer(resolved, piece, j, out):
        name = layout.name(out, part, stack)
        chosen = piece.chosen_for(name, t)
        names = [i.layout.name(_layer_of(i, j, out, part), part, i.stack) for i in chosen.inputs]
        found = [i.checkpoint.tensors.get(n) for i, n in zip(chosen.inputs, names, strict=True)]
        tensor = _plan_tensor(resolved, chosen, Output(name, out, layout.place(name).kind, names, t), found)
        if tensor is not None:
            yield replace(tensor, stack=stack) if several else tensor


def _parts_of_layer(resolved: Resolved, piece: Piece, j: int, out: int) -> list[str]:
    """What an output layer consists of: what its sources do, and what a stack has in its first layer only."""
    parts: dict[str, None] = {}
    for source in piece.inputs:
        alone = source.layout.first_only(source.stack)
        own = source.layout.parts(0 if out == 0 and alone else source.first + j, source.stack)
        if out > 0 and alone and source.first + j == 0:
            what = f"{', '.join(sorted(alone))} of a stack's first layer serves all of them, and is not repeated."
            resolved.findings.info(piece.where, what)
        parts |= dict.fromkeys(p for p in own if out == 0 or p not in alone)
    return list(parts)


def _layer_of(source: Input, j: int, out: int, part: str) -> int:
    """The layer of a source that a part of an output layer is from."""
    return 0 if out == 0 and part in source.layout.first_only(source.stack) else source.first + j


# --- outside the layers ---


def _plan_outside(
    resolved: Resolved, stretch: Stretch, piece: Piece, roles: tuple[str, ...], t: float
) -> Iterator[TensorPlan]:
    recipe, module = resolved.recipe, stretch.section.module
    donors = {"embedding": recipe.embedding_source, "final norm": recipe.final_norm_source,
              "head": recipe.lm_head_source}  # fmt: skip
    for role in roles:
        donor = donors.get(role)
        if donor is not None:
            yield from _copy_role(resolved, donor, role, module)
            continue
        names = dict.fromkeys(n for i in piece.inputs for n in _names_of_role(resolved, i.checkpoint, role, module))
        for name in names if role != "other" else [n for n in names if is_after_layers(n) == (roles is BACK)]:
            chosen = piece.chosen_for(name, t)
            found = [_find_stored(resolved, i.checkpoint, name, role) for i in chosen.inputs]
            tensor = _plan_tensor(resolved, chosen, Output(name, None, role, [name] * len(found), t), found)
            if tensor is not None:
                yield tensor


def _names_of_role(resolved: Resolved, checkpoint: Checkpoint, role: str, module: str | None) -> list[str]:
    """A model's tensors of a role, in a module where one is named."""
    names = checkpoint.layout.outside(role)
    if module is None:
        return names
    owner = resolved.claims(checkpoint)
    return [n for n in names if owner.get(n) == module]


def _find_stored(resolved: Resolved, checkpoint: Checkpoint, name: str, role: str) -> StoredTensor | None:
    """A tensor of a checkpoint; a tied model's head is its token embedding."""
    if role == "head" and name not in checkpoint.tensors and checkpoint.tied and name.endswith("weight"):
        what = f"{checkpoint.name} shares its head with its embedding; the result gets a head of its own."
        resolved.findings.info((), what)
        return checkpoint.tensors.get(checkpoint.token_embedding)
    return checkpoint.tensors.get(name)


# --- copies ---


def _copy_unnamed(resolved: Resolved) -> Iterator[TensorPlan]:
    """What no module of the recipe names: the config donor's, as it is."""
    if resolved.recipe.modules is None:
        return
    checkpoint = resolved.donor_checkpoint
    owner, layout = resolved.claims(checkpoint), checkpoint.layout
    names = [n for n in checkpoint.tensors if n not in owner]
    if names:
        what = f"no module names {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        how = "Name that part of the model, too, or 'default' for all that is left, to have it merged."
        label = resolved.labels[resolved.donor]
        resolved.findings.warning(("modules",), f"{what}; they are {label}'s as they are.", how)
    for name in names:
        place = layout.place(name)
        tensor = _copy(resolved, name, place.layer, place.kind, checkpoint.tensors[name], resolved.donor)
        yield replace(tensor, stack=place.stack) if len(layout.stacks) > 1 else tensor


def _copy_role(resolved: Resolved, donor: ModelRef, role: str, module: str | None) -> Iterator[TensorPlan]:
    """A role's tensors from one model, as they are."""
    checkpoint = resolved.checkpoints[donor]
    names = _names_of_role(resolved, checkpoint, role, module)
    if role == "head" and checkpoint.tied and donor != _embedding_owner(resolved):
        names = ["lm_head.weight"]  # the result needs a head of its own
    for name in names:
        yield _copy(resolved, name, None, role, _find_stored(resolved, checkpoint, name, role), donor)


def _embedding_owner(resolved: Resolved) -> ModelRef | None:
    """The one model that embeddings come from, None where they are merged."""
    inputs = resolved.making("embedding")
    return resolved.recipe.embedding_source or (inputs[0].ref if len(inputs) == 1 else None)


def _copy(
    resolved: Resolved, name: str, layer: int | None, kind: str, stored: StoredTensor, ref: ModelRef
) -> TensorPlan:
    dtype = _dtype_of(resolved.recipe, name, [stored]) if stored.is_float else stored.output_dtype
    if resolved.vocabulary is not None:
        (stored,) = resolved.vocabulary.inputs([ref], name, kind, [stored])
    values, labels = Values({}, {"scale": (1.0,)}), (resolved.labels[ref],)
    return TensorPlan(name, stored.shape, dtype, layer, kind, "passthrough", (stored,), labels, values)


# --- one tensor ---


def _plan_tensor(
    resolved: Resolved, piece: Piece, out: Output, found: Sequence[StoredTensor | None]
) -> TensorPlan | None:
    """One output tensor from what its sources hold under its name; None where that is wrong, which is noted."""
    mixed = _can_mix(out.name, found)
    if mixed and not _all_there(resolved, piece, out.name, found):
        return None
    if not mixed or (piece.has_base and len(found) == 1):  # there is nothing to add to a base alone
        ref, stored = next((i.ref, s) for i, s in zip(piece.inputs, found, strict=True) if s is not None)
        return _copy(resolved, out.name, out.layer, out.kind, stored, ref)
    return _plan_aligned(resolved, piece, out, tuple(found))


def _can_mix(name: str, found: Iterable[StoredTensor | None]) -> bool:
    """Whether a tensor holds numbers to be mixed, not whole numbers or what a model computes by itself."""
    return not is_derived(name) and any("float" in s.dtype for s in found if s is not None)


def _plan_aligned(resolved: Resolved, piece: Piece, out: Output, inputs: tuple[StoredTensor, ...]) -> TensorPlan | None:
    """A tensor from inputs whose rows are first brought to the vocabulary of the result, where they have one for each token."""
    refs, vocabulary = [i.ref for i in piece.inputs], resolved.vocabulary
    dtype = _dtype_of(resolved.recipe, out.name, inputs)
    if vocabulary is not None:
        if vocabulary.by_owner and vocabulary.concerns(refs, out.name, out.kind, inputs):
            return _plan_by_owner(resolved, vocabulary, piece, out, inputs, dtype)
        inputs = vocabulary.inputs(refs, out.name, out.kind, inputs)
    return _plan_mixed(resolved, piece, out, inputs, dtype)


def _all_there(resolved: Resolved, piece: Piece, name: str, found: Sequence[StoredTensor | None]) -> bool:
    """Whether every source holds a tensor, of numbers that can be mixed; what is not is noted."""
    lacking = [i.ref for i, stored in zip(piece.inputs, found, strict=True) if stored is None]
    for ref in lacking:
        resolved.findings.missing_tensor(place_of(resolved.recipe, ref), resolved.labels[ref], name)
    odd = next((s.dtype for s in found if not lacking and not s.is_float), None)
    if odd is not None:
        resolved.findings.unmergeable(piece.where or ("models",), odd, name)
    return not lacking and odd is None


def _plan_mixed(
    resolved: Resolved, piece: Piece, out: Output, inputs: Sequence[StoredTensor], dtype: str
) -> TensorPlan | None:
    """A tensor that the slice's method makes of its inputs."""
    labels, shape = _labels_of(resolved, piece), inputs[0].shape
    if len({s.shape for s in inputs}) > 1:
        shapes = {label: s.shape for label, s in zip(labels, inputs, strict=True)}
        resolved.findings.unequal_shapes(piece.where or ("models",), out.name, out.kind, shapes)
        return None
    matrix = out.layer is not None and len(shape) > 1
    values, decided = find_values(resolved, piece, out.name, out.names, out.t, matrix)
    if values is None:
        return None
    method = piece.method.name
    return TensorPlan(out.name, shape, dtype, out.layer, out.kind, method, tuple(inputs), labels, values, decided)


def _plan_by_owner(
    resolved: Resolved, vocabulary: ByToken, piece: Piece, out: Output, inputs: tuple[StoredTensor, ...], dtype: str
) -> TensorPlan | None:
    """Rows for tokens as `rows: owners` has them: of the models that own a token, not by the recipe's method."""
    refs, labels = [i.ref for i in piece.inputs], _labels_of(resolved, piece)
    if piece.method.name == "slerp" and find(EMBED_SLERP, piece.levels, out.name, out.t)[0] is True:
        values, decided = find_values(resolved, piece, out.name, out.names, out.t, False)
        if values is None:
            return None
        values = replace(values, shared={**values.shared, EMBED_SLERP.name: True})
        rows, labels = vocabulary.arc(refs, out.name, inputs), (*labels, labels[0])
        return TensorPlan(out.name, rows[0].shape, dtype, None, out.kind, "slerp", rows, labels, values, decided)
    weights, decided = find_owner_weights(resolved, piece, out.name, out.names, out.t)
    if weights is None:
        return None
    rows = vocabulary.owned(refs, out.name, inputs, weights)
    method, values = methods()["linear"], Values({"normalize": True}, {"weight": weights}, position=out.t)
    if fault := method.fault(values):
        resolved.findings.faulty(piece.where or ("parameters",), fault, out.name)
    return TensorPlan(out.name, rows[0].shape, dtype, None, out.kind, method.name, rows, labels, values, decided)


def _labels_of(resolved: Resolved, piece: Piece) -> tuple[str, ...]:
    return tuple(resolved.labels[i.ref] for i in piece.inputs)


def _dtype_of(recipe: Recipe, name: str, inputs: Iterable[StoredTensor]) -> str:
    """Dtype that an output tensor is written in."""
    override = next((rule.dtype for rule in recipe.dtype_overrides if rule.filter in name), None)
    return override or recipe.out_dtype or recipe.dtype or promoted(s.output_dtype for s in inputs)


def promoted(dtypes: Iterable[str]) -> str:
    """The dtype that holds all of these without loss."""
    kinds = set(dtypes)
    if "float64" in kinds:
        return "float64"
    return kinds.pop() if len(kinds) == 1 else "float32"
