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
        new recipe changes is computed. ``--dialect mergekit-0.1`` reads the recipe as that release of mergekit does.
        """
        from nbmerge.engine.live import LiveMerge, live
        from nbmerge.recipe import Recipe

        name, dialect = _arguments(line)
        assert self.shell is not None  # a magic runs in a shell
        merge = self.shell.user_ns.get(name)
        try:
            recipe = Recipe.load(cell, dialect)
            if isinstance(merge, LiveMerge):
                merge.update(recipe)
            else:
                merge = live(recipe)
        except NbmergeError as error:
            raise UsageError(str(error)) from error
        self.shell.user_ns[name] = merge
        return merge


def _arguments(line: str) -> tuple[str, str | None]:
    """The variable's name and the dialect."""
    words, dialect = line.replace("=", " ").split(), None
    if "--dialect" in words:
        at = words.index("--dialect")
        dialect = " ".join(words[at + 1 : at + 2])
        del words[at : at + 2]
    name = " ".join(words) or "merged"
    if not name.isidentifier():
        raise UsageError(f"%%merge takes one variable name and, if wanted, --dialect NAME, not {line.strip()!r}.")
    return name, dialect


def load(ipython: InteractiveShell) -> None:
    """Register the magic."""
    ipython.register_magics(MergeMagics)
