"""Pins: earlier versions of a live merge, kept for comparison."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nbmerge.engine.live.hf_model import assemble_model
from nbmerge.engine.planning.plans import Plan
from nbmerge.presentation import Displayed
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Pin(Displayed):
    """A merge as it was when it was pinned; returned by `LiveMerge.pin`.

    To keep a version without its weights, keep its `recipe`: `LiveMerge.update` computes the same bytes from it.

    Attributes
    ----------
    name : str
    plan : Plan
    weights : dict of str to Tensor
        Shared with the live model, and with other pins, where they are equal.
    tokenizer : PreTrainedTokenizerBase or None
    """

    def __init__(
        self, name: str, plan: Plan, weights: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerBase | None
    ):
        self.name, self.plan, self.weights, self.tokenizer = name, plan, weights, tokenizer

    @property
    def recipe(self) -> Recipe:
        """Its recipe."""
        return self.plan.recipe

    @cached_property
    def model(self) -> PreTrainedModel:
        """A transformers model around the weights, built on first access."""
        return assemble_model(self.plan, self.weights)

    @property
    def nbytes(self) -> int:
        """Size of its weights in bytes, including shared ones."""
        return sum(w.nbytes for w in self.weights.values())

    def __repr__(self) -> str:
        return f"<Pin {self.name}: {self.recipe!r}>"
