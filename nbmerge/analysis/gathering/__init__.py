"""Gathering: statistics of models on texts, for data-informed methods. One pass through each model, layer by layer."""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.analysis.gathering.gather import Gathered, gather_statistics

__all__ = ["Gathered", "gather_statistics"]

__getattr__ = exporter(__name__, gather=("Gathered", "gather_statistics"))
