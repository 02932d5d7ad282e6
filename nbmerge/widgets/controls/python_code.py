"""The same merge as Python code, to be read, copied, or written into the notebook as a cell."""

from __future__ import annotations

from nbmerge.errors import NbmergeError
from nbmerge.widgets.controls.cell import find_current_run, find_kernel_shell


def write_code(yaml: str, out: str = "merged") -> str:
    """Python code that merges a recipe, its YAML with comments included.

    Parameters
    ----------
    yaml : str
    out : str
        Name of the folder that it writes.
    """
    quoted = yaml.rstrip("\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'import nbmerge as nbm\n\nrecipe = nbm.Recipe.load("""\n{quoted}\n""")\nnbm.merge(recipe, {out!r})\n'


def insert_cell(code: str) -> None:
    """Put code into a new cell below the one that is running.

    Raises
    ------
    NbmergeError
        Outside of a notebook's cell.
    """
    if find_current_run() is None:
        raise NbmergeError("A cell can only be written from a cell of a notebook. Run studio.write_cell() in one.")
    find_kernel_shell().set_next_input(code, replace=False)
