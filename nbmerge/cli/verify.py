"""``nbmerge verify``: whether a merged folder is still what was written, and what its recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, Quiet
from nbmerge.cli.terminal import json_output


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that nbmerge wrote.")],
    derive: Annotated[bool, typer.Option("--derive", help="Also compute every tensor again from the parents.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare a merged folder with the checksums of what was written. Status 1 if anything differs."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.verify import verify

    with progress_bar("Checking", quiet) as listener, stop_on_ctrl_c() as cancel:
        found = verify(folder, derive, progress=listener, cancel=cancel)
    if as_json:
        fields = ("path", "checked", "damaged", "derived", "differing", "device")
        json_output.say({"ok": found.ok, **{name: json_output.plain(getattr(found, name)) for name in fields}})
    elif not (quiet and found.ok):
        print(found)
    raise typer.Exit(0 if found.ok else 1)
