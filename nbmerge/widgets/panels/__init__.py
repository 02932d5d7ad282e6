"""Panels: the visible parts of the Studio, each usable alone; `Panel` is their base class."""

from nbmerge.widgets.panels.panel import Panel

__all__ = ["Panel"]
