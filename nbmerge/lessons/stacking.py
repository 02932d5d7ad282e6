"""Stacks of layers of two models: the recipe of slices that a stack means, and how well the stack predicts texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmerge.demo.texts import SKILLS, answer, prompt
from nbmerge.demo.words import random_words
from nbmerge.engine.live import LiveMerge, live
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError
from nbmerge.plots.colours import label_models
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.sampling import evaluation_mode
from nbmerge.sampling.likelihood import encode_completions, evaluate

if TYPE_CHECKING:
    from nbmerge.typing import Askable

Layer = tuple[str, int]
"""A layer of a stack: the name of its model, and its number there."""
Texts = Mapping[str, Sequence[tuple[str, str]]]
"""Texts by name, each a list of prompts with what follows them."""

MOST = 64
"""Layers that a stack may have."""


@dataclass(frozen=True)
class StackMeasurement:
    """What a stack of layers is, and how well it predicts texts.

    Parameters
    ----------
    layers : tuple of (str, int)
        The model and the number of each layer, from the first layer of the stack to the last.
    parameters, size : int
        Number of parameters, and bytes of the files.
    losses : mapping of str to float
        For each text, the mean of −log P(token | tokens before it), in nats.
    guess : float
        The loss of guessing: the logarithm of the vocabulary's size.
    """

    layers: tuple[Layer, ...]
    parameters: int
    size: int
    losses: Mapping[str, float]
    guess: float

    def __str__(self) -> str:
        runs = ", ".join(
            f"{m} {first}" if end - first == 1 else f"{m} {first}–{end - 1}" for m, first, end in self.runs
        )
        losses = ", ".join(f"{name} {loss:.2f}" for name, loss in self.losses.items())
        return f"{self.count}: {runs}. Loss per token: {losses}."

    @property
    def count(self) -> str:
        """How many layers there are, in words."""
        return f"{len(self.layers)} {'layer' if len(self.layers) == 1 else 'layers'}"

    @property
    def runs(self) -> list[tuple[str, int, int]]:
        """The slices: a model, its first layer and the one after the last."""
        return find_runs(self.layers)


class StackBuilder:
    """Builds stacks from the layers of two models, in memory, and measures them.

    Parameters
    ----------
    first, second : path-like or str
        Models that can be stacked: of one architecture, and equally wide.
    texts : mapping of str to sequence of (str, str)
        Prompts and what follows them, by name. Only what follows a prompt counts.

    Attributes
    ----------
    depths : dict of str to int
        How many layers each model has, by its name.
    whole : dict of str to StackMeasurement
        Both models themselves, by name.
    """

    def __init__(self, first: Any, second: Any, texts: Texts):
        self.texts = texts
        pair = Recipe.of({"merge_method": "linear", "models": [{"model": str(m)} for m in (first, second)]})
        self._models = {label: ref for ref, label in label_models(pair).items()}
        if len(self._models) != 2:
            raise ArgumentError("A stack needs two different models.")
        self.depths = {label: make_plan(_whole(ref)).depth for label, ref in self._models.items()}
        self._live: LiveMerge | None = None
        self.whole = {
            label: self.measure([(label, i) for i in range(depth)]) for label, depth in self.depths.items()
        }  # fmt: skip

    def check(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """The layers, if they can be stacked.

        Raises
        ------
        ArgumentError
            If there is none, if there are more than 64, and for a layer that its model does not have.
        """
        if not 1 <= len(layers) <= MOST:
            raise ArgumentError(f"A stack has 1 to {MOST} layers, not {len(layers)}.")
        for model, number in layers:
            if not 0 <= number < self.depths.get(model, 0):
                known = ", ".join(f"{name} 0 to {depth - 1}" for name, depth in self.depths.items())
                raise ArgumentError(f"There is no layer {number} of {model!r}. The layers are {known}.")
        return tuple((model, number) for model, number in layers)

    def recipe(self, layers: Sequence[Layer]) -> Recipe:
        """The recipe of a stack: each run of consecutive layers of a model is a slice."""
        return Recipe.of(write_slices(find_runs(self.check(layers)), {m: str(ref) for m, ref in self._models.items()}))

    def measure(self, layers: Sequence[Layer]) -> StackMeasurement:
        """Merge a stack in memory, and measure its loss on each text.

        Raises
        ------
        ArgumentError
            As `check`.
        RecipeError
            If the models' layers do not fit together.
        SampleError
            If a text is too long for the models, or the stack returns NaN.
        """
        recipe = self.recipe(layers)
        if self._live is None:
            self._live = live(recipe, progress=False)
        else:
            self._live.update(recipe, progress=False)
        plan = self._live.plan
        losses = {name: measure_loss(self._live, pairs) for name, pairs in self.texts.items()}
        guess = math.log(self._live.model.config.vocab_size)
        return StackMeasurement(tuple(layers), plan.parameters, plan.bytes_written, losses, guess)

    def close(self) -> None:
        """Free the merge."""
        if self._live is not None:
            self._live.close()
            self._live = None


def list_demo_texts(words: int = 12) -> dict[str, list[tuple[str, str]]]:
    """What the bundled models can do, as texts: a story, and both skills on held-out words."""
    asked = random_words(words, 0)
    texts = {"story": [("the shy fox", " walked to the meadow and met a happy owl. they became friends.")]}
    return texts | {skill: [(prompt(skill, word), answer(skill, word)) for word in asked] for skill in SKILLS}


def find_runs(layers: Sequence[Layer]) -> list[tuple[str, int, int]]:
    """Runs of consecutive layers of one model: its name, the first layer and the one after the last."""
    runs: list[tuple[str, int, int]] = []
    for model, number in layers:
        if runs and runs[-1][0] == model and runs[-1][2] == number:
            runs[-1] = (model, runs[-1][1], number + 1)
        else:
            runs.append((model, number, number + 1))
    return runs


def write_slices(runs: Sequence[tuple[str, int, int]], models: Mapping[str, str]) -> dict[str, Any]:
    """A recipe of slices as data.

    Parameters
    ----------
    runs : sequence of (str, int, int)
        As `find_runs` returns them.
    models : mapping of str to str
        What the recipe calls each model.
    """
    slices = [{"sources": [{"model": models[m], "layer_range": [first, end]}]} for m, first, end in runs]
    return {"merge_method": "passthrough", "slices": slices}


def measure_loss(model: Askable, pairs: Sequence[tuple[str, str]]) -> float:
    """The mean of −log P(token | tokens before it) over what follows each of some prompts, in nats."""
    import torch

    with evaluation_mode(model) as loaded:
        logs = [
            evaluate(loaded, window)
            for before, text in pairs
            for window in encode_completions(loaded, before, [text]).values()
        ]
    return -float(torch.cat(logs).mean())


def _whole(ref: ModelRef) -> dict[str, Any]:
    return {"merge_method": "passthrough", "models": [{"model": str(ref)}]}
