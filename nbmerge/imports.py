"""When things are imported: names of a package when they are first used, torch and transformers by one thread at a time.

A Studio imports torch and transformers in threads of its own while cells of the notebook run. Python locks ``torch.nn`` before
it waits for ``torch``, while the thread that imports ``torch`` waits for ``torch.nn``; it ends such a deadlock with an error in
one of them, and torch cannot be imported again in that process. transformers loads its modules when their names are first
used, so it has the same fault. Every import of transformers is under `import_lock`, and parts of torch are imported after
torch itself (``tests/test_imports.py``).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_lock = threading.RLock()


def exporter(package: str, **names: tuple[str, ...]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    **names : tuple of str
        For each of its modules, the names that the package exports from there.
    """
    homes = {name: module for module, exported in names.items() for name in exported}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load


@contextmanager
def import_lock() -> Iterator[None]:
    """Wait until no other thread imports transformers, then let this one do so; torch has been imported by then."""
    with _lock:
        import torch  # noqa: F401

        yield
