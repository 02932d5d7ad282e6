"""The sums of a tally that describe how models differ, added up over groups of tensors, and the shares that follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Sums:
    """Sums for each tensor or group of tensors, of n models and their base.

    Parameters
    ----------
    counts : ndarray of float, shape (groups,)
        Numbers of elements.
    gram : ndarray, shape (groups, n + 1, n + 1)
    same, opposite, equal : ndarray, shape (groups, n, n)
        As in `Tally`.
    rounded : ndarray, shape (groups, n)
        Elements that are expected to be unchanged because of rounding.
    """

    counts: np.ndarray
    gram: np.ndarray
    same: np.ndarray
    opposite: np.ndarray
    equal: np.ndarray
    rounded: np.ndarray

    def added(self, groups: np.ndarray, count: int) -> Sums:
        """The sums over groups of tensors.

        Parameters
        ----------
        groups : ndarray of int, shape (tensors,)
            The group of each tensor.
        count : int
            Number of groups.
        """
        made = []
        for field in (self.counts, self.gram, self.same, self.opposite, self.equal, self.rounded):
            total = np.zeros((count, *field.shape[1:]))
            np.add.at(total, groups, field)
            made.append(total)
        return Sums(*made)

    def columns(self, models: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        """The columns of `Statistics.table`, with one number for each group.

        Parameters
        ----------
        models : sequence of str
            Labels of the models, without the base.
        """
        gram, base = self.gram, self.gram[:, 0, 0]
        yield "parameters", self.counts
        yield "norm", np.sqrt(base)
        with np.errstate(all="ignore"):
            for i, model in enumerate(models):
                delta, product = gram[:, i + 1, i + 1], gram[:, 0, i + 1]
                yield f"change[{model}]", np.where(delta == 0, 0.0, np.sqrt(delta / base))
                yield f"cosine[{model}]", (base + product) / np.sqrt(base * (base + 2 * product + delta))
                yield f"unchanged[{model}]", 1 - self.same[:, i, i] / self.counts
                yield f"floor[{model}]", self.rounded[:, i] / self.counts
            for (i, a), (j, b) in combinations(enumerate(models), 2):
                norms = np.sqrt(gram[:, i + 1, i + 1] * gram[:, j + 1, j + 1])
                both = self.same[:, i, j] + self.opposite[:, i, j]
                yield f"cosine[{a}, {b}]", gram[:, i + 1, j + 1] / norms
                yield f"agreement[{a}, {b}]", self.same[:, i, j] / both
                yield f"conflict[{a}, {b}]", self.opposite[:, i, j] / both
                yield f"equal[{a}, {b}]", self.equal[:, i, j] / self.counts
