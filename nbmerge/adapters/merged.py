"""The result of a merge of adapters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nbmerge.adapters.report import AdapterReport
from nbmerge.statistics.structure import Spectrum


@dataclass(frozen=True)
class MergedTensor:
    """What became of one tensor.

    Parameters
    ----------
    spectrum : Spectrum
        Its name, layer, kind and ‖δ‖², and the singular values of δ where it is a product: δ is the merged change.
    way : "lora" or "saved"
        Low-rank factors, or a tensor that is in the adapter as it is.
    rank : int
        Of its factors; 0 where it has none.
    lost : float
        ‖δ − (BA)′‖², where (BA)′ is the product of the factors as they are stored.
    """

    spectrum: Spectrum
    way: str
    rank: int
    lost: float

    @property
    def kept(self) -> float:
        """1 − ‖δ − (BA)′‖² / ‖δ‖²; missing where nothing changed."""
        return 1 - self.lost / self.spectrum.energy if self.spectrum.energy else np.nan

    @property
    def error(self) -> float:
        """‖δ − (BA)′‖ / ‖δ‖; missing where nothing changed."""
        return float(np.sqrt(self.lost / self.spectrum.energy)) if self.spectrum.energy else np.nan


class AdapterMerge(AdapterReport):
    """An adapter that was merged from others; the result of `merge_adapters`.

    δ is the merged change before it was cut to a rank. For the types "svd", "cat" and "linear" it is the weighted sum of the
    products; for those that thin or elect, what they make of the products, or of both factors.

    Attributes
    ----------
    path : Path
        The adapter folder; ``peft.PeftModel.from_pretrained(model, path)`` loads it, and recipes name it as ``BASE+PATH``.
    adapters : tuple of str
        Labels of the adapters.
    weights : tuple of float
    method : str
        The combination type.
    tensors : tuple of MergedTensor
    depth : int
        Number of layers.
    nbytes : int
        Size of the weights file.
    seconds : float
    """

    def __init__(
        self,
        path: Path,
        adapters: Sequence[str],
        weights: Sequence[float],
        method: str,
        tensors: Sequence[MergedTensor],
        depth: int,
        nbytes: int,
        seconds: float,
    ):
        super().__init__(path, tensors, depth, nbytes, seconds)
        self.adapters, self.weights, self.method = tuple(adapters), tuple(weights), method

    @property
    def subject(self) -> str:
        """Whose change the adapter holds."""
        return "the merge"
