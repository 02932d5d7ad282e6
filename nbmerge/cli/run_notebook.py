"""Run the first notebook without a browser."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from nbmerge.cli.shipped_notebooks import find_notebook

TIMEOUT = 300
"""Seconds that one cell may take."""


def execute_notebook(folder: Path) -> Path | None:
    """Run the first notebook in a folder and write it there with its outputs; None if Jupyter is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("nbclient", "nbformat", "ipykernel")):
        return None
    import nbformat
    from nbclient import NotebookClient

    # The kernel of this environment, not one of the same name in the user's home.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    source = find_notebook()
    notebook = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
    where = {"metadata": {"path": folder}}
    arguments = ["--log-level=ERROR"]
    client = NotebookClient(
        notebook, timeout=TIMEOUT, kernel_name="python3", resources=where, extra_arguments=arguments
    )
    client.execute()
    nbformat.write(notebook, folder / source.name)  # type: ignore[no-untyped-call]
    return folder / source.name
