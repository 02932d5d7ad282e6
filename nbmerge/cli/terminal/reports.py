"""What `check` found, in the colours of how bad it is and broken between words where there is a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from nbmerge.cli.terminal.tables import open_console

if TYPE_CHECKING:
    from nbmerge.engine.check import Report

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report line by line."""
    console = console or open_console()
    for line in str(report).splitlines():
        severity, colon, rest = line.partition(":")
        styled = bool(colon) and severity in STYLES
        console.print(Text.assemble((severity, STYLES[severity]), colon, rest) if styled else Text(line))
