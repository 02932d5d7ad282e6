"""Going on after a stop: the same result, and nothing of another merge in it."""

import os
import threading

import pytest

from nbmerge.engine.merge import merge
from nbmerge.errors import MergeStopped
from nbmerge.recipe import Recipe
from tests.models import make_model, read_tensors


@pytest.fixture
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


def contents(folder) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def stopping(after: int = 1) -> tuple[threading.Event, dict]:
    """Arguments of a merge that is stopped once `after` tensors are done."""
    event = threading.Event()
    listener = lambda e: event.set() if e.tensors_done >= after else None  # noqa: E731
    return event, {"cancel": event, "progress": listener, "threads": 1}


def test_the_next_run_resumes_and_gives_the_same_bytes(tmp_path, half):
    whole = merge(half, tmp_path / "whole", max_shard_size=4000).path
    _, more = stopping(10)
    with pytest.raises(MergeStopped):
        merge(half, tmp_path / "out", max_shard_size=4000, **more)
    done = []
    out = merge(half, tmp_path / "out", max_shard_size=4000, progress=lambda e: done.append(e.tensor)).path
    assert len([n for n in done if n]) < 30
    assert contents(out) == contents(whole)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["out", "whole"]


def test_damaged_tensors_are_computed_again_on_resume(tmp_path, half):
    whole = merge(half, tmp_path / "whole").path
    _, more = stopping(10)
    with pytest.raises(MergeStopped):
        merge(half, tmp_path / "out", **more)
    (partial,) = (f for f in tmp_path.rglob("*.safetensors") if "whole" not in f.parts)
    data = bytearray(partial.read_bytes())
    data[-len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    partial.write_bytes(data)
    assert contents(merge(half, tmp_path / "out").path) == contents(whole)


@pytest.mark.parametrize(
    "first",
    [
        {"max_shard_size": 4000},
        {"recipe": {"dtype": "float64"}},
        {"recipe": {"parameters": {"weight": 0.25, "normalize": False}}},
        {"recipe": {"merge_method": "slerp", "parameters": {"t": 0.5}}},
    ],
)
def test_files_of_an_unfinished_merge_do_not_reach_another_result(tmp_path, half, first):
    whole = merge(half, tmp_path / "whole").path
    first = dict(first)
    other = half.replace(**first.pop("recipe", {}))
    _, more = stopping(10)
    with pytest.raises(MergeStopped):
        merge(other, tmp_path / "out", **first, **more)
    assert contents(merge(half, tmp_path / "out").path) == contents(whole)


def test_a_changed_input_is_another_merge(tmp_path, family):
    tuned = make_model(tmp_path / "tuned", base=family.base, seed=1)
    r = Recipe.of({"merge_method": "linear", "models": [str(family.base), str(tuned)], "parameters": {"weight": 0.5}})
    _, more = stopping(20)
    with pytest.raises(MergeStopped):
        merge(r, tmp_path / "out", **more)
    make_model(tuned, base=family.base, seed=2)
    os.utime(tuned / "model.safetensors", ns=(1, 1))
    out = read_tensors(merge(r, tmp_path / "out").path)
    whole = read_tensors(merge(r, tmp_path / "whole").path)
    assert all((out[n] == whole[n]).all() for n in whole)


@pytest.mark.parametrize("how", ["replaced", "written over"])
def test_an_input_that_changed_but_not_its_size_and_date_is_another_merge(tmp_path, family, how):
    tuned = make_model(tmp_path / "tuned", base=family.base, seed=1)
    r = Recipe.of({"merge_method": "linear", "models": [str(family.base), str(tuned)], "parameters": {"weight": 0.5}})
    _, more = stopping(20)
    with pytest.raises(MergeStopped):
        merge(r, tmp_path / "out", **more)
    file = tuned / "model.safetensors"
    before = file.stat()
    new = make_model(tmp_path / "new", base=family.base, seed=2) / "model.safetensors"
    if how == "replaced":
        new.replace(file)
    else:
        file.write_bytes(new.read_bytes())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert contents(merge(r, tmp_path / "out").path) == contents(merge(r, tmp_path / "whole").path)
