"""``nbmerge search``: good values of a recipe for some texts, as a recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbmerge.cli.arguments import Json, Overwrite, RecipeSource, check_new_file, read_source, write_file
from nbmerge.cli.terminal import json_output
from nbmerge.errors import ArgumentError

if TYPE_CHECKING:
    from nbmerge.optimisation import SearchResult


def search(
    recipe: RecipeSource,
    texts: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            "-t",
            metavar="NAME=FILE",
            help="Text file whose perplexity is minimised; files with the same name are scored together.",
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            metavar="NAME=FILE",
            help="Text file that is scored beside those of a name, but not optimised.",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of trials of the whole search.  [default: 100]")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", help="Start no new trial after this many seconds.")
    ] = None,
    storage: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="SQLite file that keeps the trials; the same command continues the search."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the search.")] = 0,
    sampler: Annotated[str, typer.Option(metavar="NAME", help="tpe, cmaes, random or grid.")] = "tpe",
    goal: Annotated[
        str, typer.Option(metavar="WORD", help="How several names are compared: pareto, weakest or mean.")
    ] = "pareto",
    knots: Annotated[int, typer.Option(min=1, metavar="N", help="Knots of each gradient.")] = 3,
    parallel: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Trials drawn from the same results, so that several processes can share a search."
        ),
    ] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the best recipe to a file.")
    ] = None,
    as_json: Json = False,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    """Search for good values of a recipe and print the best one as YAML. Needs the extra nbmerge[search]."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.optimisation import search

    if out is not None:
        check_new_file(out, overwrite)
    options: dict[str, Any] = {"sampler": sampler, "goal": goal, "knots": knots, "seed": seed, "parallel": parallel}
    with (
        json_output.report_errors(as_json),
        progress_bar("Searching", quiet) as listener,
        stop_on_ctrl_c() as cancel,
    ):
        found = search(
            read_source(recipe),
            _read_texts("--text", texts),
            _read_texts("--held-out", held_out) or None,
            trials=trials,
            seconds=seconds,
            storage=storage,
            progress=listener,
            cancel=cancel,
            **options,
        )
    best = found.best.to_yaml()
    if out is not None:
        write_file(out, best, overwrite)
    _print(found, best, out, as_json)


def _print(found: SearchResult, best: str, out: Path | None, as_json: bool) -> None:
    if as_json:
        from nbmerge.cli.terminal.tables import to_rows

        trials = to_rows(found.table)
        number, front = found.best_trial.number, [t.number for t in found.front]
        report = {
            "ok": True,
            "best": number,
            "front": front,
            "recipe": best,
            "trials": trials,
            "notes": list(found.notes),
        }
        json_output.print_json(report)
        return
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    scores = ", ".join(f"{name} {value:.4g}" for name, value in found.best_trial.scores.items())
    apart = "".join(f", held out {name} {value:.4g}" for name, value in found.best_trial.held_out.items())
    line = f"trial {found.best_trial.number} of {len(found.trials)}: {scores}{apart}"
    if out is None:
        print(f"# {line}")
        print(best, end="")
    else:
        print(f"{out}: {line}")


def _read_texts(option: str, given: list[str] | None) -> dict[str, list[str]]:
    """Texts by name, from ``NAME=FILE``; without a name, that of the file."""
    found: dict[str, list[str]] = {}
    for entry in given or ():
        name, equals, file = entry.partition("=")
        path = Path(file if equals else entry)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(
                f"{option} {path} cannot be read as text: {getattr(error, 'strerror', None) or error}."
            ) from None
        if not text.strip():
            raise ArgumentError(f"{option} {path} is empty.")
        found.setdefault(name if equals else path.stem, []).append(text)
    return found
