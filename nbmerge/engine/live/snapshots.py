"""Earlier merges that are kept beside a live one, to be asked the same: A/B."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nbmerge.engine.loading.hf_model import assembled
from nbmerge.engine.planning.plans import Plan
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Pin:
    """A merge as it was when it was pinned; made by `LiveMerge.pin`.

    To keep one without its weights, keep its `recipe`: `LiveMerge.update` makes the same bytes of it again.

    Attributes
    ----------
    name : str
    plan : Plan
    weights : dict of str to Tensor
        Shared with the live model, and with other pins, as far as they are the same.
    tokenizer : PreTrainedTokenizerBase or None
    """

    def __init__(
        self, name: str, plan: Plan, weights: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerBase | None
    ):
        self.name, self.plan, self.weights, self.tokenizer = name, plan, weights, tokenizer

    @property
    def recipe(self) -> Recipe:
        """The recipe that it is."""
        return self.plan.recipe

    @cached_property
    def model(self) -> PreTrainedModel:
        """A transformers model around the weights, made when first asked for."""
        return assembled(self.plan, self.weights)

    @property
    def nbytes(self) -> int:
        """Size of its weights, shared ones included."""
        return sum(w.nbytes for w in self.weights.values())

    def __repr__(self) -> str:
        return f"<Pin {self.name}: {self.recipe!r}>"
