"""The distance of a merge from each parent, as sums that can be added up over any group of tensors.

For a merged tensor M and the parent's tensor P there are ‖M‖², ⟨M, P⟩, ‖P‖² and ‖M − P‖². A group's distance and cosine
are those of its tensors strung together into one vector, so layers, kinds and whole models come out exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from nbmerge.checkpoints.layout import GROUPS, ROLES
from nbmerge.errors import ArgumentError
from nbmerge.presentation import Displayed, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMS = ["mm", "mp", "pp", "dd"]
"""‖M‖², ⟨M, P⟩, ‖P‖², ‖M − P‖²; float64."""
KINDS = (*GROUPS, *ROLES)
WHAT = ("distance", "cosine")


class Changes(Displayed):
    """Distances and cosines between a merge and its parents.

    Measured on the computed merge (`nbmerge.measure_merge`) or predicted from its coefficients (`Statistics.predict`).

    Parameters
    ----------
    frame : DataFrame
        One row for each tensor and parent: tensor, layer (missing outside the layers), kind,
        parent, mm, mp, pp, dd.
    parents : sequence of str
        Labels of all parents, in the order they are shown.
    depth : int
        Number of layers of the merge.
    base : str, optional
        The parent that task vectors are relative to; grey in figures.

    Notes
    -----
    *distance* is ‖M − P‖ / ‖P‖: 0 for equal tensors, two zeros included, and infinite where only the parent is zero.
    *cosine* is ⟨M, P⟩ / ‖M‖‖P‖: 1 for two zeros, and missing (NaN) where only one is zero, which then has no direction.
    Both are missing for tensors without a part from that parent, and for weights that are not finite.
    """

    def __init__(self, frame: pd.DataFrame, parents: Sequence[str], depth: int, base: str | None = None):
        self._frame = frame
        self.base = base
        self._sums = frame[SUMS].to_numpy()
        self.parents = tuple(parents)
        self.depth = depth

    def renewed(self, rows: np.ndarray, sums: np.ndarray) -> Changes:
        """The same tensors and parents with other sums in some rows of `frame`, without any work of pandas.

        Parameters
        ----------
        rows : ndarray of bool, shape (rows,)
        sums : ndarray of float64, shape (rows that are true, 4)
        """
        made = copy(self)
        for known in ("table", "frame", "_cube"):
            made.__dict__.pop(known, None)
        made._sums = self._sums.copy()
        made._sums[rows] = sums
        return made

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each tensor and each parent that it is made from."""
        frame = self._frame.copy(deep=False)
        frame[SUMS] = self._sums
        return frame

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per tensor: tensor, layer, kind, and for each parent ``distance[parent]`` and ``cosine[parent]``."""
        table = self.frame[["tensor", "layer", "kind"]].drop_duplicates("tensor", ignore_index=True)
        rows = table.index[table.set_index("tensor").index.get_indexer(self.frame["tensor"])]
        cube, counts = self._added((rows, len(table)))
        for what in WHAT:
            for parent, sums, count in zip(self.parents, cube, counts, strict=True):
                table[f"{what}[{parent}]"] = ratio(sums, what, count)
        return table

    def grid(self, parent: str, what: str = "distance") -> pd.DataFrame:
        """Layers × kinds of tensor, for a heat map.

        Parameters
        ----------
        parent : str
            One of `parents`.
        what : "distance" or "cosine"

        Returns
        -------
        DataFrame, shape (layers, kinds)
            The groups that the model has: attention, mlp, rest.
        """
        sums, counts = self._cube
        p, kinds = self._index(parent), [k for k, kind in enumerate(GROUPS) if counts[:, : self.depth, k].any()]
        values = ratio(sums[p, : self.depth], what, counts[p, : self.depth])[:, kinds]
        return pd.DataFrame(values, self._layers, [GROUPS[k] for k in kinds])

    def outside(self, parent: str, what: str = "distance") -> pd.Series:
        """The same outside the layers, by role: those of embedding, final norm, head and other that the model has."""
        return self.by_role(what)[self.parents[self._index(parent)]]

    def by_role(self, what: str = "distance") -> pd.DataFrame:
        """Roles outside the layers × parents."""
        sums, counts = (x[:, self.depth] for x in self._cube)
        kinds = [k for k, kind in enumerate(KINDS) if counts[:, k].any()]
        values = ratio(sums[:, kinds], what, counts[:, kinds])
        return pd.DataFrame(values.T, [KINDS[k] for k in kinds], self.parents)

    def by_group(self, what: str = "distance") -> pd.DataFrame:
        """Parents × groups of tensors, each over all layers: those of attention, mlp and rest that the model has."""
        sums, counts = (x[:, : self.depth, : len(GROUPS)].sum(1) for x in self._cube)
        table = pd.DataFrame(ratio(sums, what, counts), self.parents, list(GROUPS))
        return table.loc[:, counts.any(0)]

    def by_layer(self, what: str = "distance") -> pd.DataFrame:
        """Layers × parents, each layer as a whole."""
        sums, counts = (x[:, : self.depth].sum(2) for x in self._cube)
        return pd.DataFrame(ratio(sums, what, counts).T, self._layers, self.parents)

    def total(self, parent: str, what: str = "distance") -> float:
        """The whole model against one parent, over all tensors that come from it."""
        p = self._index(parent)
        sums, counts = (x[p].sum((0, 1)) for x in self._cube)
        return float(ratio(sums, what, counts))

    def plot(
        self,
        what: str = "distance",
        parents: str | Iterable[str] | None = None,
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot the distance from each parent: curves over the layers, and below them a heat map of layers × kinds for each.

        Parameters
        ----------
        what : "distance" or "cosine"
        parents : str or iterable of str, optional
            Parents that get a heat map; default all, or the first six. All heat maps have the same scale.
        theme, width, font_size
            As in `Recipe.plot`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ArgumentError
            For a model that is not a parent of the merge.

        Examples
        --------
        >>> import nbmerge as nbm
        >>> figure = nbm.measure_merge(nbm.demo.recipe()).plot(parents="base", theme="light")
        >>> figure.axes[1].get_title(loc="left")
        'distance from base'
        """
        return draw("changes", self, what, parents, theme=theme, width=width, font_size=font_size)

    @property
    def _layers(self) -> pd.RangeIndex:
        return pd.RangeIndex(self.depth, name="layer")

    def _index(self, parent: str) -> int:
        if parent not in self.parents:
            raise ArgumentError(f"{parent!r} is not a parent of this merge. Parents: {', '.join(self.parents)}.")
        return self.parents.index(parent)

    @cached_property
    def _cube(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums and numbers of tensors by parent, layer (the last is outside), kind."""
        return self._added(*self._places)

    @cached_property
    def _places(self) -> tuple[tuple[np.ndarray, int], tuple[np.ndarray, int]]:
        """Layer and kind of each row as numbers."""
        layer = self._frame["layer"].to_numpy(dtype=float, na_value=self.depth).astype(int)
        return (layer, self.depth + 1), (pd.Index(KINDS).get_indexer(self._frame["kind"]), len(KINDS))

    @cached_property
    def _parents(self) -> np.ndarray:
        """Parent of each row as a number."""
        return pd.Index(self.parents).get_indexer(self._frame["parent"])

    def _added(self, *by: tuple[np.ndarray, int]) -> tuple[np.ndarray, np.ndarray]:
        """Sums, and how many rows went in, by parent and further (code of each row, number of codes)."""
        codes = (self._parents, *(code for code, _ in by))
        shape = (len(self.parents), *(n for _, n in by))
        sums, counts = np.zeros((*shape, len(SUMS))), np.zeros(shape, dtype=int)
        np.add.at(sums, codes, self._sums)
        np.add.at(counts, codes, 1)
        return sums, counts

    def __repr__(self) -> str:
        far = ", ".join(f"{p} {100 * self.total(p):.3g} %" for p in self.parents)
        return f"<Changes: {self.frame['tensor'].nunique()} tensors, distance from {far}>"


def ratio(sums: np.ndarray, what: str, counts: np.ndarray | int = 1) -> np.ndarray:
    """Distance or cosine from sums of shape (..., 4), NaN where nothing was counted; see `Changes` for zeros."""
    if what not in WHAT:
        raise ArgumentError(f"what must be 'distance' or 'cosine', not {what!r}.")
    mm, mp, pp, dd = np.moveaxis(np.asarray(sums, dtype=float), -1, 0)
    with np.errstate(all="ignore"):
        if what == "distance":
            value = np.where((pp == 0) & (dd == 0), 0.0, np.sqrt(dd / pp))
        else:
            value = np.where((mm == 0) & (pp == 0), 1.0, np.clip(mp / np.sqrt(mm * pp), -1.0, 1.0))
    return np.where(np.asarray(counts) > 0, value, np.nan)
