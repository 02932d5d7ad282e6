"""``nbmerge lab``: JupyterLab on the first notebook, in a folder of the user's choice."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.shipped_notebooks import FIRST, list_notebooks
from nbmerge.errors import OutputError

HOW_TO_INSTALL = f"JupyterLab is not installed. Install it with: {sys.executable} -m pip install 'jupyterlab>=4.2'"


def lab(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Working folder; the notebooks are copied there once.")
    ] = Path(),
    flags: Annotated[
        list[str] | None, typer.Argument(metavar="FLAG", help="Flags to pass to JupyterLab, after --.")
    ] = None,
) -> None:
    """Open JupyterLab on the first notebook."""
    if importlib.util.find_spec("jupyterlab") is None:
        print(f"nbmerge: {HOW_TO_INSTALL}", file=sys.stderr)
        raise typer.Exit(1)
    notebook = copy_notebooks(folder)
    print(f"Opening {notebook}. Press Ctrl-C here to stop JupyterLab.", flush=True)
    os.chdir(notebook.parent)
    page = f"--LabApp.default_url=/lab/tree/{notebook.name}"
    # JupyterLab replaces this process, so that it gets Ctrl-C, can ask for confirmation and shut its kernels down.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", page, *(flags or [])])


def copy_notebooks(folder: Path) -> Path:
    """Copy the notebooks into a folder, except those that exist there: they may have been edited. Returns the first."""
    folder = folder.expanduser().absolute()
    for shipped in list_notebooks():
        notebook = folder / shipped.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not notebook.exists():
                shutil.copyfile(shipped, notebook)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{notebook} cannot be written: {reason}. Choose another folder.") from error
    return folder / FIRST
