"""Merging on other processes: the same bytes, whatever happens to the workers."""

import os
import pickle
import signal
import threading
import time
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from nbmerge.cli import app
from nbmerge.engine.cluster import executor as cluster
from nbmerge.engine.cluster import task as group
from nbmerge.engine.cluster.executor import connected
from nbmerge.engine.cluster.task import Group, GroupResult, compute_group, divide_into_groups
from nbmerge.engine.merge import merge
from nbmerge.engine.output import lease
from nbmerge.engine.output.journal import Journal
from nbmerge.engine.output.lease import Lease
from nbmerge.engine.output.shards import ShardWriter
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import MergeError, MergeStopped
from nbmerge.recipe import Recipe
from tests.adapters import Q, V, make_adapter, modules
from tests.engine.compute.test_pool import recipe
from tests.engine.compute.test_read_float8 import quantised
from tests.engine.planning.test_nested import chained, inner
from tests.models import make_family, make_model, read_tensors

SHARD = 20_000


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return make_family(tmp_path_factory.mktemp("cluster-family"), layers=6)


@pytest.fixture(scope="module")
def client():
    """Two processes of one thread each. They import torch and Dask, so what uses them is slow."""
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'nbmerge[dask]'")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Here(Executor):
    """Runs each task at once, and lets a test say what happens to it."""

    def __init__(self, instead=None):
        self.instead, self.sent = instead, []

    def submit(self, make, group):
        self.sent.append(group)
        future = Future()
        try:
            future.set_result((self.instead or make)(pickle.loads(pickle.dumps(group))))
        except Exception as error:
            future.set_exception(error)
        return future


def contents(folder) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def same_as_local(merged: Path, wanted: Recipe, tmp_path: Path) -> bool:
    return contents(merged) == contents(merge(wanted, tmp_path / "local", max_shard_size=SHARD, threads=1).path)


# --- the same bytes ---


