"""Weights are downloaded as far as they are needed; a download stops at once, and goes on from there."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints import hub as room
from nbmerge.checkpoints.hub import download
from nbmerge.engine.live.virtual_merge import virtual
from nbmerge.errors import CheckpointError, MergeStopped, OutputError
from nbmerge.progress_bars import ProgressBar
from tests.adapters import Q, V, make_adapter, modules, passed_through
from tests.models import read_tensors

COPY = {"merge_method": "passthrough", "models": ["org/base"]}
SHARD = "model-00002-of-00004.safetensors"


@pytest.fixture
def base(online, sharded) -> str:
    """A model of four shards on the Hub; its commit."""
    return online.add("org/base", sharded.base)


def size(sharded, name: str = SHARD) -> int:
    return (sharded.base / name).stat().st_size


def same(a: Path, b: Path) -> bool:
    one, other = read_tensors(a), read_tensors(b)
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def whole(online, name: str) -> list[str | None]:
    """Ranges that were asked for of a file, without the look at its header."""
    return [r.range for r in online.asked(f"/{name}") if r.path.startswith("/storage/")][1:]


@pytest.mark.slow
def test_a_merge_of_hub_models_is_that_of_folders(online, base, sharded, tmp_path):
    online.add("org/ft1", sharded.ft1)
    data = {
        "merge_method": "slerp",
        "base_model": "org/base",
        "models": ["org/base", "org/ft1"],
        "parameters": {"t": [0, 1]},
    }
    report = nbm.check(data, tmp_path / "out")
    assert report.ok
    assert [(d.model, d.commit, d.files) for d in report.forecast.downloads] == [
        ("org/base", base, 4), ("org/ft1", online.repos["org/ft1"].branches["main"], 1),
    ]  # fmt: skip
    total = sum(p.stat().st_size for f in (sharded.base, sharded.ft1) for p in f.glob("*.safetensors"))
    assert report.forecast.bytes_downloaded == total
    assert f"downloads 514 kB of org/base@{base[:8]}, 514 kB of org/ft1@" in str(report)
    events = []
    made = nbm.merge(data, tmp_path / "out", progress=events.append)
    fetching = [e for e in events if e.kind == "fetching"]
    assert fetching == events[: len(fetching)]
    assert [e.bytes_done for e in fetching] == sorted(e.bytes_done for e in fetching)
    assert (fetching[-1].bytes_done, fetching[-1].bytes, fetching[-1].tensors_done) == (total, total, 5)
    assert events[len(fetching)].kind == "planned"
    folders = {**data, "base_model": str(sharded.base), "models": [str(sharded.base), str(sharded.ft1)]}
    assert same(made.path, nbm.merge(folders, tmp_path / "local").path)
    assert nbm.check(data).forecast.downloads == ()
    asked = len(online.requests)
    nbm.merge(data, tmp_path / "again")
    assert len(online.requests) == asked


@pytest.mark.slow
def test_only_the_shards_that_are_read_come(online, base, sharded, tmp_path):
    index = Checkpoint.open("org/base").tensors
    local = str(sharded.ft2)
    data = {
        "merge_method": "passthrough",
        "slices": [{"sources": [{"model": "org/base", "layer_range": [1, 2]}]}, {"sources": [{"model": local, "layer_range": [0, 2]}]}],
        "embedding_source": local, "final_norm_source": local, "lm_head_source": local, "config_source": local,
    }  # fmt: skip
    needed = {t.file.name for n, t in index.items() if ".layers.1." in n}
    assert 0 < len(needed) < 4
    assert nbm.check(data).forecast.downloads[0].files == len(needed)
    nbm.merge(data, tmp_path / "out")
    assert {p.name for p in Checkpoint.open("org/base").path.glob("*.safetensors")} == needed


def test_a_broken_connection_is_resumed(online, base, sharded, tmp_path, monkeypatch):
    Checkpoint.open("org/base")
    online.cut[SHARD] = [50_000, 30_000]
    nbm.merge(COPY, tmp_path / "out")
    end = size(sharded) - 1
    assert whole(online, SHARD) == [f"bytes=0-{end}", f"bytes=50000-{end}", f"bytes=80000-{end}"]
    assert same(tmp_path / "out", sharded.base)


def test_a_server_that_gives_only_whole_files(online, base, sharded, tmp_path):
    Checkpoint.open("org/base")
    online.without_ranges.add(SHARD)
    online.cut[SHARD] = [50_000]
    nbm.merge(COPY, tmp_path / "out")
    assert same(tmp_path / "out", sharded.base)


@pytest.mark.slow
def test_a_network_that_stays_down_ends_in_an_error(online, base, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 1)
    Checkpoint.open("org/base")
    online.cut[SHARD] = [0] * 9
    events = []
    with pytest.raises(CheckpointError, match=r"cannot connect|incompletely"):
        nbm.merge(COPY, tmp_path / "out", progress=events.append)
    assert events[-1].kind == "failed"
    assert not (tmp_path / "out").exists()


def test_stop_answers_during_a_download(online, cache, base, sharded, tmp_path):
    plan = nbm.plan(COPY)
    cancel, hold = threading.Event(), threading.Event()
    paced, given_up, events = iter(range(3)), [], []

    def pace(name):
        if name == SHARD and next(paced, None) is None:
            wait_for(cache, sharded)  # else there may be nothing to resume
            cancel.set()
            given_up.append(hold.wait(60))  # the network stands still, and stop is heard all the same

    online.pace = pace
    with pytest.raises(MergeStopped, match="Run again to resume"):
        nbm.merge(plan, tmp_path / "out", progress=events.append, cancel=cancel)
    assert cancel.is_set()
    assert not given_up  # the network stood still to the end
    assert events[-1].kind == "stopped"
    assert not (tmp_path / "out").exists()
    online.pace = None
    hold.set()
    before = len(whole(online, SHARD))
    nbm.merge(plan, tmp_path / "out")
    (again,) = whole(online, SHARD)[before:]
    assert 0 < int(again.removeprefix("bytes=").partition("-")[0]) < size(sharded)
    assert same(tmp_path / "out", sharded.base)


@pytest.mark.slow
def test_a_killed_merge_is_resumed(hub, env, sharded, tmp_path, cache):
    hub.add("org/base", sharded.base)
    code = f"import nbmerge\nnbmerge.merge({COPY!r}, {str(tmp_path / 'out')!r})"
    started, paced = threading.Event(), iter(range(4))

    def pace(name):
        if name == SHARD and Path(cache, "models--org--base").exists() and next(paced, None) is None:
            started.set()
            threading.Event().wait(30)

    hub.pace = pace
    victim = subprocess.Popen([sys.executable, "-c", code], env=env)
    assert started.wait(30)
    partial = wait_for(cache, sharded)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    hub.pace = None
    (kept,) = partial
    before, had = len(whole(hub, SHARD)), kept.stat().st_size
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ranges = whole(hub, SHARD)[before + 1 :]  # behind the second look at the header
    assert ranges == [f"bytes={had}-{size(sharded) - 1}"]
    assert same(tmp_path / "out", sharded.base)


def wait_for(cache: Path, sharded) -> list[Path]:
    """The unfinished file of `SHARD`, once its first bytes have reached the disk."""
    import hashlib

    digest = hashlib.sha256((sharded.base / SHARD).read_bytes()).hexdigest()
    for _ in range(3000):
        found = [p for p in cache.glob(f"models--org--base/blobs/{digest}.*incomplete") if p.stat().st_size]
        if found:
            return found
        threading.Event().wait(0.01)
    raise AssertionError("nothing was written")


def test_damaged_bytes_are_thrown_away(online, base, sharded, tmp_path):
    Checkpoint.open("org/base")
    online.damaged.add(SHARD)
    with pytest.raises(CheckpointError, match=f"{SHARD}.*was damaged in transit"):
        nbm.merge(COPY, tmp_path / "out")
    online.damaged.clear()
    nbm.merge(COPY, tmp_path / "out")
    assert same(tmp_path / "out", sharded.base)


def test_a_shard_that_vanished(online, base, tmp_path):
    plan = nbm.plan(COPY)
    online.vanished.add(SHARD)
    with pytest.raises(CheckpointError, match=f"'org/base' no longer has {SHARD}"):
        nbm.merge(plan, tmp_path / "out")


def test_too_small_a_disk_is_reported_first(online, base, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage._replace(free=20_000))
    report = nbm.check(COPY)
    assert not report.ok
    assert "HF_HUB_CACHE" in str(report)
    with pytest.raises(OutputError, match="the download needs"):
        room.fetch(t.file for t in Checkpoint.open("org/base").tensors.values())


def test_a_disk_that_becomes_full(online, base, sharded, monkeypatch):
    files = [t.file for t in Checkpoint.open("org/base").tensors.values()]

    class Full:
        def __init__(self, *arguments):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "open", Full, raising=False)
    with pytest.raises(OutputError, match=r"No space left on device. Partial downloads are kept"):
        room.fetch(files)
    monkeypatch.undo()


@pytest.mark.slow
def test_the_branch_is_known_offline_afterwards(online, base, sharded, tmp_path, monkeypatch):
    from huggingface_hub import constants

    nbm.merge(COPY, tmp_path / "out")
    room.forget()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in ("org/base", f"org/base@{base}"):
        again = nbm.merge({**COPY, "models": [name]}, tmp_path / name[-4:])
        assert same(again.path, sharded.base)


@pytest.mark.parametrize("way", ["live", "virtual", "measure", "sample", "verify"])
@pytest.mark.slow
def test_every_function_that_reads_weights_downloads_them(online, family, tmp_path, way):
    commits = [online.add(f"org/{name}", getattr(family, name)) for name in ("base", "ft1")]
    data = {"merge_method": "linear", "models": ["org/base", "org/ft1"], "parameters": {"weight": 1}}
    if way == "live":
        assert [r.revision for r in nbm.live(data).recipe.references] == commits
    elif way == "virtual":
        assert virtual(data).model is not None
    elif way == "measure":
        assert nbm.measure_models("org/base", "org/ft1").models == ("base", "ft1")
    elif way == "sample":
        assert nbm.sample("org/ft1", ["a"], max_new_tokens=1)
    else:
        made = nbm.merge(data, tmp_path / "out")
        for model in ("base", "ft1"):
            shutil.rmtree(Checkpoint.open(f"org/{model}").path.parent.parent)
        assert nbm.verify(made.path, derive=True).ok
    assert Path(Checkpoint.open("org/ft1").path, "model.safetensors").is_file()


@pytest.mark.slow
def test_adapters_of_the_hub(online, family, tmp_path):
    adapter = make_adapter(tmp_path / "adapter", family.base, modules(Q, V))
    online.add("org/base", family.base)
    commit = online.add("org/lora", adapter)
    data = {"merge_method": "passthrough", "models": ["org/base+org/lora"]}
    report = nbm.check(data)
    assert report.ok, report
    assert {d.model for d in report.forecast.downloads} == {"org/base", "org/lora"}
    made = nbm.merge(data, tmp_path / "out")
    assert f"+org/lora@{commit}" in (made.path / "nbmerge_recipe.yml").read_text()
    assert same(made.path, nbm.merge(passed_through(family.base, adapter), tmp_path / "local").path)


def test_a_bar_for_the_download_and_one_for_the_merge(online, base, tmp_path, capsys):
    bar = ProgressBar("Merging", delay=0)
    nbm.merge(COPY, tmp_path / "out", progress=bar)
    bar.close()
    drawn = capsys.readouterr().err
    assert 0 <= drawn.index("Downloading:") < drawn.index("Merging:")
