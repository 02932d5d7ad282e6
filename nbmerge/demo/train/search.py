"""Find a weight for each place of each expert, by gradient descent on these few numbers.

The merge is base + Σ wᵢ (expertᵢ − base) with one w for every expert and place. A place is the embedding, a layer's
attention, the rest of a layer, the final norm or the head, so two experts of 8 layers have 38 numbers. The descent uses
only words of the "search" kind, which are neither in the training nor in the measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch.func import functional_call

from nbmerge.demo.characters import tokenizer
from nbmerge.demo.exam import Sheet, sheet
from nbmerge.demo.texts import SKILLS
from nbmerge.demo.words import random_words

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HIGH = 1.5
"""Highest weight; the lowest is 0."""
BEND = 0.02
"""Penalty of curvature, in nats per unit of squared second difference, for smooth curves."""


class Blend:
    """The merge of `experts` into `base`, for any weights of shape (experts, places)."""

    def __init__(self, base: PreTrainedModel, experts: list[PreTrainedModel]):
        self.base = base
        depth = base.config.num_hidden_layers
        layers = [f"model.layers.{i}." for i in range(depth)]
        self.depth = depth
        self.places = ["model.embed_tokens.", *(f"{at}self_attn." for at in layers), *layers, "model.norm.", "lm_head."]
        others = [dict(expert.named_parameters()) for expert in experts]
        self.start = {name: tensor.detach() for name, tensor in base.named_parameters()}
        self.deltas = {n: torch.stack([o[n].detach() - t for o in others]) for n, t in self.start.items()}
        self.place = {n: next(i for i, part in enumerate(self.places) if n.startswith(part)) for n in self.start}

    def at(self, weights: torch.Tensor) -> dict[str, torch.Tensor]:
        """Give the merge's parameters; differentiable in `weights`."""
        return {
            name: start + torch.tensordot(weights[:, self.place[name]], self.deltas[name], 1)
            for name, start in self.start.items()
        }

    def bend(self, weights: torch.Tensor) -> torch.Tensor:
        """Sum the squared second differences of every curve over the layers."""
        curves = weights[:, 1:-2].unflatten(1, (2, self.depth))
        return curves.diff(n=2).square().sum()

    def flat(self, *values: float) -> torch.Tensor:
        """Make weights that are the same in all places, one value for each expert."""
        return torch.tensor(values)[:, None].repeat(1, len(self.places))


def surprise(blend: Blend, weights: torch.Tensor, sheets: list[Sheet]) -> torch.Tensor:
    """Loss of the merge on the right answers: nats per word summed over skills, the worst one twice."""
    parameters = blend.at(weights)
    losses = []
    for ids, labels in sheets:
        logits = functional_call(blend.base, parameters, (ids,)).logits[:, :-1]
        losses.append(F.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="sum") / len(ids))
    return sum(losses) + max(losses)


def search(blend: Blend, steps: int = 150, rate: float = 0.05, start: float = 0.5, batch: int = 50) -> torch.Tensor:
    """Descend from the flat weight `start` with Adam; return weights of two decimals, (experts, places)."""
    experts = len(next(iter(blend.deltas.values())))
    weights = blend.flat(*[start] * experts).requires_grad_()
    optimizer = torch.optim.Adam([weights])
    words, make = random_words(10 * batch, 0, "search"), tokenizer()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        first = step * batch % len(words)
        sheets = [sheet(skill, words[first : first + batch], make) for skill in SKILLS]
        cost = surprise(blend, weights, sheets) + BEND * blend.bend(weights)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        with torch.no_grad():
            weights.clamp_(0, HIGH)
    return weights.detach().mul(100).round().div(100)


def as_yaml(weights: torch.Tensor, names: Mapping[str, str]) -> str:
    """Write the weights as a recipe that mergekit reads too; `names` gives each expert's name and skill."""
    lines = ["merge_method: task_arithmetic", "base_model: base", "models:"]
    for (name, skill), curve in zip(names.items(), weights.tolist(), strict=True):
        embedding, *layers, norm, head = (f"{value:.2f}" for value in curve)
        attention, rest = layers[: len(layers) // 2], layers[len(layers) // 2 :]
        lines += [
            f"  - model: {name}  # {skill}",
            "    parameters:",
            "      weight:",
            f"        - {{filter: model.embed_tokens, value: {embedding}}}",
            f"        - {{filter: model.norm, value: {norm}}}",
            f"        - {{filter: lm_head, value: {head}}}",
            f"        - {{filter: self_attn, value: [{', '.join(attention)}]}}",
            f"        - value: [{', '.join(rest)}]",
        ]
    return "\n".join([*lines, "dtype: float32", ""])
