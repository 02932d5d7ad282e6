"""Compiled loops need numba, which the extra ``fast`` installs."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from nbmerge.kernels import switch


@pytest.fixture
def loops(request, monkeypatch) -> Iterator[ModuleType]:
    """The compiled loops, used whatever there is to do, until the test ends.

    Each is compiled once for its source, by whichever process and run of the tests needs it first.
    """
    pytest.importorskip("numba")
    from nbmerge.kernels import compiler

    if (cache := getattr(request.config, "cache", None)) is not None:
        folder = cache.mkdir("nbmerge-kernels")
        monkeypatch.setattr(compiler, "cache_folder", lambda name: folder / name)
    compiler.find_cache_folder.cache_clear()
    monkeypatch.setattr(switch._Switch, "loops", None)  # what it is afterwards, too
    monkeypatch.setenv(switch.VARIABLE, "1")
    switch.request(0.0)
    yield switch.find_loops()
    compiler.find_cache_folder.cache_clear()
