"""Where a Studio's file lies: in the folder ``.nbmerge`` beside the notebook, one file for each cell with a Studio."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nbmerge.bounded import is_name

FOLDER = ".nbmerge"
DIGITS = 8
"""Of the cell's hash in a file's name."""


def find_notebook() -> Path | None:
    """The notebook that runs in this kernel, as far as its front end says; None where it does not.

    JupyterLab, Notebook 7 and nbclient set ``JPY_SESSION_NAME``, VS Code a variable in the notebook itself.
    """
    named = os.environ.get("JPY_SESSION_NAME") or _find_vscode_notebook()
    if not named or not named.endswith(".ipynb"):
        return None
    path = Path(named)
    return path if path.is_absolute() and path.parent.is_dir() else Path.cwd() / path.name


def _find_vscode_notebook() -> str | None:
    try:
        from IPython import get_ipython

        named = get_ipython().user_ns.get("__vsc_ipynb_file__")
    except (ImportError, AttributeError):
        return None
    return named if isinstance(named, str) else None


def find_place(cell: str, notebook: Path | None) -> Path:
    """The file of the Studio in a cell.

    Parameters
    ----------
    cell : str
        What identifies the cell: its id, or its code.
    notebook : Path or None
        Without one, the file lies in the working directory.
    """
    folder, name = (notebook.parent, notebook.stem) if notebook is not None else (Path.cwd(), "studio")
    if not is_name(name) or len(name.encode()) > 200:
        name = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:DIGITS]
    return folder / FOLDER / f"{name}-{hashlib.sha256(cell.encode(errors='replace')).hexdigest()[:DIGITS]}.json"


def list_places(file: Path) -> list[Path]:
    """Files of the same notebook, the newest first: a cell whose id has changed finds its former file there."""
    name = file.name[: -len(".json") - DIGITS]
    try:
        found = [f for f in file.parent.iterdir() if _is_of(f.name, name)]
        return sorted(found, key=lambda f: f.stat().st_mtime, reverse=True)
    except OSError:
        return []


def _is_of(file: str, name: str) -> bool:
    rest = file[len(name) : -len(".json")]
    return file.startswith(name) and file.endswith(".json") and len(rest) == DIGITS and rest.isalnum()