@pytest.mark.slow
@pytest.mark.parametrize("method", ["linear", "slerp", "ties", "dare_ties"])
def test_a_dask_cluster_writes_the_bytes_of_a_local_run(models, tmp_path, client, method):
    told = []
    out = merge(recipe(models, method), tmp_path / "out", max_shard_size=SHARD, executor=client, progress=told.append)
    assert same_as_local(out.path, recipe(models, method), tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["local", "out"]
    names = [t.name for t in out.plan.tensors]
    assert [e.kind for e in told] == ["planned", *["tensor"] * len(names), "saving", "finished"]
    assert sorted(e.tensor for e in told if e.tensor) == sorted(names)
    assert told[-1].bytes_done == told[-1].bytes == out.plan.bytes_written


@pytest.mark.slow
def test_the_command_line_takes_a_schedulers_address(models, tmp_path, client):
    wanted = recipe(models, "linear")
    (tmp_path / "recipe.yml").write_text(wanted.to_yaml())
    words = ["merge", tmp_path / "recipe.yml", tmp_path / "out", "--max-shard-size", SHARD]
    done = CliRunner().invoke(app, [*map(str, words), "--dask", client.scheduler.address])
    assert done.exit_code == 0, done.output
    assert same_as_local(tmp_path / "out", Recipe.load(tmp_path / "recipe.yml"), tmp_path)


@pytest.mark.slow
def test_any_executor_will_do(models, tmp_path, pool):
    out = merge(recipe(models, "ties"), tmp_path / "out", max_shard_size=SHARD, executor=pool).path
    assert same_as_local(out, recipe(models, "ties"), tmp_path)


def test_special_cases_are_counted_as_in_a_local_run(models, tmp_path, pool):
    r = Recipe.of({"merge_method": "slerp", "models": [str(models.ft1)] * 2, "parameters": {"t": 0.3}})
    local = merge(r, tmp_path / "local").notes
    assert merge(r, tmp_path / "out", executor=pool).notes == local
    assert local


def two_vocabularies(models, folder: Path) -> Recipe:
    longer = make_model(folder / "longer", layers=6, vocab=40)
    return Recipe.of({
        "merge_method": "linear", "models": [str(models.base), str(longer)],
        "parameters": {"weight": 0.5}, "tokenizer": {"source": "union", "rows": "owners"},
    })  # fmt: skip


def merge_in_a_merge(models, folder: Path) -> Recipe:
    return chained(models, inner(models, "ties"), "slerp")


def adapter(models, folder: Path) -> Recipe:
    lora = make_adapter(folder / "lora", models.base, modules(Q, V, layers=6))
    both = [f"{models.base}+{lora}", str(models.ft1)]
    return Recipe.of({"merge_method": "linear", "models": both, "parameters": {"weight": 0.5}})


def float8(models, folder: Path) -> Recipe:
    quantised(folder / "short", torch.tensor(0.5), "_scale", {"quant_method": "fp8"})
    both = [str(folder / "short"), str(make_model(folder / "long"))]
    return Recipe.of({"merge_method": "linear", "models": both, "parameters": {"weight": 0.5}})


@pytest.mark.slow
@pytest.mark.parametrize("made", [two_vocabularies, merge_in_a_merge, adapter, float8])
def test_every_kind_of_input_is_sent(models, tmp_path, client, made):
    r = made(models, tmp_path)
    out = merge(r, tmp_path / "out", max_shard_size=SHARD, executor=client).path
    assert same_as_local(out, r, tmp_path)


# --- what is sent ---


def sent(r: Recipe, folder: Path, **how) -> list[Group]:
    planned = plan(r)
    how = {"threads": 1, "allow_nonfinite": False, "device": None} | how
    with Lease.granted(folder) as held:
        writer = ShardWriter(folder, planned.tensors, {}, SHARD)
        made = list(divide_into_groups(planned.tensors, writer, 1, held, {}, **how))
        writer.close()
    return made


def test_tasks_are_small_and_self_contained(models, tmp_path):
    r = recipe(models, "ties")
    pieces = sent(r, tmp_path)
    assert len(pieces) == 3
    assert [t.name for g in pieces for t in g.tensors] == [t.name for t in plan(r).tensors]
    for piece in pieces:
        assert len(pickle.dumps(piece)) < 1500 + 1000 * len(piece.tensors)
        assert set(piece.inputs) == {leaf.file for t in piece.tensors for leaf in t.leaves()}
        back = pickle.loads(pickle.dumps(piece))
        assert back.tensors == piece.tensors
        assert back.extents == piece.extents


def test_two_groups_never_share_a_page_of_a_file(tmp_path):
    family = make_family(tmp_path / "family", layers=8, hidden=32, intermediate=32)
    planned = plan(recipe(family, "linear"))
    (tmp_path / "out").mkdir()
    with Lease.granted(tmp_path / "out") as held:
        writer = ShardWriter(tmp_path / "out", planned.tensors, {}, 100_000)
        made = list(
            divide_into_groups(planned.tensors, writer, 1, held, {}, threads=1, allow_nonfinite=False, device=None)
        )
        writer.close()
    pages = {}
    for i, piece in enumerate(made):
        for extent in piece.extents.values():
            for page in range(extent.offset // 4096, (extent.end - 1) // 4096 + 1):
                assert pages.setdefault((extent.file, page), i) == i
    assert len(made) > 4


# --- stopping and going on ---


def stopping(after: int) -> dict:
    event = threading.Event()
    return {"cancel": event, "progress": lambda e: event.set() if e.tensors_done >= after else None}


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [("cluster", "cluster"), ("cluster", "local"), ("local", "cluster")])
def test_a_stopped_merge_is_resumed_by_any_executor(models, tmp_path, client, first, then):
    r = recipe(models, "ties")
    how = {"cluster": {"executor": client}, "local": {"threads": 1}}
    began = time.perf_counter()
    with pytest.raises(MergeStopped):
        merge(r, tmp_path / "out", max_shard_size=SHARD, **how[first], **stopping(20))
    assert time.perf_counter() - began < 30  # on a machine that has other things to do
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob(lease.FILE))
    out = merge(r, tmp_path / "out", max_shard_size=SHARD, **how[then]).path
    assert same_as_local(out, r, tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["local", "out"]


def test_finished_tensors_are_not_computed_again(models, tmp_path, monkeypatch):
    r = recipe(models, "linear")
    with pytest.raises(MergeStopped):
        merge(r, tmp_path / "out", max_shard_size=SHARD, executor=Here(), **stopping(20))
    made, real = [], group.run
    monkeypatch.setattr(group, "run", lambda tensors, *a, **k: made.extend(tensors) or real(tensors, *a, **k))
    out = merge(r, tmp_path / "out", max_shard_size=SHARD, executor=Here())
    assert 0 < len(made) <= len(out.plan.tensors) - 20
    assert same_as_local(out.path, r, tmp_path)


def test_damaged_tensors_are_computed_again_on_resume(models, tmp_path):
    r = recipe(models, "linear")
    with pytest.raises(MergeStopped):
        merge(r, tmp_path / "out", max_shard_size=SHARD, executor=Here(), **stopping(20))
    for file in tmp_path.rglob("*.safetensors"):
        data = bytearray(file.read_bytes())
        data[-1000:] = bytes(1000)
        file.write_bytes(data)
    assert same_as_local(merge(r, tmp_path / "out", max_shard_size=SHARD, executor=Here()).path, r, tmp_path)


def test_a_stop_does_not_wait_for_an_answer_that_died_with_its_worker(models, tmp_path):
    class Lost(Future):
        """Said to be finished; its answer never comes."""

        def add_done_callback(self, call):
            threading.Thread(target=call, args=(self,), daemon=True).start()

        def result(self, timeout=None):
            asked.set()
            given_up.wait(10)
            raise CancelledError

        def cancel(self):
            given_up.set()

    class Losing(Executor):
        def submit(self, make, group):
            return Lost()

    asked, given_up = threading.Event(), threading.Event()
    with pytest.raises(MergeStopped):
        merge(recipe(models, "linear"), tmp_path / "out", executor=Losing(), cancel=asked)
    assert given_up.is_set()


def test_ctrl_c_is_a_stop(models, tmp_path):
    def press(event):
        if event.tensors_done == 20:
            raise KeyboardInterrupt

    r, told = recipe(models, "linear"), []
    with pytest.raises(KeyboardInterrupt):
        merge(
            r,
            tmp_path / "out",
            max_shard_size=SHARD,
            executor=Here(),
            progress=lambda e: told.append(e.kind) or press(e),
        )
    assert told[-1] == "stopped"
    assert not list(tmp_path.rglob(lease.FILE))
    assert same_as_local(merge(r, tmp_path / "out", max_shard_size=SHARD).path, r, tmp_path)


def test_a_worker_that_is_no_longer_wanted_stops(models, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "EVERY", 0.0)
    piece = next(iter(sent(recipe(models, "linear"), tmp_path)))
    (tmp_path / lease.FILE).write_text(piece.lease.token)
    real = group._check
    monkeypatch.setattr(group, "_check", lambda g: real(g) or (tmp_path / lease.FILE).write_text("another"))
    answer = compute_group(piece)
    assert isinstance(answer.error, MergeStopped)
    assert not answer.checksums


def test_a_second_coordinator_takes_over_and_the_first_is_stopped(models, tmp_path):
    def taken_over(piece):
        return GroupResult(error=MergeStopped("stopped"))

    with pytest.raises(MergeError, match="another merge is now writing") as caught:
        merge(recipe(models, "linear"), tmp_path / "out", executor=Here(taken_over))
    assert not isinstance(caught.value, MergeStopped)


# --- workers that die, or see something else ---


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(models, tmp_path, client):
    """One of the two processes is killed while it makes a tensor; the cluster starts another in its place."""
    pids, killed = set(client.run(os.getpid).values()), []

    def kill(event):
        if event.tensors_done >= 10 and not killed:
            killed.append(next(iter(pids)))
            os.kill(killed[0], signal.SIGKILL)

    r = recipe(models, "ties")
    out = merge(r, tmp_path / "out", max_shard_size=SHARD, executor=client, progress=kill).path
    assert killed
    assert same_as_local(out, r, tmp_path)


def test_a_group_whose_disk_failed_is_tried_again(models, tmp_path):
    failed = []

    def shaky(piece):
        if len(failed) < 2:
            failed.append(piece)
            raise MergeError("reading failed")
        return compute_group(piece)

    r = recipe(models, "linear")
    out = merge(r, tmp_path / "out", max_shard_size=SHARD, executor=Here(shaky)).path
    assert len(failed) == 2
    assert same_as_local(out, r, tmp_path)


def test_a_disk_that_never_works_ends_the_merge(models, tmp_path):
    def broken(piece):
        raise MergeError("x cannot be read: Input/output error.")

    told, here = [], Here(broken)
    with pytest.raises(MergeError, match="Input/output error"):
        merge(recipe(models, "linear"), tmp_path / "out", executor=here, progress=told.append)
    assert told[-1].kind == "failed"
    assert len([g for g in here.sent if str(g) == str(here.sent[0])]) <= cluster.TRIES


def test_a_worker_that_cannot_write_reports_it_as_its_own_kind_of_error(models, tmp_path):
    piece = next(iter(sent(recipe(models, "linear"), tmp_path)))
    (tmp_path / lease.FILE).write_text(piece.lease.token)
    for file in tmp_path.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(MergeError, match=r"safetensors cannot be opened: No such file"):
        compute_group(piece)


@pytest.mark.slow
def test_nan_is_reported_as_in_a_local_run(tmp_path, client):
    base = make_model(tmp_path / "base")
    bad = make_model(tmp_path / "bad", replace={"model.norm.weight": torch.full((16,), float("nan"))})
    r = Recipe.of({"merge_method": "linear", "models": [str(base), str(bad)], "parameters": {"weight": 0.5}})
    with pytest.raises(MergeError) as local:
        merge(r, tmp_path / "local")
    told = []
    with pytest.raises(MergeError) as remote:
        merge(r, tmp_path / "out", executor=client, progress=told.append)
    assert str(remote.value) == str(local.value)
    assert told[-1].kind == "failed"
    assert read_tensors(merge(r, tmp_path / "out", executor=client, allow_nonfinite=True).path)


def test_a_worker_that_does_not_see_the_output_says_so(models, tmp_path):
    def elsewhere(piece):
        (piece.lease.folder / lease.FILE).unlink()
        return compute_group(piece)

    with pytest.raises(MergeError, match=r"does not see .*filesystem that all workers share"):
        merge(recipe(models, "linear"), tmp_path / "out", executor=Here(elsewhere))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda g: {"inputs": {f: (s[0] + 1, s[1]) for f, s in g.inputs.items()}},
            "sees a different .*model.safetensors",
        ),
        (
            lambda g: {"inputs": {f: (s[0], s[1] + 1) for f, s in g.inputs.items()}},
            "sees a different .*model.safetensors",
        ),
        (lambda g: {"inputs": {Path("/nowhere/model.safetensors"): (1, 1)}}, "cannot find /nowhere/model.safetensors"),
        (lambda g: {"device": "cuda:99"}, "device 'cuda:99' is not available on "),
        (
            lambda g: {"versions": {"nbmerge": "0.0.1", "torch": "1.0"}},
            "has nbmerge .*the coordinator has nbmerge 0.0.1",
        ),
        (
            lambda g: {"tensors": tuple(replace(t, method="homegrown") for t in g.tensors)},
            "does not have the merge method 'homegrown'",
        ),
    ],
)
def test_a_worker_that_sees_something_else_says_what(models, tmp_path, change, words):
    with pytest.raises(MergeError, match=words):
        merge(
            recipe(models, "linear"), tmp_path / "out", executor=Here(lambda g: compute_group(replace(g, **change(g))))
        )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("worker died three times"), "no worker could compute .*died three times.*memory"),
        (CancelledError(), "Check that its scheduler is running"),
        (ModuleNotFoundError("No module named 'nbmerge'"), "same version of nbmerge"),
    ],
)
def test_an_error_of_the_scheduler_becomes_ours(models, tmp_path, error, words):
    def broken(piece):
        raise error

    with pytest.raises(MergeError, match=words):
        merge(recipe(models, "linear"), tmp_path / "out", executor=Here(broken))


