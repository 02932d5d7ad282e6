"""What other people do to the files of a merge while it runs, and between two runs."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from nbmerge.engine.merge import merge
from nbmerge.engine.output.commit import beside
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import MergeError, MergeStopped, OutputError
from nbmerge.recipe import Recipe
from tests.engine.output.faults import Calls, contents, dying, ended, failing, forked, untouched
from tests.models import make_model


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    base = make_model(tmp_path / "models" / "base")
    return base, make_model(tmp_path / "models" / "tuned", base=base, seed=1)


@pytest.fixture
def half(pair) -> Recipe:
    return Recipe.of({"merge_method": "linear", "models": list(map(str, pair)), "parameters": {"weight": 0.5}})


def after(tensors: int, act) -> dict:
    """Arguments of a merge in which something happens once so many tensors are done."""

    def listener(event):
        if event.kind == "tensor" and event.tensors_done == tensors:
            act()

    return {"progress": listener, "threads": 1}


# --- inputs ---


def write_unnoticed(file) -> None:
    """Change the last bytes; size and date stay."""
    before = file.stat()
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


HARM = {
    "written to": lambda f: f.write_bytes(f.read_bytes()[:-4] + b"abcd"),
    "written to, with its date set back": lambda f: write_unnoticed(f),
    "touched": lambda f: os.utime(f, ns=(1, 1)),
    "cut": lambda f: os.truncate(f, f.stat().st_size // 2),
    "emptied": lambda f: os.truncate(f, 0),
    "longer": lambda f: f.write_bytes(f.read_bytes() + bytes(8)),
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("tensors", [1, 15, 28])
@pytest.mark.rest_is_slow(keep=4)
def test_an_input_that_changes_while_it_is_read(harm, tensors, pair, half, tmp_path):
    file = pair[1] / "model.safetensors"
    with pytest.raises(MergeError, match=r"tuned.*model\.safetensors"):
        merge(half, tmp_path / "out", **after(tensors, lambda: HARM[harm](file)))
    assert not (tmp_path / "out").exists()
    make_model(pair[1], base=pair[0], seed=1)  # mended, or downloaded again
    out = merge(half, tmp_path / "out").path
    assert contents(out) == contents(merge(half, tmp_path / "whole").path)


def test_a_new_model_in_the_old_ones_place_while_that_is_read(pair, half, tmp_path):
    """The file that was opened is read to its end, whatever gets its name."""
    whole = contents(merge(half, tmp_path / "whole").path)

    def replace():
        make_model(tmp_path / "new", base=pair[0], seed=7)
        os.replace(tmp_path / "new" / "model.safetensors", pair[1] / "model.safetensors")

    out = merge(half, tmp_path / "out", **after(5, replace)).path
    weights = {n: data for n, data in contents(out).items() if n.endswith(".safetensors")}
    assert weights == {n: whole[n] for n in weights}


def test_an_input_that_vanishes_while_it_is_read_is_still_read(pair, half, tmp_path):
    whole = contents(merge(half, tmp_path / "whole").path)
    out = merge(half, tmp_path / "out", **after(5, (pair[1] / "model.safetensors").unlink)).path
    assert contents(out) == whole


@pytest.mark.parametrize("harm", [*HARM, "gone", "a pipe", "replaced"])
@pytest.mark.rest_is_slow(keep=5)
def test_an_input_that_changes_after_planning(harm, pair, half, tmp_path):
    file, planned = pair[1] / "model.safetensors", plan(half)
    date = file.stat()
    if harm in HARM:
        HARM[harm](file)
    else:
        file.unlink()
        if harm == "a pipe":
            os.mkfifo(file)
        elif harm == "replaced":
            other = make_model(tmp_path / "other", base=pair[0], seed=7) / "model.safetensors"
            os.utime(other, ns=(date.st_atime_ns, date.st_mtime_ns))
            other.replace(file)
    with pytest.raises(MergeError, match=r"tuned.*model\.safetensors"):
        merge(planned, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_input_that_changes_between_two_runs_is_noticed(pair, half, tmp_path):
    stop = threading.Event()
    with pytest.raises(MergeStopped):
        merge(half, tmp_path / "out", cancel=stop, **after(20, stop.set))
    make_model(pair[1], base=pair[0], seed=2)
    os.utime(pair[1] / "model.safetensors", ns=(1, 1))
    done = []
    out = merge(half, tmp_path / "out", progress=lambda e: done.append(e.tensor)).path
    assert len(list(filter(None, done))) == 30
    assert contents(out) == contents(merge(half, tmp_path / "whole").path)


# --- the output ---


def test_the_folder_being_built_is_deleted(half, tmp_path):
    act = lambda: shutil.rmtree(beside(tmp_path / "out", "partial"))  # noqa: E731
    with pytest.raises(MergeError, match=r"No such file.*Run again"):
        merge(half, tmp_path / "out", **after(5, act))
    assert not (tmp_path / "out").exists()
    assert contents(merge(half, tmp_path / "out").path) == contents(merge(half, tmp_path / "whole").path)


@pytest.mark.parametrize("how", ["gone", "another"])
def test_a_file_being_written_is_deleted(half, tmp_path, how):
    def act():
        file = beside(tmp_path / "out", "partial") / "model.safetensors"
        file.unlink()
        if how == "another":
            file.write_bytes(b"something else")

    with pytest.raises(MergeError, match=r"model\.safetensors"):
        merge(half, tmp_path / "out", **after(5, act))
    assert not (tmp_path / "out").exists()
    assert contents(merge(half, tmp_path / "out").path) == contents(merge(half, tmp_path / "whole").path)


def test_the_folder_around_is_deleted(half, tmp_path):
    place = tmp_path / "place"
    with pytest.raises(MergeError):
        merge(half, place / "out", **after(5, lambda: shutil.rmtree(place)))
    assert contents(merge(half, place / "out").path) == contents(merge(half, tmp_path / "whole").path)


def test_a_folder_that_appears_meanwhile_is_not_replaced(half, tmp_path):
    def act():
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("years")

    with pytest.raises(OutputError, match="not empty"):
        merge(half, tmp_path / "out", **after(5, act))
    assert contents(tmp_path / "out") == {"thesis.txt": b"years"}
    shutil.rmtree(tmp_path / "out")
    done = []
    merge(half, tmp_path / "out", progress=lambda e: done.append(e.tensor))
    assert not list(filter(None, done))  # all of it was kept


@pytest.mark.parametrize("kind", ["a link", "a file"])
def test_another_file_in_place_of_the_scratch_folder(kind, half, tmp_path):
    private = tmp_path / "private"
    private.mkdir()
    (private / "letter.txt").write_text("dear")
    partial = beside(tmp_path / "out", "partial")
    if kind == "a link":
        partial.symlink_to(private)
    else:
        partial.write_text("x")
    with pytest.raises(OutputError, match="in the way"):
        merge(half, tmp_path / "out")
    assert contents(private) == {"letter.txt": b"dear"}


def test_links_in_an_unfinished_folder_are_not_written_through(half, tmp_path):
    private = tmp_path / "private.txt"
    private.write_text("dear")
    stop = threading.Event()
    with pytest.raises(MergeStopped):
        merge(half, tmp_path / "out", cancel=stop, **after(20, stop.set))
    file = beside(tmp_path / "out", "partial") / "model.safetensors"
    file.unlink()
    file.symlink_to(private)
    assert contents(merge(half, tmp_path / "out").path) == contents(merge(half, tmp_path / "whole").path)
    assert private.read_text() == "dear"


# --- two merges, one place ---


@pytest.mark.parametrize("temporary", ["the same", "another"])
def test_another_process_is_refused_while_one_runs(temporary, half, tmp_path, monkeypatch):
    """Also one that has another folder for temporary files, as in another container or batch job."""

    def second():
        if temporary == "another":
            (tmp_path / "tmp").mkdir(exist_ok=True)
            monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
        with pytest.raises(OutputError, match="another merge"):
            merge(half.replace(dtype="float16"), tmp_path / "out")

    codes = []
    merge(half, tmp_path / "out", **after(5, lambda: codes.append(ended(forked(second)))))
    assert codes == [0]
    assert contents(tmp_path / "out") == contents(merge(half, tmp_path / "whole").path)


def test_the_place_is_free_once_the_process_that_held_it_was_killed(half, tmp_path):
    def first():
        with Calls("fsync", 0, dying):
            merge(half, tmp_path / "out")

    assert ended(forked(first)) == -9
    assert merge(half, tmp_path / "out").path.is_dir()


# --- replacing ---


def test_an_older_model_gives_way_in_one_step_or_two(half, tmp_path, monkeypatch):
    merge(half, tmp_path / "out")
    new = contents(merge(half.replace(dtype="float16"), tmp_path / "new").path)
    monkeypatch.setattr("nbmerge.engine.output.commit.exchange", lambda a, b: False)
    merge(half.replace(dtype="float16"), tmp_path / "out", overwrite=True)
    assert contents(tmp_path / "out") == new
    assert sorted(f.name for f in tmp_path.iterdir()) == ["models", "new", "out"]


@pytest.mark.slow
def test_an_older_model_comes_back_after_a_kill_between_two_renames(half, pair, tmp_path, monkeypatch):
    old = contents(merge(half, tmp_path / "out").path)
    monkeypatch.setattr("nbmerge.engine.output.commit.exchange", lambda a, b: False)
    other = half.replace(dtype="float16")

    def killed():
        with Calls("rename", 2, dying):  # the journal's, then the two
            merge(other, tmp_path / "out", overwrite=True)

    assert ended(forked(killed)) == -9
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="not empty"):
        merge(other, tmp_path / "out")
    assert contents(tmp_path / "out") == old


def test_a_rename_that_fails_leaves_the_older_model(half, pair, tmp_path, monkeypatch):
    old = contents(merge(half, tmp_path / "out").path)
    monkeypatch.setattr("nbmerge.engine.output.commit.exchange", lambda a, b: False)
    with untouched(*pair), Calls("rename", 2, failing(5)), pytest.raises(MergeError, match="Input/output"):
        merge(half.replace(dtype="float16"), tmp_path / "out", overwrite=True)
    assert contents(tmp_path / "out") == old
