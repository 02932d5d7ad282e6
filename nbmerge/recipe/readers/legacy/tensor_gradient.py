"""Gradients over tensors instead of layers, as in the later BlockMerge_Gradient.

That program spreads a list of values over the tensors of a model in the order of their definition, filtered or not:
every section between two values is spread evenly, both ends included, over an equal number of tensors, and the
remaining tensors take the last value. Each operation works on the result of the one before; for two models that amounts
to one share per tensor, 1 − Π(1 − gₖ). As each layer has the same parts, it is a gradient over the layers for each part.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, Where
from nbmerge.recipe.constructors import open_if_local
from nbmerge.recipe.readers.recipe_text import note, reading_error
from nbmerge.recipe.recipe import Recipe

MODULES = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "self_attn.rotary_emb",
    "self_attn.q_norm", "self_attn.k_norm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm",
    "post_attention_layernorm",
)  # fmt: skip
"""Modules of a Llama-like layer in the order of their definition, which files do not preserve."""


@dataclass(frozen=True)
class Operation:
    """One gradient.

    Parameters
    ----------
    values : sequence of float
        Shares of the second model.
    layers : bool, optional
        Only tensors with "layer" in their names, or only those without; None means both.
    filter : str, optional
        Text that names contain.
    where : tuple
        Its place in what was read.
    """

    values: Sequence[float]
    layers: bool | None = None
    filter: str | None = None
    where: Where = ()

    def matches(self, name: str) -> bool:
        """Whether it merges this tensor."""
        return (self.layers is None or ("layer" in name) == self.layers) and (not self.filter or self.filter in name)


def make_recipe(model1: Any, model2: Any, operations: Sequence[Operation]) -> Recipe:
    """The recipe of one or several such gradients from the first model to the second."""
    try:
        first, second = ModelRef.of(model1), ModelRef.of(model2)
        checkpoint = Checkpoint.open(first)
    except CheckpointError as error:
        what = f"a gradient over tensors requires the names of the first model's tensors. {error}"
        raise reading_error(what, where=("model_path1",)) from error
    except ValueError as error:
        raise reading_error(str(error), where=("model_path1",)) from error
    names = list_in_definition_order(checkpoint)
    shares, notes = dict.fromkeys(names, 0.0), list[Problem]()
    for operation in operations:
        taken = [n for n in names if operation.matches(n)]
        if not taken:
            notes.append(note("this operation matches no tensor.", operation.where, severity="warning"))
        for name, g in zip(taken, spread_values(operation.values, len(taken)), strict=True):
            shares[name] = 1 - (1 - shares[name]) * (1 - g)
    return _recipe(first, second, checkpoint, shares, _vocabulary(checkpoint, open_if_local(second))).with_origin(
        "a gradient over tensors", notes + _overlaps(names, operations)
    )


def list_in_definition_order(checkpoint: Checkpoint) -> list[str]:
    """Names of a Llama-like model's tensors as `state_dict` lists them: embedding, layers, final norm, head."""
    layout = checkpoint.layout
    parts = layout.parts(0)
    unknown = [p for p in parts if p.rsplit(".", 1)[0] not in MODULES]
    if unknown or layout.stack != "model.layers":
        other = unknown[0] if unknown else layout.stack
        what = f"the order of tensors is only known for Llama-like models; {checkpoint.name} has {other}."
        raise reading_error(what, where=("model_path1",))
    # weight before bias within a module
    parts.sort(key=lambda p: (MODULES.index(p.rsplit(".", 1)[0]), p.endswith("bias")))
    layers = [layout.name(i, p) for i in range(layout.depth) for p in parts]
    roles = (layout.outside(role) for role in ("final norm", "head", "other"))
    return [*layout.outside("embedding"), *layers, *(n for role in roles for n in role)]


def spread_values(values: Sequence[float], count: int) -> list[float]:
    """The value of each of `count` tensors."""
    values = [*values, *values] if len(values) == 1 else list(values)
    each = count // (len(values) - 1)
    spread = [a + (b - a) * k / (each - 1) if k else a for a, b in itertools.pairwise(values) for k in range(each)]
    return spread + [values[-1]] * (count - len(spread))


def _vocabulary(first: Checkpoint, second: Checkpoint | None) -> str:
    """What the program does with vocabularies of different size: common rows blend, the first model's others stay."""
    rows, other_rows = first.vocabulary, second.vocabulary if second else None
    if rows is None or other_rows is None or rows == other_rows:
        return "refuse"
    return "truncate" if rows < other_rows else "copy"


def _recipe(
    first: ModelRef, second: ModelRef, checkpoint: Checkpoint, shares: dict[str, float], vocabulary: str
) -> Recipe:
    layout, layers = checkpoint.layout, [0, checkpoint.depth]
    rules: list[dict[str, Any]] = [
        {"filter": f".{part}", "value": [_rounded(shares[layout.name(i, part)]) for i in range(layout.depth)]}
        for part in layout.parts(0)
    ]
    donors = {}
    for role, field in (
        ("embedding", "embedding_source"),
        ("final norm", "final_norm_source"),
        ("head", "lm_head_source"),
    ):
        names = layout.outside(role)
        if any(shares[n] for n in names):
            rules += [{"filter": n, "value": _rounded(shares[n])} for n in names]
        else:  # taken from the first model as it is, whatever the second one's vocabulary
            donors[field] = first
    # The longest first: a filter that is part of another's must not take its tensors. And zeros need no rule.
    rules = [
        r for r in sorted(rules, key=lambda r: -len(r["filter"])) if r["value"] and set(_list(r["value"])) != {0.0}
    ]
    source = {"model": second, "layer_range": layers, "parameters": {"weight": [*rules, {"value": 0}]}}
    return Recipe.of({
        "merge_method": "task_arithmetic",
        "base_model": first,
        "slices": [{"sources": [{"model": first, "layer_range": layers}, source]}],
        "dtype": "float16",
        # donors of embedding and head leave no rows to bring together
        "vocabulary": vocabulary if len(donors.keys() & {"embedding_source", "lm_head_source"}) < 2 else "refuse",
        **donors,
    })  # fmt: skip


def _rounded(share: float) -> float:
    return round(share, 12)


def _list(value: Any) -> Iterable[float]:
    return value if isinstance(value, list) else [value]


def _overlaps(names: Sequence[str], operations: Sequence[Operation]) -> list[Problem]:
    twice = sum(sum(o.matches(n) for o in operations) > 1 for n in names)
    return [note(f"{twice} tensors match several operations, whose shares compound.")] if twice else []
