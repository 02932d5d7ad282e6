"""Combination types: how the changes of several adapters become one, with the names of peft's ``add_weighted_adapter``.

Those that end in ``_svd`` merge products BA, element by element, and cut the result to a rank. Without it they do so with A and
with B, which is fast and rough, because the product of two sums is not the sum of products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from nbmerge.engine.compute import Blocks, Workspace
from nbmerge.engine.planning import TensorPlan
from nbmerge.methods import Elementwise, Values, methods
from nbmerge.methods.numerics.random_streams import kept

Election = Literal["plain", "weighted"]
Consensus = Literal["sum", "count"]


@dataclass(frozen=True)
class CombinationType:
    """One way to combine adapters.

    Parameters
    ----------
    name : str
    of : "sum", "factors" or "products"
        What is combined: the exact weighted sum of the products, in factored form; A and B apart; or the products.
    thin : "largest" or "random", optional
        Which elements are kept before they are added: the largest (TIES), or random ones (DARE).
    elects : bool
        Whether a sign is elected for each element, as in TIES.
    """

    name: str
    of: Literal["sum", "factors", "products"]
    thin: Literal["largest", "random"] | None = None
    elects: bool = False

    @property
    def cuts(self) -> bool:
        """Whether the result is cut to a rank by singular values."""
        return self.name.endswith("svd")


TYPES = {
    kind.name: kind
    for kind in (
        CombinationType("svd", "sum"),
        CombinationType("cat", "sum"),
        CombinationType("linear", "factors"),
        CombinationType("ties_svd", "products", "largest", elects=True),
        CombinationType("dare_linear_svd", "products", "random"),
        CombinationType("dare_ties_svd", "products", "random", elects=True),
        CombinationType("magnitude_prune_svd", "products", "largest"),
        CombinationType("ties", "factors", "largest", elects=True),
        CombinationType("dare_linear", "factors", "random"),
        CombinationType("dare_ties", "factors", "random", elects=True),
        CombinationType("magnitude_prune", "factors", "largest"),
    )
}
"""By name, what is recommended first."""


@dataclass(frozen=True)
class Mixer:
    """Merges tensors element by element, as a combination type and its settings require.

    Parameters
    ----------
    kind : CombinationType
    density : float
        Share of elements that are kept.
    consensus : "sum" or "count"
        Whether signs are elected by the size of changes, or by one vote each.
    election : "plain" or "weighted"
        See `nbmerge.merge_adapters`.
    """

    kind: CombinationType
    density: float = 1.0
    consensus: Consensus = "sum"
    election: Election = "plain"

    def blocks(
        self, tensor: TensorPlan, weights: Sequence[float], streams: Sequence[str], workspace: Workspace
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (first element, block) of the merged tensor.

        Parameters
        ----------
        tensor : TensorPlan
            Its inputs are the base, or zeros, and the tensors.
        weights : sequence of float
            Of the tensors.
        streams : sequence of str
            Keys of their random numbers.
        workspace : Workspace
        """
        values, method = self._values(weights, streams), self._method
        blocks = Blocks(replace(tensor, method=method.name), workspace)
        state = blocks.scan(method, values)
        for start in blocks.starts():
            yield start, method.mix(blocks.at(start), start, state, values)

    def whole(
        self, tensor: TensorPlan, weights: Sequence[float], streams: Sequence[str], workspace: Workspace
    ) -> torch.Tensor:
        """The merged tensor in memory; parameters as in `blocks`."""
        result = torch.empty(tensor.count)
        for start, block in self.blocks(tensor, weights, streams, workspace):
            result[start : start + block.numel()] = block
        return result.view(tensor.shape)

    def _values(self, weights: Sequence[float], streams: Sequence[str]) -> Values:
        shared = {
            "lambda": 1.0, "rescale": True, "consensus": self.consensus, "normalize": self.kind.thin == "largest",
        }  # fmt: skip
        each = {"weight": (None, *weights), "density": (None, *(self.density for _ in weights))}
        return Values(shared, each, ("", *streams))

    @property
    def _method(self) -> Elementwise:
        largest, random = (methods()[name] for name in ("ties", "dare_ties" if self.kind.elects else "dare_linear"))
        if not isinstance(largest, Elementwise) or not isinstance(random, Elementwise):
            raise TypeError("ties and dare work element by element")
        if self.kind.thin is None:
            return replace(largest, look=None, mix=_add)
        plain = self.kind.elects and self.election == "plain"
        if self.kind.thin == "random":
            return replace(random, mix=_elect_among_random) if plain else random
        if plain:
            return replace(largest, mix=_elect_among_largest)
        return largest if self.kind.elects else replace(largest, mix=_add_largest)


def _changes(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    base, *tuned = inputs
    return [own.sub_(base) for own in tuned]


def _largest(inputs: list[torch.Tensor], start: int, cuts: Sequence[Any]) -> list[torch.Tensor]:
    return [
        delta if cut is None else cut.apply(delta, start) for delta, cut in zip(_changes(inputs), cuts[1:], strict=True)
    ]


def _random(inputs: list[torch.Tensor], start: int, factors: Sequence[float], values: Values) -> list[torch.Tensor]:
    found = []
    for i, delta in enumerate(_changes(inputs), start=1):
        density = values.each["density"][i]
        if density < 1:
            keep = kept(values.streams[i], start, delta.numel(), density)
            delta.mul_(torch.from_numpy(keep).view(torch.uint8)).mul_(factors[i])
        found.append(delta)
    return found


def _add(inputs: list[torch.Tensor], start: int, state: None, values: Values) -> torch.Tensor:
    return _weighted_sum(inputs[0], _changes(inputs), values)


def _add_largest(inputs: list[torch.Tensor], start: int, cuts: Sequence[Any], values: Values) -> torch.Tensor:
    return _weighted_sum(inputs[0], _largest(inputs, start, cuts), values)


def _weighted_sum(base: torch.Tensor, deltas: list[torch.Tensor], values: Values) -> torch.Tensor:
    for delta, weight in zip(deltas, values.each["weight"][1:], strict=True):
        base.add_(delta, alpha=weight)
    return base


def _elect_among_largest(inputs: list[torch.Tensor], start: int, cuts: Sequence[Any], values: Values) -> torch.Tensor:
    return _elect(inputs[0], _largest(inputs, start, cuts), values)


def _elect_among_random(
    inputs: list[torch.Tensor], start: int, factors: Sequence[float], values: Values
) -> torch.Tensor:
    return _elect(inputs[0], _random(inputs, start, factors, values), values)


def _elect(base: torch.Tensor, deltas: list[torch.Tensor], values: Values) -> torch.Tensor:
    """Σ mᵢwᵢδᵢ / Σ mᵢ, where mᵢ is 1 if δᵢ has the sign of the sum, else 0, as in peft's ``disjoint_merge``."""
    votes = [delta.sign() for delta in deltas] if values["consensus"] == "count" else deltas
    sign = torch.stack(votes).sum(0).ge_(0).mul_(2).sub_(1)
    total, agreeing = torch.zeros_like(base), torch.zeros_like(base)
    for delta, weight in zip(deltas, values.each["weight"][1:], strict=True):
        agrees = delta.sign() == sign
        total += delta.mul_(agrees).mul_(weight)
        agreeing += agrees
    return base.add_(total.div_(agreeing.clamp_(min=1)))
