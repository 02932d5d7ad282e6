"""Recipes of models whose layers are drawn at random from several models, as mergekit-layershuffle makes them.

The draws are those of Python's Mersenne Twister, ``random.Random(seed).random()``: the sequence of this one method is the same
in every version of Python and on every platform, so that a seed always gives the same recipe.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import ArgumentError
from nbmerge.model_ref import ModelRef
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.typing import ModelLike

MOST_LAYERS = 2_000
"""Most layers of a shuffled model."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of one of the models."""

    model: ModelRef
    index: int


def shuffle_layers(
    models: Sequence[ModelLike],
    *,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    max_shift: int = 0,
    full_random: bool = False,
    dtype: str | None = None,
) -> Recipe:
    """Make the recipe of a model whose layers are drawn at random from several models.

    Only headers are read. What lies before the layers is taken from the model of the first layer, final norm and head from the
    model of the last, as in every recipe with slices.

    Parameters
    ----------
    models : sequence of path, Hub id or ModelRef
        Models with layers of the same kind.
    weights : sequence of float, optional
        One number per model: how likely its layers are, relative to the others (default: all alike). With `full_random`,
        the number of layers that are drawn from it, as a share of its own: 0.5 draws half as many as it has
        (default: as many of each model as make one whole model).
    seed : int
        The same seed gives the same recipe, on every platform.
    max_shift : int
        How far a layer may move: layer i of the result is one of the layers i - max_shift to i + max_shift of its model.
        0 keeps every layer in its place.
    full_random : bool
        Draw layers from anywhere in each model, some perhaps several times, and put them in any order.
    dtype : str, optional
        dtype of the merged model; default that of the models.

    Returns
    -------
    Recipe
        A passthrough of slices; `Recipe.to_yaml` writes it, `nbmerge.merge` merges it.

    Raises
    ------
    ArgumentError
        When an argument is out of range, or the models differ in depth without `full_random`.
    CheckpointError
        When a model cannot be opened.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> experts = nbm.demo.family().experts
    >>> recipe = nbm.shuffle_layers([experts["reverser"], experts["shouter"]], seed=1)
    >>> [(piece.sources[0].model.name, piece.sources[0].layer_range) for piece in recipe.slices]
    [('reverser', (0, 1)), ('shouter', (1, 3)), ('reverser', (3, 6)), ('shouter', (6, 8))]
    """
    if isinstance(models, str | Path | ModelRef) or not models:
        raise ArgumentError("models must be a list of at least one model.")
    refs = [ModelRef.of(model) for model in models]
    for name, number in (("seed", seed), ("max_shift", max_shift)):
        if isinstance(number, bool) or not isinstance(number, Integral) or number < 0:
            raise ArgumentError(f"{name} must be a whole number of at least 0, not {number!r:.80}.")
    if full_random and max_shift:
        raise ArgumentError("full_random puts layers anywhere, so that max_shift has no effect: pass one of them.")
    shares = _check_weights(weights, len(refs))
    opened = [Checkpoint.open(ref) for ref in refs]
    if bare := next((c for c in opened if c.bare), None):
        raise ArgumentError(
            f"{bare.name} is a file without a config, so its layers are not known. Name a model's folder."
        )
    depths = [checkpoint.depth for checkpoint in opened]
    draw = random.Random(int(seed))
    if full_random:
        default = [1 / len(refs)] * len(refs)
        layers = _draw_anywhere(draw, refs, depths, default if weights is None else shares)
    else:
        layers = _draw_in_place(draw, refs, depths, shares, max_shift)
    slices = [
        {"sources": [{"model": first.model, "layer_range": [first.index, last.index + 1]}]}
        for first, last in _join(layers)
    ]
    return Recipe.of({"merge_method": "passthrough", "slices": slices, "dtype": dtype}).with_origin("shuffled layers")


def _check_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    """One weight per model."""
    if weights is None:
        return [1.0] * count
    if len(weights) != count:
        raise ArgumentError(f"weights has the length {len(weights)}, and there are {count} models. Pass one for each.")
    if not all(isinstance(w, Real) and math.isfinite(w) and w >= 0 for w in weights) or not any(weights):
        raise ArgumentError("weights must be finite numbers of at least 0, and not all 0.")
    return [float(w) for w in weights]


def _draw_in_place(
    draw: random.Random, refs: list[ModelRef], depths: list[int], weights: list[float], max_shift: int
) -> list[_Layer]:
    """For each layer a model, and one of its layers near that place."""
    if len(set(depths)) > 1:
        text = ", ".join(f"{ref.name}: {depth}" for ref, depth in zip(refs, depths, strict=True))
        raise ArgumentError(
            f"the models have different numbers of layers ({text}). Choose models of equal depth, or full_random."
        )
    layers = []
    for i in range(_check_depth(depths[0])):
        model = _choose(draw, refs, weights)
        first, last = max(0, i - max_shift), min(depths[0] - 1, i + max_shift)
        layers.append(_Layer(model, first + _below(draw, last - first + 1) if max_shift else i))
    return layers


def _draw_anywhere(draw: random.Random, refs: list[ModelRef], depths: list[int], shares: list[float]) -> list[_Layer]:
    """As many layers of each model as its share says, in random order."""
    counts = [int(depth * share) for depth, share in zip(depths, shares, strict=True)]
    _check_depth(sum(counts))
    layers = [
        _Layer(ref, _below(draw, depth))
        for ref, depth, count in zip(refs, depths, counts, strict=True)
        for _ in range(count)
    ]
    for i in reversed(range(1, len(layers))):  # Fisher and Yates
        j = _below(draw, i + 1)
        layers[i], layers[j] = layers[j], layers[i]
    return layers


def _check_depth(depth: int) -> int:
    if not 1 <= depth <= MOST_LAYERS:
        raise ArgumentError(f"the result would have {depth:,} layers; 1 to {MOST_LAYERS:,} are possible.")
    return depth


def _choose(draw: random.Random, refs: list[ModelRef], weights: list[float]) -> ModelRef:
    """One of the models, each as likely as its weight."""
    sums = list(accumulate(weights))
    place = draw.random() * sums[-1]
    return next(ref for ref, end in zip(refs, sums, strict=True) if place < end)


def _below(draw: random.Random, count: int) -> int:
    """A whole number from 0 to below `count`."""
    return min(int(draw.random() * count), count - 1)


def _join(layers: list[_Layer]) -> Iterator[tuple[_Layer, _Layer]]:
    """First and last layer of every run of adjacent layers of one model."""
    first = last = layers[0]
    for layer in layers[1:]:
        if (layer.model, layer.index) != (last.model, last.index + 1):
            yield first, last
            first = layer
        last = layer
    yield first, last
