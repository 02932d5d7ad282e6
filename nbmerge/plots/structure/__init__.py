"""Plots of the structure of models: how they differ, conflict and overlap, and what a recipe does with each tensor."""

from nbmerge.plots.structure.adapters import plot_adapter
from nbmerge.plots.structure.changes import change_bars, plot_statistics, unchanged_curves
from nbmerge.plots.structure.coefficients import plot_coefficients
from nbmerge.plots.structure.conflicts import kept_mass_curves, plot_conflicts, trimming_curves
from nbmerge.plots.structure.matrices import plot_family, similarity_matrix
from nbmerge.plots.structure.spectra import adapter_curves, plot_spectra, singular_value_curves
from nbmerge.plots.structure.trees import plot_lineage
from nbmerge.plots.structure.value_maps import plot_value_maps

__all__ = [
    "adapter_curves",
    "change_bars",
    "kept_mass_curves",
    "plot_adapter",
    "plot_coefficients",
    "plot_conflicts",
    "plot_family",
    "plot_lineage",
    "plot_spectra",
    "plot_statistics",
    "plot_value_maps",
    "similarity_matrix",
    "singular_value_curves",
    "trimming_curves",
    "unchanged_curves",
]
