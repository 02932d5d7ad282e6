"""Adapters as results: extracted from fine-tunes, and merged from other adapters.

Reading adapters is in `nbmerge.checkpoints.adapters`. Exported names are loaded on first use: they need torch and pandas.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.adapters.extract import extract_lora
    from nbmerge.adapters.extraction import ExtractedTensor, Extraction
    from nbmerge.adapters.merge import merge_adapters
    from nbmerge.adapters.merged import AdapterMerge, MergedTensor
    from nbmerge.adapters.report import AdapterReport

__all__ = [
    "AdapterMerge", "AdapterReport", "ExtractedTensor", "Extraction", "MergedTensor", "extract_lora", "merge_adapters",
]  # fmt: skip

__getattr__ = exporter(
    __name__, extract=("extract_lora",), extraction=("ExtractedTensor", "Extraction"), merge=("merge_adapters",),
    merged=("AdapterMerge", "MergedTensor"), report=("AdapterReport",),
)  # fmt: skip
