"""The output folder: refused before work starts, complete or not there, and nothing else is harmed."""

import errno
import os
import pathlib
import shutil
import threading

import pytest

from nbmerge.engine.merge import merge
from nbmerge.engine.output import folder as output_folder
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import MergeError, MergeStopped, NbmergeError, OutputError
from nbmerge.recipe import Recipe
from tests.models import make_model, read_tensors


@pytest.fixture
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


def contents(folder) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def visible(folder) -> list[str]:
    """What lies in a folder under a name that a user sees."""
    return sorted(f.name for f in folder.iterdir() if not f.name.startswith("."))


def stopping(after: int = 1) -> tuple[threading.Event, dict]:
    """Arguments of a merge that is stopped once `after` tensors are done."""
    event = threading.Event()
    listener = lambda e: event.set() if e.tensors_done >= after else None  # noqa: E731
    return event, {"cancel": event, "progress": listener, "threads": 1}


# --- refused before anything is written ---


@pytest.mark.parametrize(
    "place",
    [
        lambda p: p / "models" / "ft",  # an input
        lambda p: p / "models" / "ft" / "merged",  # inside one
        lambda p: p / "models",  # around one
        lambda p: p / "models" / "base" / ".." / "ft",
        lambda p: p / "link",  # an input under another name
        lambda p: p / "link" / "merged",
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.rest_is_slow(keep=6)
def test_inputs_are_never_an_output(tmp_path, place, overwrite):
    base = make_model(tmp_path / "models" / "base")
    ft = make_model(tmp_path / "models" / "ft", base=base, seed=1)
    (tmp_path / "link").symlink_to(ft)
    before = contents(tmp_path)
    r = Recipe.of({"merge_method": "linear", "models": [str(base), str(ft)], "parameters": {"weight": 1}})
    with pytest.raises(OutputError, match="input"):
        merge(r, place(tmp_path), overwrite=overwrite)
    assert contents(tmp_path) == before


def test_a_donor_is_an_input_too(tmp_path, half):
    donor = make_model(tmp_path / "donor", seed=5)
    with pytest.raises(OutputError, match="input"):
        merge(half.replace(config_source=str(donor)), donor, overwrite=True)


def test_a_folder_with_something_in_it(tmp_path, half):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"not a model folder.*thesis\.txt would be lost"):
            merge(half, tmp_path / "out", overwrite=overwrite)
    assert contents(tmp_path) == {"out/thesis.txt": b"years"}


def test_an_empty_folder_is_taken(tmp_path, half):
    (tmp_path / "out").mkdir()
    assert (merge(half, tmp_path / "out").path / "config.json").is_file()


@pytest.mark.parametrize("kind", ["file", "link to a file", "broken link", "link to a folder"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_something_else_under_the_name(tmp_path, half, kind, overwrite):
    (tmp_path / "there").write_text("x")
    (tmp_path / "folder").mkdir()
    target = {"link to a file": "there", "broken link": "nowhere", "link to a folder": "folder"}
    if kind == "file":
        (tmp_path / "out").write_text("x")
    else:
        (tmp_path / "out").symlink_to(tmp_path / target[kind])
    with pytest.raises(OutputError, match="not a folder"):
        merge(half, tmp_path / "out", overwrite=overwrite)
    assert visible(tmp_path) == ["folder", "out", "there"]
    assert contents(tmp_path / "folder") == {}


def test_a_place_inside_a_file(tmp_path, half):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="not a folder"):
        merge(half, tmp_path / "file" / "out")


def test_a_folder_that_may_not_be_written_to(tmp_path, half, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as tests may run as root, who may write anywhere
    with pytest.raises(OutputError, match="is not writable"):
        merge(half, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path, half, monkeypatch):
    real = pathlib.Path.mkdir

    def refuse(self, *args, **kwargs):
        if self.is_relative_to(tmp_path):  # elsewhere, the folder for locks can be made
            raise OSError(errno.EROFS, "Read-only file system")
        real(self, *args, **kwargs)

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises((OutputError, MergeError), match="Read-only file system"):
        merge(half, tmp_path / "out")


@pytest.mark.parametrize("out", ["a" * 300, "~nobody-of-this-name/out", "nul\0byte", "/", "."])
def test_output_places_that_cannot_be_are_refused(tmp_path, half, out, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").write_text("x")
    with pytest.raises(OutputError):
        merge(half, out)
    assert contents(tmp_path) == {"something": b"x"}


def test_a_disk_that_is_too_small(tmp_path, half, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=50_000))
    with pytest.raises(OutputError, match="needs"):
        merge(half, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_error_is_what_a_caller_would_guess(tmp_path, half):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OSError, match="not a folder") as caught:
        merge(half, tmp_path / "out")
    assert isinstance(caught.value, NbmergeError)


# --- overwriting ---


def test_an_older_merge_is_replaced_once_the_new_one_is_complete(tmp_path, half):
    merge(half, tmp_path / "out", max_shard_size=4000)
    merge(half.replace(dtype="float16"), tmp_path / "out", overwrite=True)
    assert [f.name for f in (tmp_path / "out").glob("*.safetensors*")] == ["model.safetensors"]
    assert visible(tmp_path) == ["out"]


@pytest.mark.parametrize("how", ["stop", "full disk", "lost input"])
def test_an_older_merge_stays_when_the_new_one_fails(tmp_path, half, how, monkeypatch):
    merge(half, tmp_path / "out")
    before = contents(tmp_path / "out")
    more = {}
    other = half.replace(dtype="float16")
    if how == "stop":
        _, more = stopping(5)
    elif how == "full disk":
        monkeypatch.setattr(os, "pwrite", full_disk)
    else:
        copy = make_model(tmp_path / "copy", replace=read_tensors(half.models[0].model.path))
        other = plan(other.replace(models=[str(copy), str(copy)]))
        (copy / "model.safetensors").unlink()
    with pytest.raises(MergeError):
        merge(other, tmp_path / "out", overwrite=True, **more)
    assert contents(tmp_path / "out") == before


# --- stopped, full, cut: nothing under the name, and the next try is right ---


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_stopped_merge_leaves_no_output_folder(tmp_path, half):
    _, more = stopping()
    with pytest.raises(MergeStopped):
        merge(half, tmp_path / "out", **more)
    assert visible(tmp_path) == []
    assert issubclass(MergeStopped, MergeError)


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite", "fsync"])
def test_a_full_disk(tmp_path, half, monkeypatch, call):
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(MergeError, match="No space left"):
        merge(half, tmp_path / "out")
    monkeypatch.undo()
    assert visible(tmp_path) == []
    assert merge(half, tmp_path / "out").path.is_dir()


@pytest.mark.parametrize("countdown", [0, 3, 10])
def test_a_disk_that_fills_up_on_the_way(tmp_path, half, monkeypatch, countdown):
    write, left = os.pwrite, [countdown]

    def pwrite(*args):
        left[0] -= 1
        return write(*args) if left[0] >= 0 else full_disk()

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(MergeError, match="Free some space"):
        merge(half, tmp_path / "out", threads=2, max_shard_size=4000)
    monkeypatch.undo()
    assert visible(tmp_path) == []
    whole = merge(half, tmp_path / "whole", max_shard_size=4000).path
    assert contents(merge(half, tmp_path / "out", max_shard_size=4000).path) == contents(whole)


def test_partial_writes_are_continued(tmp_path, half, monkeypatch):
    whole = contents(merge(half, tmp_path / "whole").path)
    write, read = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: write(fd, bytes(data[:100]), offset))
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, offset: read(fd, [buffers[0][:100]], offset))
    assert contents(merge(half, tmp_path / "out").path) == whole


@pytest.mark.parametrize("name", ["config.json", "README.md", "tokenizer.json"])
def test_a_disk_that_fills_up_at_the_very_end(tmp_path, half, monkeypatch, name):
    def write_text(self, *args, **kwargs):
        return full_disk() if self.name == name else real(self, *args, **kwargs)

    real, copy = pathlib.Path.write_text, output_folder.copy_model_file
    monkeypatch.setattr(pathlib.Path, "write_text", write_text)
    monkeypatch.setattr(output_folder, "copy_model_file", lambda a, b: full_disk() if b.name == name else copy(a, b))
    with pytest.raises(MergeError, match="No space left"):
        merge(half, tmp_path / "out")
    assert visible(tmp_path) == []


@pytest.mark.parametrize("harm", ["cut", "emptied", "gone"])
def test_an_input_that_changes_meanwhile(tmp_path, harm):
    base = make_model(tmp_path / "base")
    tuned = make_model(tmp_path / "tuned", base=base, seed=1)
    planned = plan(
        Recipe.of({"merge_method": "linear", "models": [str(base), str(tuned)], "parameters": {"weight": 1}})
    )
    file = tuned / "model.safetensors"
    if harm == "gone":
        file.unlink()
    else:
        os.truncate(file, file.stat().st_size // 2 if harm == "cut" else 0)
    with pytest.raises(MergeError, match=r"tuned.*model\.safetensors"):
        merge(planned, tmp_path / "out")
    assert visible(tmp_path) == ["base", "tuned"]


def test_an_error_in_a_listener_ends_the_merge_and_is_raised(tmp_path, half):
    def listener(event):
        if event.kind == "tensor":
            raise ZeroDivisionError("in the listener")

    with pytest.raises(ZeroDivisionError, match="in the listener"):
        merge(half, tmp_path / "out", progress=listener)
    assert visible(tmp_path) == []


# --- two at once ---


def test_a_second_merge_into_the_same_place_is_refused(tmp_path, half):
    running, go_on = threading.Event(), threading.Event()

    def wait(event):
        if event.kind == "tensor":
            running.set()
            go_on.wait(20)

    results = []
    first = threading.Thread(target=lambda: results.append(merge(half, tmp_path / "out", progress=wait, threads=1)))
    first.start()
    try:
        assert running.wait(20)
        for _ in range(3):  # being refused must not free the place for the next
            with pytest.raises(OutputError, match="another merge"):
                merge(half.replace(dtype="float16"), tmp_path / "out")
        elsewhere = merge(half, tmp_path / "elsewhere").path
    finally:
        go_on.set()
        first.join()
    assert contents(results[0].path) == contents(elsewhere)
    assert visible(tmp_path) == ["elsewhere", "out"]
