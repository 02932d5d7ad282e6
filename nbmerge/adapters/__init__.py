"""Adapters as results: extracted from fine-tunes.

Reading adapters is in `nbmerge.checkpoints.adapters`. Exported names are loaded on first use: they need torch and pandas.
"""

from typing import TYPE_CHECKING

from nbmerge.lazy import exporter

if TYPE_CHECKING:
    from nbmerge.adapters.extract import extract_lora
    from nbmerge.adapters.extraction import ExtractedTensor, Extraction

__all__ = ["ExtractedTensor", "Extraction", "extract_lora"]

__getattr__ = exporter(__name__, extract=("extract_lora",), extraction=("ExtractedTensor", "Extraction"))
