"""The merges of four older tools as recipes: class methods of `Recipe`, which has them as its own.

Arguments have the meaning that they had there; the recipes express it in mergekit's terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.errors import RecipeError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem

if TYPE_CHECKING:
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.recipe.recipe import Recipe

_UNET = "model.diffusion_model"
UNET_BLOCKS = (
    f"{_UNET}.time_embed.", f"{_UNET}.out.", *(f"{_UNET}.input_blocks.{i}." for i in range(12)), f"{_UNET}.middle_block.",
    *(f"{_UNET}.output_blocks.{i}." for i in range(12)),
)  # fmt: skip
"""What the names of tensors in a UNet of Stable Diffusion 1 and 2 begin with: outside its blocks, and the 25 blocks in order."""
ALL_LAYERS = 99
"""Default end of a range of layers, from the tool that it is modelled on: larger than the depth of its models."""


def block_merge(
    cls: type[Recipe],
    first: Any,
    second: Any,
    ratios: Sequence[float],
    outside: str = "first",
    dtype: str | None = "float16",
) -> Recipe:
    """Merge with one ratio per layer, as in LM_Transformers_BlockMerge.

    Parameters
    ----------
    first, second : path, Hub id or ModelRef
    ratios : sequence of float, one per layer
        The *first* model's share of each layer; the second has the rest.
    outside : "first" or "second"
        Which model the embeddings, final norm, head, config and tokenizer are taken from. The tool's README says the
        first; its program took the second.
    dtype : str, optional
        dtype of the result; None leaves the stored one.

    Raises
    ------
    RecipeError
        When a ratio is not a finite number, and when a model on this machine has another number of layers.
    """
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
    return cls.of({
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
    cls: type[Recipe], model1: Any, model2: Any, gradient_start: float = 0.0, gradient_end: float = 1.0,
    layer_start: int = 0, layer_end: int = ALL_LAYERS,
) -> Recipe:  # fmt: skip
    """Merge with a gradient over a range of layers, as in the first BlockMerge_Gradient.

    Parameters
    ----------
    model1, model2 : path, Hub id or ModelRef
        Layers outside the range, everything outside the layers, config and tokenizer are taken from the first model.
    gradient_start, gradient_end : float
        The *second* model's share of the first and of the last layer in the range.
    layer_start, layer_end : int
        First layer of the range and the one after its last; a `layer_end` beyond the model means its end.

    Raises
    ------
    RecipeError
        For an impossible range, naming the possible one; and when the first model is not on this machine, unless the
        range covers all its layers.
    """
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
        return cls.of(recipe | {"models": _blend(a, b, [start, end])}).with_origin("a gradient over all layers")
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
    return cls.of(recipe | {"slices": slices}).with_origin(f"a gradient over the layers [{first}, {last})")


def slerp_merge(
    cls: type[Recipe],
    primary: Any,
    secondary: Any,
    t: float = 0.5,
    vocabulary: str = "edge-gradient",
    zero_tensors: str = "keep_other",
) -> Recipe:
    """Merge two models along the arc between them, as in LLM-SLERP-Merge; the result is float32.

    Parameters
    ----------
    primary, secondary : path, Hub id or ModelRef
    t : float
        Share of the secondary model.
    vocabulary : str
        How the smaller of two vocabularies is extended; see `Recipe`. The tool promised an edge gradient and padded
        with zeros.
    zero_tensors : "keep_other" or "formula"
        What to do where a tensor is zero in one model: keep the other, as its README says, or follow the formula, as
        its program did.
    """
    return cls.of({
        "merge_method": "slerp",
        "models": [_model(primary, "primary"), _model(secondary, "secondary")],
        "base_model": _model(primary, "primary"),
        "parameters": {"t": _number(t, ("t",)), "zero_tensors": zero_tensors},
        "dtype": "float32",
        "vocabulary": vocabulary,
    }).with_origin("a slerp of two models")  # fmt: skip


def unet_merge(
    cls: type[Recipe],
    first: Any,
    second: Any,
    weights: str | Sequence[float],
    base: float | None = None,
    dtype: str | None = "float16",
) -> Recipe:
    """Merge two checkpoints of Stable Diffusion 1 or 2 by the blocks of their UNet, as merge-block-weighted and supermerger do.

    Parameters
    ----------
    first, second : path
        Weights files.
    weights : str or sequence of float
        The *second* checkpoint's share of each of the 25 blocks IN00 to IN11, M00 and OUT00 to OUT11; or 26 numbers, of which the first
        is `base`; or the name of a preset, such as ``"GRAD_V"``.
    base : float, optional
        The share of everything outside the blocks: text encoder and decoder. Default 0; 1 for the preset ALL_B.
    dtype : str, optional
        dtype of the result; None leaves the stored one.

    Raises
    ------
    RecipeError
        When there is no preset of that name, and for a number of blocks that is not 25.
    """
    from nbmerge.recipe.readers.legacy.block_presets import find_preset, suggest_preset

    if isinstance(weights, str):
        found = find_preset(weights)
        if found is None:
            raise _refused("weights", f"there are no block weights named '{weights:.60}'.", suggest_preset(weights))
        shares = list(found)
    else:
        shares = [_number(w, ("weights", i)) for i, w in enumerate(weights)]
    if len(shares) == 26 and base is None:
        base, *shares = shares
    if len(shares) != len(UNET_BLOCKS) - 2:
        raise _refused(
            "weights", f"here are {len(shares)} numbers.", "Give one for each of the 25 blocks, or 26 without base."
        )
    outside = float(min(shares) == 1 and isinstance(weights, str)) if base is None else _number(base, ("base",))
    # The embedding of time counts as the first block, and what comes after the last block as the last.
    rules = [*zip(UNET_BLOCKS, [shares[0], shares[-1], *shares], strict=True), (None, outside)]

    def weight(change: Callable[[float], float]) -> dict[str, Any]:
        return {"weight": [{"value": change(v)} | ({"filter": f} if f else {}) for f, v in rules]}

    return cls.of({
        "merge_method": "linear",
        "models": [
            {"model": _model(first, "first"), "parameters": weight(complement)},
            {"model": _model(second, "second"), "parameters": weight(float)},
        ],
        "parameters": {"normalize": False},
        "missing_tensors": "merge-rest",
        "dtype": dtype,
    }).with_origin("block weights of a UNet")  # fmt: skip


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
