"""``nbmerge verify``: whether a merged folder is still what was written, and what its recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    folder: Annotated[Path, typer.Argument(help="A folder that nbmerge wrote.")],
    derive: Annotated[bool, typer.Option("--derive", help="Also compute every tensor again from the parents.")] = False,
) -> None:
    """Compare a merged folder with the checksums of what was written. Status 1 if anything differs."""
    from nbmerge.cli.progress import progress_bar
    from nbmerge.cli.signals import stop_on_ctrl_c
    from nbmerge.engine.verify import verify

    with progress_bar("Checking") as listener, stop_on_ctrl_c() as cancel:
        found = verify(folder, derive, progress=listener, cancel=cancel)
    print(found)
    raise typer.Exit(0 if found.ok else 1)
