"""Three older tools as functions: the merges that they make, as recipes.

Their numbers keep the meaning that they had there; the recipes say in mergekit's terms what it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.errors import RecipeError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem

if TYPE_CHECKING:
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.recipe.model import Recipe

LAST = 99
"""The older tool's default for the end of its layers: all there are."""


class Makers:
    """What `Recipe` has for being made from a few numbers."""

    @classmethod
    def block_merge(
        cls, first: Any, second: Any, ratios: Sequence[float], outside: str = "first", dtype: str | None = "float16"
    ) -> Recipe:
        """One slider per layer, as in LM_Transformers_BlockMerge.

        Parameters
        ----------
        first, second : path, Hub id or ModelRef
        ratios : sequence of float, one per layer
            The *first* model's share of each layer; the second has the rest.
        outside : "first" or "second"
            Whose embeddings, final norm, head, config and tokenizer the result gets. The tool's README says the first
            model's; its program took the second's.
        dtype : str, optional
            dtype of the result; None leaves the stored one.

        Raises
        ------
        RecipeError
            For what is no share, and where a model at hand has another number of layers.
        """
        a, b = _model(first, "first"), _model(second, "second")
        shares = [_number(r, ("ratios", i)) for i, r in enumerate(ratios)]
        if outside not in ("first", "second"):
            raise _refused("outside", f"'{outside}' is neither 'first' nor 'second'.")
        for ref, name in ((a, "first"), (b, "second")):
            checkpoint = at_hand(ref)
            if checkpoint and checkpoint.depth != len(shares):
                what = f"{len(shares)} ratios for the {checkpoint.depth} layers of the {name} model, {checkpoint.name}."
                raise _refused("ratios", what, "Give one per layer; both models need the same number of layers.")
        if not shares:
            raise _refused("ratios", "there are none.", "Give one per layer.")
        donor = a if outside == "first" else b
        return cls.of({
            "merge_method": "linear",
            "models": [
                {"model": a, "parameters": {"weight": shares}},
                {"model": b, "parameters": {"weight": [rest(r) for r in shares]}},
            ],
            "parameters": {"normalize": False},
            "dtype": dtype,
            **dict.fromkeys(("embedding_source", "final_norm_source", "lm_head_source", "config_source"), donor),
        }).read_as("one ratio per layer")  # fmt: skip

    @classmethod
    def block_gradient(
        cls, model1: Any, model2: Any, gradient_start: float = 0.0, gradient_end: float = 1.0,
        layer_start: int = 0, layer_end: int = LAST,
    ) -> Recipe:  # fmt: skip
        """A gradient over a range of layers, as in the first BlockMerge_Gradient.

        Parameters
        ----------
        model1, model2 : path, Hub id or ModelRef
            Layers outside the range, everything outside the layers, config and tokenizer are the first model's.
        gradient_start, gradient_end : float
            The *second* model's share of the first and of the last layer in the range.
        layer_start, layer_end : int
            First layer, and the one behind the last; what lies behind the model's end means its end.

        Raises
        ------
        RecipeError
            For an impossible range, naming the possible one; and where the first model is not at hand, unless the range
            is all its layers.
        """
        a, b = _model(model1, "model1"), _model(model2, "model2")
        start, end = _number(gradient_start, ("gradient_start",)), _number(gradient_end, ("gradient_end",))
        for name, value in (("layer_start", layer_start), ("layer_end", layer_end)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise _refused(name, f"{value!r} is not a whole number.")
        recipe = {"merge_method": "linear", "parameters": {"normalize": False}, "dtype": "float16"}
        recipe |= dict.fromkeys(("embedding_source", "final_norm_source", "lm_head_source", "config_source"), a)
        checkpoint = at_hand(a)
        if checkpoint is None:
            if layer_start != 0 or layer_end < LAST:
                what = f"how many layers {a} has must be known to cut a range out of it, and it is not on this machine."
                raise _refused("model1", what, f"Fetch it first: hf download {a.path}")
            return cls.of(recipe | {"models": _blend(a, b, [start, end])}).read_as("a gradient over all layers")
        depth = checkpoint.depth
        first, last = _range(layer_start, layer_end, depth)
        if (other := at_hand(b)) and other.depth < last:
            what = f"{other.name} has {other.depth} layers, and the range needs layer {last - 1}."
            raise _refused("model2", what, f"Choose a layer_end of at most {other.depth}.")
        shares = [start, end] if last - first > 1 else [start]
        slices = [{"sources": _blend(a, b, shares, [first, last])}]
        if first > 0:
            slices.insert(0, {"sources": [_alone(a, [0, first])]})
        if last < depth:
            slices.append({"sources": [_alone(a, [last, depth])]})
        return cls.of(recipe | {"slices": slices}).read_as(f"a gradient over the layers [{first}, {last})")

    @classmethod
    def slerp_merge(
        cls,
        primary: Any,
        secondary: Any,
        t: float = 0.5,
        vocabulary: str = "edge-gradient",
        zero_tensors: str = "keep_other",
    ) -> Recipe:
        """Two models on the arc between them, as in LLM-SLERP-Merge; the result is float32.

        Parameters
        ----------
        primary, secondary : path, Hub id or ModelRef
        t : float
            Share of the secondary model.
        vocabulary : str
            How the shorter of two vocabularies grows; see `Recipe`. The tool promised an edge gradient and padded with
            zeros.
        zero_tensors : "keep_other" or "formula"
            Where a tensor is zero in one model: the README's rule, or what the program did.
        """
        return cls.of({
            "merge_method": "slerp",
            "models": [_model(primary, "primary"), _model(secondary, "secondary")],
            "base_model": _model(primary, "primary"),
            "parameters": {"t": _number(t, ("t",)), "zero_tensors": zero_tensors},
            "dtype": "float32",
            "vocabulary": vocabulary,
        }).read_as("a slerp of two models")  # fmt: skip


def rest(share: float) -> float:
    """What a share leaves of the whole, without the last digits that binary fractions bring: 0.2 for 0.8."""
    return round(1 - share, 12)


def _blend(a: ModelRef, b: ModelRef, shares: list[float], layers: list[int] | None = None) -> list[dict]:
    """Two sources; `shares` are those of the second."""
    return [_alone(a, layers, [rest(s) for s in shares]), _alone(b, layers, shares)]


def _alone(model: ModelRef, layers: list[int] | None, weight: Any = 1) -> dict:
    source = {"model": model, "parameters": {"weight": weight}}
    return source | {"layer_range": layers} if layers else source


def _range(start: int, end: int, depth: int) -> tuple[int, int]:
    """The range [start, end) of a model's layers, its end brought back to the model's."""
    last = min(end, depth)
    if not 0 <= start < depth:
        raise _refused("layer_start", f"{start} is not a layer of a model of {depth} layers.", f"Use 0 to {depth - 1}.")
    if last <= start:
        what = f"{end} ends the range [{start}, {end}) before it has a layer."
        raise _refused("layer_end", what, f"Use {start + 1} to {depth}; the end is not included.")
    return start, last


def at_hand(ref: ModelRef) -> Checkpoint | None:
    """The model's checkpoint where it is on this machine, to ask it for its depth and sizes."""
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
