"""Results that several threads ask for at the same time: one of them computes, the others wait."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """The latest results, by key.

    Only one thread computes at a time, whatever the key: each of them would read a model.

    Parameters
    ----------
    most : int
        Results that are kept.
    """

    def __init__(self, most: int):
        self._most = most
        self._known: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The result of a key, computed if it is not known."""
        with self._lock:
            if key not in self._known:
                self._known[key] = compute()
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
            return self._known[key]
