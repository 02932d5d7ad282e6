"""What an adapter that was written holds: tensor by tensor, by layer, and what another rank would hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd

from nbmerge.adapters.files import spread
from nbmerge.presentation import Displayed, draw
from nbmerge.statistics.structure import Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Ranks that `AdapterReport.kept` answers for by default, as far as singular values are known."""


class WrittenTensor(Protocol):
    """What became of one tensor."""

    @property
    def spectrum(self) -> Spectrum:
        """Its name, layer, kind and ‖δ‖², and the singular values of δ where it is a matrix."""

    @property
    def way(self) -> str:
        """Lora, saved or unchanged."""

    @property
    def rank(self) -> int:
        """Of its factors; 0 where it has none."""

    @property
    def kept(self) -> float:
        """Share of ‖δ‖² that the adapter holds; missing where nothing changed."""

    @property
    def lost(self) -> float:
        """‖δ − (BA)′‖²."""

    @property
    def error(self) -> float:
        """‖δ − (BA)′‖ / ‖δ‖; missing where nothing changed."""


class AdapterReport(Displayed):
    """An adapter that was written, and how far its factors are from what they stand for.

    Attributes
    ----------
    path : Path
        The adapter folder; ``peft.PeftModel.from_pretrained(model, path)`` loads it, and recipes name it as ``BASE+PATH``.
    tensors : tuple
        What became of each tensor.
    depth : int
        Number of layers.
    nbytes : int
        Size of the weights file.
    seconds : float
    """

    def __init__(self, path: Path, tensors: Sequence[WrittenTensor], depth: int, nbytes: int, seconds: float):
        self.path = path
        self.tensors = tuple(tensors)
        self.depth, self.nbytes, self.seconds = depth, nbytes, seconds

    @property
    def subject(self) -> str:
        """Whose change the adapter holds, in a few words."""
        raise NotImplementedError

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each tensor.

        tensor, layer, kind, ``way`` (lora, saved or unchanged), ``rank``, ``norm`` (‖δ‖), ``kept`` (share of ‖δ‖² that the adapter
        holds), ``error`` (‖δ − BA‖ / ‖δ‖), ``possible`` (the most that the best factors of that rank could hold, a bound), and
        ``rank for 90 %`` of ‖δ‖² (missing if it is above what was computed).
        """
        return pd.DataFrame([_row(t) for t in self.tensors]).astype({"layer": "Int64", "rank for 90 %": "Int64"})

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Layers × kinds: the error of all changes there, ‖δ − BA‖ / ‖δ‖; missing where nothing changed."""
        table = self.table.assign(lost=[t.lost for t in self.tensors], energy=[t.spectrum.energy for t in self.tensors])
        sums = table.groupby(["layer", "kind"], dropna=False, sort=False)[["lost", "energy"]].sum()
        with np.errstate(invalid="ignore"):
            return np.sqrt(sums["lost"] / sums["energy"]).unstack("kind")

    @property
    def error(self) -> float:
        """‖δ − BA‖ / ‖δ‖ over the whole model."""
        return float(np.sqrt(sum(t.lost for t in self.tensors) / sum(t.spectrum.energy for t in self.tensors)))

    @property
    def ranks(self) -> dict[str, int]:
        """Rank by tensor, of those with factors."""
        return {t.spectrum.tensor: t.rank for t in self.tensors if t.way == "lora"}

    def kept(self, ranks: Iterable[int] | None = None) -> pd.DataFrame:
        """Compute the share of ‖δ‖² of the matrices that an adapter of some ranks would hold.

        Parameters
        ----------
        ranks : iterable of int, optional
            Default those of `RANKS` that the computed singular values answer for. Beyond the rank of the adapter, and with
            `energy` beyond what was needed, they are lower bounds.

        Returns
        -------
        DataFrame, shape (kinds + 1, ranks)
            One row for each kind of tensor, and "all".
        """
        spectra = self._spectra
        wanted = [r for r in RANKS if r <= self.known_rank] if ranks is None else list(ranks)
        groups = {kind: [s for s in spectra if s.kind == kind] for kind in dict.fromkeys(s.kind for s in spectra)}
        held = {kind: [_held(own, rank) for rank in wanted] for kind, own in (groups | {"all": spectra}).items()}
        return pd.DataFrame.from_dict(held, orient="index", columns=pd.Index(wanted, name="rank")).rename_axis("kind")

    @property
    def known_rank(self) -> int:
        """The highest rank that the computed singular values answer for."""
        spectra = self._spectra
        return min((len(s.values) for s in spectra if not s.is_complete), default=max(s.size for s in spectra))

    @property
    def _spectra(self) -> list[Spectrum]:
        return [t.spectrum for t in self.tensors if t.way == "lora"]

    def plot(
        self,
        what: Literal["rank", "error"] = "rank",
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot what another rank would do, or the error by layer.

        Parameters
        ----------
        what : "rank" or "error"
            ``"rank"`` draws the share of ‖δ‖² that an adapter holds against its rank, for each kind of tensor; ``"error"`` is a heat
            map of layers × kinds.
        theme, width, font_size
            As in `Recipe.plot`.

        Raises
        ------
        ArgumentError
            For another plot.
        """
        return draw("adapter", self, what, theme=theme, width=width, font_size=font_size)

    def __repr__(self) -> str:
        saved = sum(t.way == "saved" for t in self.tensors)
        return (
            f"<{type(self).__name__} {self.path}: rank {spread(self.ranks.values())} in {len(self.ranks)} modules, {saved} tensors "
            f"saved whole, error {100 * self.error:.3g} % of ‖δ‖, {self.seconds:.1f} s>"
        )


def _row(tensor: WrittenTensor) -> dict[str, object]:
    spectrum, has_factors = tensor.spectrum, tensor.way == "lora"
    possible = min(1.0, tensor.kept + spectrum.kept_error(tensor.rank)) if has_factors else tensor.kept
    return {
        "tensor": spectrum.tensor, "layer": spectrum.layer, "kind": spectrum.kind, "way": tensor.way, "rank": tensor.rank,
        "norm": np.sqrt(spectrum.energy), "kept": tensor.kept, "error": tensor.error, "possible": possible,
        "rank for 90 %": spectrum.sufficient_rank() if has_factors else None,
    }  # fmt: skip


def _held(spectra: Sequence[Spectrum], rank: int) -> float:
    """The share of ‖δ‖² of some matrices that factors of one rank hold."""
    changed = [s for s in spectra if s.energy]
    return sum(s.kept(rank) * s.energy for s in changed) / sum(s.energy for s in changed)
