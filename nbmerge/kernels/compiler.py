"""Compile loops with numba, and keep the machine code on disk, so that only the first merge of a version waits for it.

The cache is one folder for each content of this package: numba itself would notice a change of the file that a loop is in, but
not of the files whose functions it calls. Cached code is read back as pickles, so a folder is used only if nobody else can
write to it. Whatever is wrong with the cache only costs the time to compile again, a few seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import types
from numba.extending import intrinsic as numba_intrinsic
from numba.np.unsafe.ndarray import to_fixed_tuple

from nbmerge.cache_folder import cache_folder

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}
"""Never `fastmath`: a loop rounds after each operation, as the same operations on whole blocks do."""
fixed_tuple = to_fixed_tuple
"""``(array, length)``: an array as a tuple, whose numbers are kept in registers; the length is a constant of the loop."""
_lock = threading.Lock()


def entry_point(signature: str) -> Callable[[F], F]:
    """Compile a function for one signature at once, or load it from the cache."""

    def compile_function(function: F) -> F:
        folder = find_cache_folder()
        if folder is None:
            return numba.njit(signature, **_OPTIONS)(function)
        try:
            with _cache_in(folder):
                return numba.njit(signature, cache=True, **_OPTIONS)(function)
        except Exception:  # damaged files raise errors of all kinds; one of the function itself is raised again below
            shutil.rmtree(folder, ignore_errors=True)
            return numba.njit(signature, **_OPTIONS)(function)

    return compile_function


def part(function: F) -> F:
    """Compile a function as a part of the loops that call it."""
    return numba.njit(**_OPTIONS)(function)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function by the instructions that it generates, see `numba.extending.intrinsic`."""
    return numba_intrinsic(function)


@intrinsic
def prefer_wide_vectors(context: Any) -> Any:
    """Let the function that calls this use the widest vectors of the processor; the results are the same.

    LLVM prefers vectors of 256 bits on processors that also have those of 512, because a few wide instructions slow down
    the rest of a program on some of them. For a loop that does nothing else, they pay.
    """

    def generate(compiler: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        attributes = builder.function.attributes
        if isinstance(attributes, set):  # whose own method accepts only the attributes that llvmlite knows
            set.add(attributes, '"prefer-vector-width"="512"')
        return compiler.get_dummy_value()

    return types.void(), generate


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """Let numba use a folder of ours; its setting is one for the whole process."""
    with _lock:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            numba.config.CACHE_DIR = before


@cache
def find_cache_folder() -> Path | None:
    """The folder for compiled loops; None if there is none that only this user can write to."""
    caches = cache_folder("kernels")
    if caches is None:
        return None
    folder = caches / _hash_sources()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder) and os.access(folder, os.W_OK) else None
    except OSError:
        return None


def _is_private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):  # Windows: folders of users are private unless they are shared on purpose
        return True
    state = folder.stat()
    return state.st_uid == os.getuid() and not state.st_mode & 0o022


def _hash_sources() -> str:
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
