"""The cache of compiled loops: whatever is wrong with it only costs time."""

from __future__ import annotations

import os
import re

import pytest

pytest.importorskip("numba")

from nbmerge import cache_folder
from nbmerge.kernels import compiler, counting, gram, weighted_sum
from nbmerge.kernels.methods import consensus, della, nearswap, ram, rows, sce, task_vectors
from nbmerge.kernels.weighted_sum import build_interpolation


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache that is empty."""
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path))
    compiler.find_cache_folder.cache_clear()
    yield compiler.find_cache_folder()
    compiler.find_cache_folder.cache_clear()


def compile_again():
    """Compile one loop as a new process does; how often numba found it in the cache."""
    loop = build_interpolation.__wrapped__((0, 0), 0)
    return sum(loop.stats.cache_hits.values())


def test_loops_are_compiled_once(folder):
    assert compile_again() == 0
    assert list(folder.rglob("*.nbc"))
    assert compile_again() == 1


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
@pytest.mark.rest_is_slow(keep=1)
def test_damaged_files_are_compiled_again(folder, pattern):
    compile_again()
    for file in folder.rglob(pattern):
        file.write_bytes(file.read_bytes()[:20])
    assert compile_again() == 0


def test_no_folder_is_no_error(folder, monkeypatch):
    monkeypatch.setenv(cache_folder.VARIABLE, "")
    compiler.find_cache_folder.cache_clear()
    assert compile_again() == 0
    assert not list(folder.rglob("*.nbc"))


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
def test_a_folder_that_others_can_write_to_is_not_used(folder):
    folder.chmod(0o777)
    compiler.find_cache_folder.cache_clear()
    assert compiler.find_cache_folder() is None


LOOPS = {
    "interpolation": (build_interpolation, (0, 0), 0),
    "sum": (weighted_sum.build_sum, (0, 0, 0), 0, False),
    "task vectors": (
        task_vectors.build, (0, 0, 0), 0, task_vectors.ELECT_BY_SUM, task_vectors.BY_POSITIVE_SHARE, True, False,
    ),
    "comparison": (counting.build_comparison, 0, 0),
    "products": (gram.build_products, (0, 0)),
    "della": (della.build_keys, 0, 0),
    "rows": (rows.build_arc, (0, 0, 0), 0, True),
    "ram": (ram.build_counts, (0, 0, 0)),
    "sce": (sce.build_merge, (0, 0, 0), 0, True),
    "energy": (sce.build_energy, 0, 0),
    "nearswap": (nearswap.build_nearswap, (0, 0), 0),
    "consensus": (consensus.build_consensus, (0, 0, 0, 0), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.slow
def test_loops_work_on_several_numbers_at_once(name, monkeypatch):
    monkeypatch.setenv(cache_folder.VARIABLE, "")  # code from the cache cannot be looked at
    compiler.find_cache_folder.cache_clear()
    build, *arguments = LOOPS[name]
    (code,) = build.__wrapped__(*arguments).inspect_llvm().values()  # which other tests may have loaded from the cache
    assert re.search(r"f(sub|mul|add) <\d+ x float>", code)


@pytest.mark.slow
def test_a_loop_can_ask_for_wide_vectors(monkeypatch):
    monkeypatch.setenv(cache_folder.VARIABLE, "")
    compiler.find_cache_folder.cache_clear()
    for build, arguments, asks in (
        (task_vectors.build, LOOPS["task vectors"][1:], True),
        (gram.build_products, ((0, 0),), False),
    ):
        (code,) = build.__wrapped__(*arguments).inspect_llvm().values()
        assert ('"prefer-vector-width"="512"' in code) == asks
