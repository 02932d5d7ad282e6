"""The way over an accelerator: with the processor in its place everywhere, and on a real one where there is one."""

import numpy as np
import pytest
import torch

from nbmerge.checkpoints.header import read_header
from nbmerge.engine.compute import blocks as blocks_module
from nbmerge.engine.compute import device as device_module
from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.device import DEVICE, DeviceWorkspace, available_devices, explain_cpu, find_device
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.pool import run
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.engine.verify import verify
from nbmerge.errors import MergeError, MergeStopped
from nbmerge.methods import Elementwise, methods
from nbmerge.recipe import Recipe
from tests.costs import rest_is_slow
from tests.engine.compute.test_pool import METHODS, recipe
from tests.engine.planning.recipes import recipe as spelled
from tests.models import make_family, make_model, read_tensors

CPU = torch.device("cpu")
REAL = [d for d in ("cuda", "mps") if any(a.startswith(d) for a in available_devices())]
ANYWHERE = [n for n, m in methods().items() if isinstance(m, Elementwise) and m.anywhere]


def collected(tensors, **more):
    out = {t.name: torch.empty(t.count, dtype=getattr(torch, t.dtype)) for t in tensors}

    def sink(tensor, _blocks):
        def emit(start, block):
            out[tensor.name][start : start + block.numel()] = block

        return emit

    notes = run(tensors, sink, **more)
    return out, notes


def any_recipe(family, name: str, **more) -> Recipe:
    """A recipe of any method, at settings that do something."""
    method = methods()[name]
    given = {p.name: 0.5 for p in method.parameters if p.name in ("density", "t", "weight", "gamma", "select_topk")}
    base = family.base if method.base in ("required", "first") else None
    models = [family.ft1, family.ft2][: 1 if method.inputs[1] == 1 or (base and method.inputs[1] == 2) else 2]
    return spelled(name, *models, base=base, parameters=given, **more)


# --- the whole way, with the processor in the device's place ---


@pytest.mark.parametrize(
    ("name", "dtype"),
    rest_is_slow(
        [(name, dtype) for name in methods() for dtype in ("float32", "bfloat16")],
        lambda way: way[1] == "float32" or way[0] in ("linear", "ties", "dare_ties"),
    ),
)
@pytest.mark.rest_is_slow(keep=10)
def test_the_way_over_a_device_changes_nothing(family, monkeypatch, name, dtype):
    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    p = plan(any_recipe(family, name, dtype=dtype))
    here, plain = collected(p.tensors, threads=1)
    there, notes = collected(p.tensors, threads=2, device=CPU)
    assert all(torch.equal(here[n].view(torch.uint8), there[n].view(torch.uint8)) for n in here)
    told = sum(count for words, count in notes.items() if "mixed on the CPU" in words)
    assert told == sum(bool(explain_cpu(t, CPU)) for t in p.tensors)
    assert sum(notes.values()) - told == sum(plain.values())


def test_a_merge_in_a_merge_and_rows_go_up_as_blocks(family, tmp_path):
    longer = make_model(tmp_path / "longer", vocab=40)
    r = Recipe.of({
        "merge_method": "linear", "models": [str(family.base), str(longer)],
        "parameters": {"weight": 0.5}, "tokenizer": {"source": "union", "rows": "owners"},
    })  # fmt: skip
    p = plan(r)
    here, there = collected(p.tensors)[0], collected(p.tensors, device=CPU)[0]
    assert all(torch.equal(here[n], there[n]) for n in here)


