"""The first notebook, executed without a screen."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from nbmerge.cli.shipped_notebooks import shipped_notebook

TIMEOUT = 300
"""Most seconds for one cell."""


def execute_notebook(folder: Path) -> Path | None:
    """Run the first notebook in a folder and write it there with its outputs; None where Jupyter is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("nbclient", "nbformat", "ipykernel")):
        return None
    import nbformat
    from nbclient import NotebookClient

    # The kernel of this environment, not one of the same name in the user's home.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    source = shipped_notebook()
    notebook = nbformat.read(source, as_version=4)
    where = {"metadata": {"path": folder}}
    quietly = ["--log-level=ERROR"]
    client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", resources=where, extra_arguments=quietly)
    client.execute()
    nbformat.write(notebook, folder / source.name)
    return folder / source.name
