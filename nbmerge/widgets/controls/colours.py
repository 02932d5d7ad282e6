"""One colour per model, the same in every picture of the Studio."""

from __future__ import annotations

from nbmerge.plots.colours import model_colours

__all__ = ["model_colours"]