def test_what_is_not_an_executor_is_refused(models, tmp_path):
    with pytest.raises(TypeError, match="Client or"):
        merge(recipe(models, "linear"), tmp_path / "out", executor="tcp://127.0.0.1:8786")


@pytest.mark.slow
def test_an_address_without_a_server_is_an_error():
    pytest.importorskip("distributed")
    with pytest.raises(MergeError, match="no Dask scheduler answers at"), connected("nothing at all"):
        pass


def test_a_killed_coordinator_does_not_affect_the_result(models, tmp_path):
    r = recipe(models, "linear")
    with pytest.raises(MergeStopped):
        merge(r, tmp_path / "out", max_shard_size=SHARD, threads=1, **stopping(20))
    (partial,) = (f.parent for f in tmp_path.rglob("*.safetensors.index.json"))
    (partial / lease.FILE).write_text("of a lead that was killed")
    assert same_as_local(merge(r, tmp_path / "out", max_shard_size=SHARD).path, r, tmp_path)


def test_the_journal_notes_every_tensor_once(models, tmp_path, monkeypatch):
    noted = []
    monkeypatch.setattr(Journal, "note", lambda self, name, checksum: noted.append(name))
    out = merge(recipe(models, "linear"), tmp_path / "out", executor=Here())
    assert sorted(noted) == sorted(t.name for t in out.plan.tensors)
