"""Plots: one file and one function for each, all of one pattern.

``plot(data, axes=None, *, options) -> Axes``: data is plain (a pandas table, numbers), `axes` are drawn into or else
made with `theme.new_axes`, and the same data give the same picture. No plot keeps state, reads files, or uses pyplot,
which breaks in kernels. `theme` has what they share; `to_png` draws, from any thread.
"""

from nbmerge.plots.heatmap import heatmap
from nbmerge.plots.layers import layer_curves
from nbmerge.plots.theme import new_axes, to_png

__all__ = ["heatmap", "layer_curves", "new_axes", "to_png"]
