"""A cell that runs again closes what its previous run has put on screen.

Which cell runs is known from the message that asked for the run. JupyterLab, Notebook 7 and VS Code name the cell in it
(``metadata.cellId``); where a front end does not, a run of exactly the same code counts as the same cell. Widgets of
one run live side by side, and so do those of different cells. Outside of a kernel (a script, IPython in a terminal)
nothing is closed.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary


class CellRun(NamedTuple):
    """One run of one cell.

    Parameters
    ----------
    cell : str
        Id of the cell, or its code.
    request : str
        Id of the message that asked for this run.
    """

    cell: str
    request: str


class Closable(Protocol):
    """What can be on screen."""

    closed: bool

    def close(self) -> None:
        """Remove it from the screen, with everything that belongs to it."""


Shown = TypeVar("Shown", bound=Closable)
_on_screen: WeakKeyDictionary[Closable, CellRun] = WeakKeyDictionary()


def close_previous(widget: Closable) -> None:
    """Note a widget that the running cell has made, and close those of earlier runs of the same cell."""
    run = find_current_run()
    if run is None:
        return
    former = [w for w, of in list(_on_screen.items()) if of.cell == run.cell and of.request != run.request]
    _on_screen[widget] = run
    for other in former:
        _on_screen.pop(other, None)
        other.close()


def find_previous(kind: type[Shown]) -> Shown | None:
    """What the running cell had put on screen in its previous run, of this kind, if it is still open."""
    run = find_current_run()
    if run is None:
        return None
    former = [w for w, of in list(_on_screen.items()) if of.cell == run.cell and of.request != run.request]
    return next((w for w in former if isinstance(w, kind) and not w.closed), None)


def count_in_run(kind: type[Closable]) -> int:
    """How many of a kind the present run of the cell has put on screen so far."""
    run = find_current_run()
    return sum(of == run and isinstance(w, kind) for w, of in list(_on_screen.items()))


def find_kernel_shell() -> Any:
    """IPython's shell in a kernel; None in a terminal and in a script."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell if hasattr(shell, "get_parent") and hasattr(shell, "display_pub") else None


def find_current_run() -> CellRun | None:
    """The current run of a cell, None outside of one."""
    try:
        from IPython import get_ipython

        request = get_ipython().get_parent()
        if request["header"]["msg_type"] != "execute_request":  # a button was pressed
            return None
        metadata, code = request.get("metadata") or {}, request["content"]["code"]
        cell = f"id {metadata['cellId']}" if metadata.get("cellId") else f"code {code}"
        return CellRun(cell, request["header"]["msg_id"])
    except (ImportError, AttributeError, KeyError, TypeError):  # no IPython, or one without a kernel
        return None
