"""``nbmerge lab``: JupyterLab on the first notebook, in the folder of the user's choice."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.shipped_notebooks import FIRST, shipped_notebook
from nbmerge.errors import OutputError

HOW_TO_INSTALL = f"JupyterLab is not installed here. Install it with: {sys.executable} -m pip install 'jupyterlab>=4.2'"


def lab(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to work; the notebook is copied there unless it is there.")
    ] = Path(),
    flags: Annotated[list[str] | None, typer.Argument(metavar="FLAG", help="Flags for JupyterLab, after --.")] = None,
) -> None:
    """Open JupyterLab on the first notebook."""
    if importlib.util.find_spec("jupyterlab") is None:
        print(f"nbmerge: {HOW_TO_INSTALL}", file=sys.stderr)
        raise typer.Exit(1)
    notebook = put_notebook(folder)
    print(f"Opening {notebook}. Stop JupyterLab with Ctrl-C here.", flush=True)
    os.chdir(notebook.parent)
    page = f"--LabApp.default_url=/lab/tree/{notebook.name}"
    # JupyterLab takes this process over, so that Ctrl-C is its own and it can ask back and end its kernels.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", page, *(flags or [])])


def put_notebook(folder: Path) -> Path:
    """Copy the first notebook into a folder, unless it is there already: it may hold somebody's work."""
    notebook = folder.expanduser().absolute() / FIRST
    try:
        notebook.parent.mkdir(parents=True, exist_ok=True)
        if not notebook.exists():
            shutil.copyfile(shipped_notebook(), notebook)
    except OSError as error:
        raise OutputError(f"{notebook} cannot be written: {error.strerror or error}. Choose another folder.") from error
    return notebook
