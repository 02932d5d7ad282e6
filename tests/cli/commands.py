"""Commands run in this process, as a terminal would run them."""

from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from nbmerge.cli import app


def run(*words: object, **options: Any) -> Result:
    """``nbmerge`` with these words; its exit code and what it wrote."""
    return CliRunner().invoke(app, [str(w) for w in words], prog_name="nbmerge", **options)