def test_two_blocks_are_in_flight_and_all_arrive_in_order(family, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    p = plan(recipe(family, "task_arithmetic"))
    tensor = max(p.tensors, key=lambda t: t.count)
    steps = []
    real = DeviceWorkspace.download
    monkeypatch.setattr(DeviceWorkspace, "download", lambda w, b: steps.append("made") or real(w, b))
    run([tensor], lambda t, b: lambda start, block: steps.append(start), device=CPU, threads=1)
    starts = [s for s in steps if s != "made"]
    assert starts == list(range(0, tensor.count, 64))
    assert steps[:5] == ["made", "made", 0, "made", 64]


def test_a_stop_answers_within_a_block(family, monkeypatch):
    import threading

    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    cancel, seen = threading.Event(), []

    def sink(tensor, _):
        return lambda start, block: seen.append(start) or cancel.set()

    with pytest.raises(MergeStopped):
        run(plan(recipe(family, "linear")).tensors, sink, device=CPU, cancel=cancel, threads=1)
    assert len(seen) == 1


def test_nan_is_found_on_the_way_back(family, tmp_path):
    bad = make_model(tmp_path / "bad", replace={"model.norm.weight": torch.full((16,), float("nan"))})
    r = Recipe.of({"merge_method": "linear", "models": [str(family.base), str(bad)], "parameters": {"weight": 0.5}})
    with pytest.raises(MergeError, match=r"model.norm.weight.*bad has 16"):
        collected(plan(r).tensors, device=CPU)


# --- what runs there and what does not ---


@pytest.mark.parametrize("name", ANYWHERE)
@pytest.mark.rest_is_slow(keep=5)
def test_a_method_that_says_so_stays_on_the_device(family, name, monkeypatch):
    """torch's fake tensors know devices that are not there, and refuse what mixes two or goes by way of NumPy."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    p = plan(any_recipe(family, name))
    for tensor in [t for t in p.tensors if isinstance(t.how, Elementwise)][:4]:
        with InputFiles() as files:
            blocks = Blocks(tensor, DeviceWorkspace(files, None, CPU).nested())
            state = tensor.how.look(blocks, tensor.values) if tensor.how.look else None
            shape = blocks.at(0)[0].shape
        with FakeTensorMode(allow_non_fake_inputs=True):
            inputs = [torch.empty(shape, device="cuda:0") for _ in tensor.inputs]
            assert tensor.how.mix(inputs, 0, state, tensor.values).device == torch.device("cuda:0")


def test_the_most_used_methods_run_there():
    assert {"ties", "dare_linear", "dare_ties", "breadcrumbs", "sce"} <= set(ANYWHERE)


def test_other_methods_run_on_the_processor_and_it_is_said(family):
    p = plan(any_recipe(family, "della"))
    (note,) = collected(p.tensors, device=CPU)[1]
    assert note == "mixed on the CPU: della does not run on cpu"


def test_mps_has_no_float64(family):
    p = plan(recipe(family, "linear").replace(dtype="float64"))
    assert explain_cpu(p.tensors[0], torch.device("mps")) == "mixed on the CPU: mps has no float64"
    assert explain_cpu(p.tensors[0], torch.device("cuda")) is None


def test_integer_tensors_are_copied(family, tmp_path):
    extra = {"model.steps": torch.arange(7)}
    models = [make_model(tmp_path / n, base=family.base, replace=extra) for n in "ab"]
    p = plan(Recipe.of({"merge_method": "linear", "models": list(map(str, models)), "parameters": {"weight": 1}}))
    out, notes = collected(p.tensors, device=CPU)
    assert torch.equal(out["model.steps"], torch.arange(7))
    assert not notes


def test_where_a_tensor_is_mixed(family):
    with InputFiles() as files:
        workspace = DeviceWorkspace(files, None, CPU)
        assert workspace.choose_for(plan(any_recipe(family, "ties")).tensors[0]) is workspace
        assert workspace.choose_for(plan(any_recipe(family, "della")).tensors[0]) is workspace.host


# --- names ---


def test_the_processor_needs_no_device_copy():
    assert find_device(None) is None
    assert find_device("cpu") is None
    assert (find_device("auto") is None) == (not REAL)


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "nonsense!", "xpu", "meta", *sorted({"cuda", "mps"} - set(REAL))])
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(family, tmp_path, name):
    with pytest.raises(MergeError, match=r"not available on .*Available: cpu"):
        merge(recipe(family, "linear"), tmp_path / "out", device=name)
    assert not list(tmp_path.iterdir())


def test_a_merge_says_where_it_ran(family, tmp_path, monkeypatch):
    whole = merge(recipe(family, "ties"), tmp_path / "whole").path
    monkeypatch.setattr(device_module, "find_device", lambda name: CPU)
    monkeypatch.setattr("nbmerge.engine.merge.find_device", lambda name: CPU)
    told = []
    out = merge(recipe(family, "ties"), tmp_path / "out", device="cuda", progress=told.append).path
    here, there = read_header(whole / "model.safetensors")[1], read_header(out / "model.safetensors")[1]
    assert there == here | {DEVICE: "cpu"}  # the stand-in's name
    wanted = read_tensors(whole)
    assert all(torch.equal(t, wanted[n]) for n, t in read_tensors(out).items())
    assert told[-1].kind == "finished"


def test_verify_derives_device_merges_where_possible(family, tmp_path, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.merge.find_device", lambda name: torch.device("cuda:99"))
    monkeypatch.setattr("nbmerge.engine.merge.run", lambda *a, device, **more: run(*a, **more))
    out = merge(recipe(family, "linear"), tmp_path / "out", device="cuda:99").path
    answer = verify(out, derive=True)
    assert answer.ok
    assert answer.device == "cuda:99"
    assert "cuda:99" not in str(answer)
    file = out / "nbmerge_checksums.json"
    file.write_text(file.read_text().replace('": "', '": "0', 40))
    assert "computed on cuda:99; on other hardware" in str(verify(out, derive=True))


def test_a_merge_is_not_resumed_on_another_device(family, tmp_path, monkeypatch):
    import threading

    cancel = threading.Event()
    with pytest.raises(MergeStopped):
        merge(recipe(family, "linear"), tmp_path / "out", threads=1, cancel=cancel, progress=lambda e: cancel.set())
    monkeypatch.setattr("nbmerge.engine.merge.find_device", lambda name: CPU)
    told = []
    merge(recipe(family, "linear"), tmp_path / "out", device="cuda", progress=told.append)
    assert told[0].tensors == len(plan(recipe(family, "linear")).tensors)


# --- live models ---


def parameters(merged) -> dict[str, torch.Tensor]:
    return {n: p.detach().cpu() for n, p in merged.model.named_parameters()}


@pytest.mark.parametrize("device", ["stand-in", *REAL])
def test_a_live_model_is_asked_on_the_device_and_saved_from_the_processor(family, tmp_path, monkeypatch, device):
    if device == "stand-in":
        monkeypatch.setattr("nbmerge.engine.live.live_merge.find_device", lambda name: CPU)
    first, then = recipe(family, "task_arithmetic"), recipe(family, "ties")
    merged = live(first, device=device)
    own = {w.data_ptr() for w in merged._weights.values()}
    assert not own & {p.data_ptr() for p in merged.model.parameters()}
    for wanted in (first, then, then.with_parameter("weight", 0.1, model="ft1"), first):
        merged.pin()
        merged.update(wanted)
        plain = live(wanted)
        assert merged.model.device.type == ("cpu" if device == "stand-in" else device)
        assert all(torch.equal(a, parameters(plain)[n]) for n, a in parameters(merged).items())
    saved, made = merged.save(tmp_path / "saved").path, merge(first, tmp_path / "made").path
    assert (saved / "model.safetensors").read_bytes() == (made / "model.safetensors").read_bytes()


def test_a_live_model_on_no_device(family):
    with pytest.raises(MergeError, match=r"not available on"):
        live(recipe(family, "linear"), device="cuda:99")


# --- on a real one ---


@pytest.mark.skipif(not REAL, reason="no CUDA or MPS device here")
@pytest.mark.parametrize("device", REAL or ["none"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("method", [*METHODS, "breadcrumbs", "sce", "nearswap"])
def test_a_device_agrees_with_the_processor_to_one_unit_in_the_last_place(tmp_path, device, dtype, method):
    family = make_family(tmp_path, hidden=512, intermediate=1024)
    r = (recipe if method in METHODS else any_recipe)(family, method).replace(dtype=dtype)
    here = read_tensors(merge(r, tmp_path / "here").path)
    there = read_tensors(merge(r, tmp_path / "there", device=device).path)
    size = torch.finfo(getattr(torch, dtype)).eps
    for name, wanted in here.items():
        off = (there[name].double() - wanted.double()).abs()
        assert float((off / np.maximum(wanted.double().abs(), wanted.double().abs().max() * 1e-3)).max()) <= size * 1.01


@pytest.mark.skipif(not REAL, reason="no CUDA or MPS device here")
@pytest.mark.parametrize("device", REAL or ["none"])
def test_a_device_gives_the_same_bytes_for_any_number_of_threads(tmp_path, device):
    family = make_family(tmp_path, hidden=512, intermediate=1024)
    p = plan(recipe(family, "ties"))
    one, four = (collected(p.tensors, device=torch.device(device), threads=n)[0] for n in (1, 4))
    assert all(torch.equal(one[n], four[n]) for n in one)
