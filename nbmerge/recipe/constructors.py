"""The merges of three older tools as recipes.

Arguments have the meaning that they had there; the recipes express it in mergekit's terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.errors import RecipeError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem
from nbmerge.recipe.recipe import ALL_LAYERS, Recipe

if TYPE_CHECKING:
    from nbmerge.checkpoints import Checkpoint


def block_merge(
    first: Any, second: Any, ratios: Sequence[float], outside: str = "first", dtype: str | None = "float16"
) -> Recipe:
    """See `Recipe.block_merge`."""
    a, b = _model(first, "first"), _model(second, "second")
    shares = [_number(r, ("ratios", i)) for i, r in enumerate(ratios)]
    if outside not in ("first", "second"):
        raise _refused("outside", f"'{outside}' is neither 'first' nor 'second'.")
    for ref, name in ((a, "first"), (b, "second")):
        checkpoint = open_if_local(ref)
        if checkpoint and checkpoint.depth != len(shares):
            what = f"{len(shares)} ratios were given for the {checkpoint.depth} layers of the {name} model, {checkpoint.name}."
            raise _refused("ratios", what, "Give one per layer; both models need the same number of layers.")
    if not shares:
        raise _refused("ratios", "the list is empty.", "Give one ratio per layer.")
    donor = a if outside == "first" else b
    return Recipe.of({
        "merge_method": "linear",
        "models": [
            {"model": a, "parameters": {"weight": shares}},
            {"model": b, "parameters": {"weight": [complement(r) for r in shares]}},
        ],
        "parameters": {"normalize": False},
        "dtype": dtype,
        **dict.fromkeys(("embedding_source", "final_norm_source", "lm_head_source", "config_source"), donor),
    }).with_origin("one ratio per layer")  # fmt: skip


def block_gradient(
    model1: Any, model2: Any, gradient_start: float = 0.0, gradient_end: float = 1.0,
    layer_start: int = 0, layer_end: int = ALL_LAYERS,
) -> Recipe:  # fmt: skip
    """See `Recipe.block_gradient`."""
    a, b = _model(model1, "model1"), _model(model2, "model2")
    start, end = _number(gradient_start, ("gradient_start",)), _number(gradient_end, ("gradient_end",))
    for name, value in (("layer_start", layer_start), ("layer_end", layer_end)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refused(name, f"{value!r} is not a whole number.")
    recipe: dict[str, Any] = {"merge_method": "linear", "parameters": {"normalize": False}, "dtype": "float16"}
    recipe |= dict.fromkeys(("embedding_source", "final_norm_source", "lm_head_source", "config_source"), a)
    checkpoint = open_if_local(a)
    if checkpoint is None:
        if layer_start != 0 or layer_end < ALL_LAYERS:
            what = f"a range of layers needs the number of layers of {a}, which is not on this machine."
            raise _refused("model1", what, f"Download it first: hf download {a.path}")
        return Recipe.of(recipe | {"models": _blend(a, b, [start, end])}).with_origin("a gradient over all layers")
    depth = checkpoint.depth
    first, last = _range(layer_start, layer_end, depth)
    if (other := open_if_local(b)) and other.depth < last:
        what = f"{other.name} has only {other.depth} layers, but the range includes layer {last - 1}."
        raise _refused("model2", what, f"Choose a layer_end of at most {other.depth}.")
    shares = [start, end] if last - first > 1 else [start]
    slices = [{"sources": _blend(a, b, shares, [first, last])}]
    if first > 0:
        slices.insert(0, {"sources": [_alone(a, [0, first])]})
    if last < depth:
        slices.append({"sources": [_alone(a, [last, depth])]})
    return Recipe.of(recipe | {"slices": slices}).with_origin(f"a gradient over the layers [{first}, {last})")


def slerp_merge(
    primary: Any,
    secondary: Any,
    t: float = 0.5,
    vocabulary: str = "edge-gradient",
    zero_tensors: str = "keep_other",
) -> Recipe:
    """See `Recipe.slerp_merge`."""
    return Recipe.of({
        "merge_method": "slerp",
        "models": [_model(primary, "primary"), _model(secondary, "secondary")],
        "base_model": _model(primary, "primary"),
        "parameters": {"t": _number(t, ("t",)), "zero_tensors": zero_tensors},
        "dtype": "float32",
        "vocabulary": vocabulary,
    }).with_origin("a slerp of two models")  # fmt: skip


def complement(share: float) -> float:
    """One minus a share, without the rounding errors of binary fractions: 0.2 for 0.8."""
    return round(1 - share, 12)


def _blend(a: ModelRef, b: ModelRef, shares: list[float], layers: list[int] | None = None) -> list[dict[str, Any]]:
    """Two sources; `shares` are those of the second."""
    return [_alone(a, layers, [complement(s) for s in shares]), _alone(b, layers, shares)]


def _alone(model: ModelRef, layers: list[int] | None, weight: Any = 1) -> dict[str, Any]:
    source = {"model": model, "parameters": {"weight": weight}}
    return source | {"layer_range": layers} if layers else source


def _range(start: int, end: int, depth: int) -> tuple[int, int]:
    """The range [start, end) of a model's layers, its end limited to the model's."""
    last = min(end, depth)
    if not 0 <= start < depth:
        raise _refused("layer_start", f"{start} is not a layer of a model of {depth} layers.", f"Use 0 to {depth - 1}.")
    if last <= start:
        what = f"the range [{start}, {end}) contains no layer."
        raise _refused("layer_end", what, f"Use {start + 1} to {depth}; the end is not included.")
    return start, last


def open_if_local(ref: ModelRef) -> Checkpoint | None:
    """The model's checkpoint if it is on this machine."""
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    try:
        return Checkpoint.open(ref)
    except CheckpointError:
        return None


def _model(raw: Any, name: str) -> ModelRef:
    try:
        return ModelRef.of(raw)
    except ValueError as error:
        raise _refused(name, str(error)) from error


def _number(raw: Any, where: tuple[str | int, ...]) -> float:
    try:
        value = float(raw)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if isinstance(raw, bool | str) or not math.isfinite(value):
        raise RecipeError([Problem("error", where, f"{raw!r} is not a finite number.")])
    return value


def _refused(name: str, what: str, how: str = "") -> RecipeError:
    return RecipeError([Problem("error", (name,), what, how)])
