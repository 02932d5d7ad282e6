"""Panels: the parts of the Studio that people see, each usable alone; all are a `Panel`, which has what they share."""

from nbmerge.widgets.panels.panel import Panel

__all__ = ["Panel"]
