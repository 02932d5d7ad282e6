"""The result of an extraction: what became of each tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nbmerge.adapters.report import AdapterReport
from nbmerge.statistics.structure import Spectrum


@dataclass(frozen=True)
class ExtractedTensor:
    """What became of one tensor.

    Parameters
    ----------
    spectrum : Spectrum
        Its name, layer, kind and ‖δ‖², and the singular values of δ where it is a matrix.
    way : "lora", "saved" or "unchanged"
        Low-rank factors; copied from the fine-tune; or not in the adapter.
    rank : int
        Of its factors; 0 where it has none.
    rounding : float
        ‖(BA)′ − BA‖², where (BA)′ is the product of the factors as they are stored.
    """

    spectrum: Spectrum
    way: str
    rank: int
    rounding: float

    @property
    def kept(self) -> float:
        """Share of ‖δ‖² that the adapter holds; missing where nothing changed."""
        if self.way == "unchanged":
            return np.nan
        return 1.0 if self.way == "saved" else self.spectrum.kept(self.rank)

    @property
    def lost(self) -> float:
        """‖δ − (BA)′‖² to first order: what lies in other directions, and the rounding of the factors."""
        if self.way != "lora":
            return 0.0
        return max(0.0, 1 - self.kept) * self.spectrum.energy + self.rounding

    @property
    def error(self) -> float:
        """‖δ − (BA)′‖ / ‖δ‖; missing where nothing changed."""
        return float(np.sqrt(self.lost / self.spectrum.energy)) if self.spectrum.energy else np.nan


class Extraction(AdapterReport):
    """An adapter that was extracted from a fine-tune; the result of `extract_lora`.

    δ is the fine-tune minus its base.

    Attributes
    ----------
    path : Path
        The adapter folder; ``peft.PeftModel.from_pretrained(model, path)`` loads it, and recipes name it as ``BASE+PATH``.
    model, base : str
        Labels of the fine-tune and its base.
    tensors : tuple of ExtractedTensor
    depth : int
        Number of layers.
    nbytes : int
        Size of the weights file.
    seconds : float
    """

    def __init__(
        self, path: Path, labels: tuple[str, str], tensors: Sequence[ExtractedTensor], depth: int, nbytes: int, seconds: float
    ):  # fmt: skip
        super().__init__(path, tensors, depth, nbytes, seconds)
        self.model, self.base = labels

    @property
    def subject(self) -> str:
        """Whose change the adapter holds."""
        return self.model
