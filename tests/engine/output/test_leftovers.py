"""What a kill leaves beside an output: removed by any merge into the same folder, unless somebody can go on from it."""

import os
import subprocess
import sys
import threading

import pytest

from nbmerge.engine.check import check
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.merge import merge
from nbmerge.engine.output import commit
from nbmerge.engine.output import folder as folder_module
from nbmerge.engine.output import leftovers as leftovers_module
from nbmerge.engine.output.commit import beside
from nbmerge.engine.output.leftovers import remove_leftovers, scratch_folder
from nbmerge.errors import MergeStopped, OutputError
from nbmerge.recipe import Recipe
from tests.engine.output.faults import contents, dying, ended, forked


@pytest.fixture
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


def names(folder) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


def killed_at(module, name: str, half: Recipe, out) -> None:
    """Kill a merge that replaces a model, where it calls a function."""

    def work() -> None:
        setattr(module, name, lambda *arguments, **more: dying(None))
        merge(half, out, overwrite=True)

    assert ended(forked(work)) == -9


AT = {
    "the names have changed places": (commit, "_check_replaced"),
    "the older one is to be removed": (commit.shutil, "rmtree"),
}


def refused(half: Recipe, folder) -> None:
    """A merge that does not come to write anything."""
    with pytest.raises(OutputError, match="not empty"):
        merge(half, folder / "out")


AFTER = {
    "merge": lambda half, folder: merge(half, folder / "another"),
    "save": lambda half, folder: live(half).save(folder / "another"),
    "refused": refused,
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("at", AT)
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.rest_is_slow(keep=3)
def test_the_next_merge_removes_leftovers(half, tmp_path, at, after, steps, monkeypatch):
    other = half.replace(dtype="float16")
    new = contents(merge(other, tmp_path / "new").path)
    old = contents(merge(half, tmp_path / "out").path)
    if steps == 2:
        monkeypatch.setattr(commit, "exchange", lambda a, b: False)
    killed_at(*AT[at], other, tmp_path / "out")
    assert len(names(tmp_path)) > 2
    AFTER[after](half, tmp_path)
    between = (
        steps == 2 and "changed" in at
    )  # two renames: the older model has its name back, and the new one can be gone on with
    assert {n for n in names(tmp_path) if n.startswith(".")} == (
        {".out.nbmerge-journal", ".out.nbmerge-partial"} if between else set()
    )
    assert contents(tmp_path / "out") == (old if between else new)


def unfinished(half: Recipe, out) -> None:
    """Stop a merge after ten tensors."""
    stop = threading.Event()
    listener = lambda e: stop.set() if e.tensors_done >= 10 else None  # noqa: E731
    with pytest.raises(MergeStopped):
        merge(half, out, cancel=stop, progress=listener, threads=1)


def test_resumable_leftovers_are_kept(half, tmp_path):
    unfinished(half, tmp_path / "out")
    before = contents(tmp_path)
    merge(half, tmp_path / "another")
    assert {n: d for n, d in contents(tmp_path).items() if not n.startswith("another")} == before


def test_a_journal_without_its_folder_goes(half, tmp_path):
    for name in (".gone.nbmerge-journal", ".gone.nbmerge-journal-new"):
        (tmp_path / name).write_text("{}")
    merge(half, tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_leftovers_of_other_users_are_kept(half, tmp_path, monkeypatch):
    (tmp_path / ".gone.nbmerge-journal").write_text("{}")
    monkeypatch.setattr(leftovers_module, "_is_ours", lambda path: False)
    merge(half, tmp_path / "out")
    assert names(tmp_path) == [".gone.nbmerge-journal", "out"]


def test_what_is_being_written_stays(half, tmp_path):
    """Also in the last moments, when the folder has its name and the journal is still there."""
    real, looked = folder_module.put_in_place, []

    def slow(partial, out, check):
        real(partial, out, check)
        thread = threading.Thread(target=remove_leftovers, args=(tmp_path,))
        thread.start()
        thread.join()
        looked.append(beside(out, "journal").exists())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_module, "put_in_place", slow)
        merge(half, tmp_path / "out")
    assert looked == [True]
    assert names(tmp_path) == ["out"]


def test_a_pipe_named_like_the_journal_does_not_block(half, tmp_path):
    (tmp_path / ".x.nbmerge-partial").mkdir()
    os.mkfifo(tmp_path / ".x.nbmerge-journal")
    assert merge(half, tmp_path / "out").path.is_dir()
    assert names(tmp_path) == [".x.nbmerge-journal", ".x.nbmerge-partial", "out"]


@pytest.mark.slow
def test_the_scratch_folder_of_a_killed_run_is_hidden_and_removed_by_the_next(tmp_path, half):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom nbmerge.engine.output.leftovers import scratch_folder\n"
        "with scratch_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'file').write_bytes(b'x')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    with scratch_folder(tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]
        merge(half, tmp_path / "out")  # which leaves alone what is in use
        assert mine.is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_forecast_leaves_nothing(tmp_path, half):
    (tmp_path / ".nbmerge-scratch-of-a-killed-run").mkdir()
    assert check(half, tmp_path / "out").forecast.seconds > 0
    assert list(tmp_path.iterdir()) == []
