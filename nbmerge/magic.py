"""``%%merge``: a recipe in a notebook cell, a live model out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class

from nbmerge.errors import NbmergeError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbmerge.engine.live import LiveMerge


@magics_class
class MergeMagics(Magics):
    """The cell magic, registered by ``%load_ext nbmerge``."""

    @cell_magic
    def merge(self, line: str, cell: str) -> LiveMerge:
        """Merge the YAML recipe in the cell into memory.

        ``%%merge NAME`` binds the `LiveMerge` to NAME (default ``merged``); where NAME already holds one, only what the
        new recipe changes is computed.
        """
        from nbmerge.engine.live import LiveMerge, live

        name = line.strip() or "merged"
        if not name.isidentifier():
            raise UsageError(f"%%merge takes one variable name, not {line.strip()!r}.")
        assert self.shell is not None  # a magic runs in a shell
        held = self.shell.user_ns.get(name)
        try:
            if isinstance(held, LiveMerge):
                held.update(cell)
            else:
                held = live(cell)
        except NbmergeError as error:
            raise UsageError(str(error)) from error
        self.shell.user_ns[name] = held
        return held


def load(ipython: InteractiveShell) -> None:
    """Register the magic."""
    ipython.register_magics(MergeMagics)
