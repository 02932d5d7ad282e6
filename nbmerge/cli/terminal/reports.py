"""Prints the report of `check`: coloured by severity, and wrapped between words in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from nbmerge.cli.terminal.tables import open_console

if TYPE_CHECKING:
    from nbmerge.engine.check import Report

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "suggestion": "green"}


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report line by line."""
    console = console or open_console()
    for line in str(report).splitlines():
        severity, colon, message = line.partition(":")
        styled = bool(colon) and severity in STYLES
        console.print(Text.assemble((severity, STYLES[severity]), colon, message) if styled else Text(line))
