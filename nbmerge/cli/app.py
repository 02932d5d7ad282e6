"""The command ``nbmerge``: its subcommands, and how errors are printed."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nbmerge import __version__
from nbmerge.cli import (
    adapters,
    demo,
    family,
    fill_missing,
    lab,
    measure,
    merge,
    publish,
    recipes,
    search,
    shuffle,
    transplant,
    verify,
)
from nbmerge.cli.mergekit_flags import translate_flags
from nbmerge.errors import MergeStopped, NbmergeError

STOPPED = 130
"""Exit status after Ctrl-C, as in shells."""


class _Commands(TyperGroup):
    """Prints an `NbmergeError` as one message with exit status 1. Any other exception is a bug and keeps its traceback."""

    # `ctx` is click's Context or typer's copy of it, depending on the version of typer.
    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)  # in the order of a first use, not alphabetically

    def invoke(self, ctx: Any) -> Any:
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
    help="Merge language models: check a recipe, print its values, write the merged model. In Jupyter: nbmerge lab.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS: dict[Callable[..., None], str] = {
    demo.demo: "Merge the bundled models and print how well they do.",
    lab.lab: "Open JupyterLab on the first notebook.",
    recipes.check: "Check a recipe and forecast size, memory and time.",
    recipes.plan: "Print each parameter's value for every tensor.",
    merge.merge: "Merge models and write a model folder.",
    merge.moe: "Build a mixture of experts.",
    verify.verify: "Compare a merged model with its checksums.",
    recipes.convert: "Convert any readable recipe to YAML.",
    measure.measure: "Measure how far models are from their base.",
    search.search: "Search for good values of a recipe.",
    family.family: "Tell how models are related.",
    family.lineage: "Print what a model was made from.",
    shuffle.shuffle_layers: "Write the recipe of a model with shuffled layers.",
    fill_missing.fill_missing: "Complete a part of a model from another one.",
    transplant.transplant: "Give a model another model's tokenizer.",
    adapters.extract_lora: "Extract a LoRA adapter from a fine-tune.",
    adapters.merge_adapters: "Merge LoRA adapters of one model.",
    publish.publish: "Upload a merged model to the Hub.",
}
"""Commands in the order of a first use, with their line in ``nbmerge --help``."""
for command, summary in COMMANDS.items():
    app.command(short_help=summary)(command)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"nbmerge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; the entry point of ``nbmerge`` and ``python -m nbmerge``."""
    gc.set_threshold(
        50_000
    )  # importing torch makes hundreds of thousands of objects: collecting among them takes 0.2 s
    arguments = sys.argv[1:]
    if arguments[:1] == ["merge"]:
        arguments[1:] = translate_flags(arguments[1:], lambda line: print(f"warning: {line}", file=sys.stderr))
    try:
        app(arguments, prog_name="nbmerge")
    except SystemExit as end:
        if end.code == STOPPED:
            _exit_now()
        raise


def _exit_now() -> None:
    """Exit at once after a stop: Python would wait for threads that wait for the network, and free memory for seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STOPPED)
