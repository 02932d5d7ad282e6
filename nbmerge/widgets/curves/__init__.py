"""Curves: what can be drawn over the layers, read from a plan (`tracks`) and written back to a recipe (`write_back`)."""

from nbmerge.widgets.curves.tracks import Curve, Track, list_tracks

__all__ = ["Curve", "Track", "list_tracks"]
