"""The command ``nbmerge``, put together; and what an error looks like in a terminal."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from nbmerge import __version__
from nbmerge.cli import demo, lab, measure, merge, publish, recipes, transplant, verify
from nbmerge.cli.mergekit_flags import translated
from nbmerge.errors import MergeStopped, NbmergeError

STOPPED = 130
"""Exit status after Ctrl-C, as shells have it."""


class _Commands(TyperGroup):
    """Errors of ours are a text and status 1. Anything else is a bug, and its traceback is wanted."""

    def list_commands(self, ctx):
        return list(self.commands)  # in the order of a first use, not of the alphabet

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (MergeStopped, KeyboardInterrupt) as stop:
            print(f"nbmerge: {str(stop) or 'stopped.'}", file=sys.stderr)
            raise typer.Exit(STOPPED) from None
        except NbmergeError as error:
            print(f"nbmerge: {error}", file=sys.stderr)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Commands,
    help="Merge language models: check a recipe, see its values, write the merged model. In Jupyter: nbmerge lab.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS = {
    demo.demo: "Merge the bundled models, and see why layers matter.",
    lab.lab: "Open JupyterLab on the first notebook.",
    recipes.check: "Find what stands in a recipe's way, and its cost.",
    recipes.plan: "Show every parameter's value for every tensor.",
    merge.merge: "Merge, and write an ordinary model folder.",
    verify.verify: "Compare a merged folder with what was written.",
    recipes.convert: "Read any recipe, write it as YAML.",
    measure.measure: "How far models are from their base, by tensor.",
    transplant.transplant: "Give a model the tokenizer of another.",
    publish.publish: "Upload a merged folder with its card.",
}
"""In the order of a first use, with what the overview says."""
for command, words in COMMANDS.items():
    app.command(short_help=words)(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"nbmerge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; the entry point of ``nbmerge`` and ``python -m nbmerge``."""
    gc.set_threshold(50_000)  # importing torch makes objects by the hundred thousand; looking among them takes 0.2 s
    arguments = sys.argv[1:]
    if arguments[:1] == ["merge"]:
        arguments[1:] = translated(arguments[1:], lambda line: print(f"warning: {line}", file=sys.stderr))
    try:
        app(arguments, prog_name="nbmerge")
    except SystemExit as end:
        if end.code == STOPPED:
            _leave()
        raise


def _leave() -> None:
    """End at once after a stop: Python would wait for threads that wait for the network, and tidy up memory for seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STOPPED)
