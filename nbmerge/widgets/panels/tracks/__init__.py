"""The Tracks panel: curves, sliders, sources and statistics on one axis of layers. Each of its rows is a module in `rows`."""

from nbmerge.widgets.panels.tracks.panel import TracksPanel

__all__ = ["TracksPanel"]
