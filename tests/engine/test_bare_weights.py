"""Merges of bare weights: the numbers, one file or a folder, resumed and verified; what needs a model is refused."""

import os
import threading

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import nbmerge
from nbmerge.engine.compute_tensors import compute_tensors
from nbmerge.engine.merge import merge
from nbmerge.engine.output import weights_file
from nbmerge.engine.verify import verify
from nbmerge.errors import ArgumentError, CheckpointError, MergeError, MergeStopped, OutputError, SampleError
from nbmerge.recipe import Recipe
from tests.bare_weights import linear, make_weights


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    a = make_weights(folder / "a.safetensors")
    return [a, *(make_weights(folder / f"{n}.safetensors", i, base=a) for i, n in enumerate("bc", 1))]


def run(recipe, out, **options):
    return merge(recipe, out, threads=1, progress=False, **options).path


def exact(files):
    """The files' floating-point tensors in float64."""
    return [{n: t.double() for n, t in load_file(f).items() if t.is_floating_point()} for f in files]


# --- numbers ---


def test_linear_and_task_arithmetic_in_float64(files, tmp_path):
    base, one, two = exact(files)
    made = load_file(run(linear(*files[1:], weights=(1, 3)), tmp_path / "lin.safetensors"))
    assert torch.equal(made["steps"], torch.tensor(7))
    for name in base:
        torch.testing.assert_close(made[name].double(), (one[name] + 3 * two[name]) / 4, rtol=1e-6, atol=1e-6)
    models = linear(*files[1:], weights=(0.5, 0.25))["models"]
    recipe = {"merge_method": "task_arithmetic", "base_model": str(files[0]), "models": models}
    made = load_file(run(recipe, tmp_path / "ta.safetensors"))
    for name, start in base.items():
        wanted = start + 0.5 * (one[name] - start) + 0.25 * (two[name] - start)
        torch.testing.assert_close(made[name].double(), wanted, rtol=1e-6, atol=1e-6)


def test_slerp_with_filters_in_float64(files, tmp_path):
    one, two, _ = exact(files)
    t = [{"filter": "attn", "value": 0.25}, {"value": 0.75}]
    recipe = {"merge_method": "slerp", "base_model": str(files[0]), "models": [str(files[1])], "parameters": {"t": t}}
    made = load_file(run(recipe, tmp_path / "out.safetensors"))
    for name, a in one.items():
        b, share = two[name], 0.25 if "attn" in name else 0.75
        angle = torch.acos((a * b).sum() / (a.norm() * b.norm()))
        wanted = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
        torch.testing.assert_close(made[name].double(), wanted, rtol=1e-4, atol=1e-4)  # the angle is small


def test_the_same_bytes_in_a_file_a_folder_shards_and_memory(files, tmp_path):
    recipe = linear(*files, weights=(1, 2, 3), dtype="bfloat16")
    file = load_file(run(recipe, tmp_path / "out.safetensors"))
    folder = run(recipe, tmp_path / "out")
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "model.safetensors", "nbmerge_checksums.json", "nbmerge_recipe.yml"
    ]  # fmt: skip
    shards = run(recipe, tmp_path / "shards", max_shard_size=100)
    assert len(list(shards.glob("*.safetensors"))) > 2
    memory = compute_tensors(recipe, progress=False)
    index = {"merge_method": "passthrough", "models": [str(shards / "model.safetensors.index.json")]}
    again = compute_tensors(index, progress=False)
    for name, tensor in load_file(folder / "model.safetensors").items():
        assert all(torch.equal(tensor, other[name]) for other in (file, memory, again))
    assert file["norm"].dtype == torch.bfloat16


def test_torch_files_are_merged_like_safetensors(files, tmp_path):
    torch.save({"state_dict": load_file(files[1])}, tmp_path / "b.ckpt")
    one = compute_tensors(linear(*files[:2]), progress=False)
    other = compute_tensors(linear(files[0], tmp_path / "b.ckpt"), progress=False)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


# --- the output ---


def test_a_file_has_its_recipe_and_checksums(files, tmp_path):
    recipe = linear(*files[:2])
    out = run(recipe, tmp_path / "out.safetensors")
    assert Recipe.load(out) == Recipe.of(recipe)
    assert verify(out, derive=True, progress=False).ok
    with open(out, "r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"\x01")
    assert len(verify(out, progress=False).damaged) == 1
    with pytest.raises(CheckpointError, match="no checksums"):
        verify(files[0], progress=False)


def test_a_folder_is_verified_and_replaced(files, tmp_path):
    out = run(linear(*files[:2]), tmp_path / "out")
    assert verify(out, derive=True, progress=False).derived == 11
    with pytest.raises(OutputError, match="overwrite"):
        run(linear(*files[1:]), out)
    assert run(linear(*files[1:]), out, overwrite=True) == out


def test_outputs_that_are_refused(files, tmp_path):
    recipe = linear(*files[:2])
    out = run(recipe, files[0].with_name("out.safetensors"))  # beside the inputs
    for place, what in [
        (out, "exists"),
        (files[0], "is, or contains, the input"),
        (files[0].parent, "is, or contains, the input"),
        (tmp_path / "out.ckpt", "name it .*out.safetensors"),
    ]:
        with pytest.raises(OutputError, match=what):
            run(recipe, place)
    with pytest.raises(OutputError, match="input"):
        run(recipe, files[0], overwrite=True)
    before = out.stat().st_ino
    assert run(linear(*files[1:]), out, overwrite=True).stat().st_ino != before
    assert sorted(p.name for p in out.parent.iterdir()) == [*(f"{n}.safetensors" for n in "abc"), "out.safetensors"]


@pytest.mark.parametrize("name", ["out.safetensors", "out"])
def test_a_stopped_merge_resumes(files, tmp_path, name):
    recipe = linear(*files, weights=(1, 2, 3))
    stop = threading.Event()
    with pytest.raises(MergeStopped):
        merge(recipe, tmp_path / name, threads=1, cancel=stop, progress=lambda e: e.tensors_done > 3 and stop.set())
    assert not (tmp_path / name).exists()
    done = []
    merge(recipe, tmp_path / name, threads=1, progress=lambda e: done.append(e.tensor))
    assert 0 < len([n for n in done if n]) < 9
    assert verify(tmp_path / name, derive=True, progress=False).ok
    whole = run(recipe, tmp_path / f"whole-{name}")
    if name == "out.safetensors":
        assert whole.read_bytes() == (tmp_path / name).read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_while_the_file_gets_its_name(files, tmp_path, monkeypatch, after):
    """What is left is removed, or resumed, by the next merge; there is either no file or a whole one."""
    out, replace = tmp_path / "out.safetensors", os.replace

    def killed(old, new):
        if new != out or after:
            replace(old, new)
        if new == out:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(weights_file.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run(linear(*files[:2]), out)
    assert out.exists() == after
    assert list(tmp_path.glob(".*"))
    run(linear(*files[:2]), out, overwrite=True)
    assert verify(out, progress=False).ok
    assert not list(tmp_path.glob(".*"))


def test_not_a_number(files, tmp_path):
    bad = make_weights(tmp_path / "bad.safetensors", norm=torch.full((4,), float("nan")))
    with pytest.raises(MergeError, match="norm"):
        run(linear(files[0], bad), tmp_path / "out.safetensors")
    run(linear(files[0], bad), tmp_path / "out.safetensors", allow_nonfinite=True)
    assert load_file(tmp_path / "out.safetensors")["norm"].isnan().all()


def test_the_header_is_one_that_others_read(files, tmp_path):
    with safe_open(run(linear(*files[:2]), tmp_path / "out.safetensors"), "pt") as file:
        assert file.metadata()["format"] == "pt"
        assert len(file.metadata()["nbmerge_checksums"]) == 16 * 11
        assert len(list(file.keys())) == 11


# --- what is refused ---


VERBS = {
    "live": lambda r, a: nbmerge.live(r, progress=False),
    "virtual": lambda r, a: nbmerge.virtual(r, progress=False),
    "forecast_live": lambda r, a: nbmerge.forecast_live(r),
    "choose_backend": lambda r, a: nbmerge.choose_backend(r),
    "sample": lambda r, a: nbmerge.sample(a, "x"),
    "perplexity": lambda r, a: nbmerge.perplexity(a, "x"),
    "search": lambda r, a: nbmerge.search(r, {"x": lambda model: 1.0}),
    "compare_tokens": lambda r, a: nbmerge.compare_tokens(r, "x"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_needs_a_model_is_refused(files, verb):
    with pytest.raises(SampleError, match=r"needs a model.*compute_tensors returns the merged tensors"):
        VERBS[verb](linear(*files[:2]), str(files[0]))


def test_measures_work(files):
    measured = nbmerge.measure_models(*files, progress=False)
    assert set(measured.table["tensor"]) == set(exact(files)[0])
    assert nbmerge.measure_conflicts(*files, progress=False)


# --- some tensors ---


def test_some_tensors_of_a_model(family):
    recipe = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    made = compute_tensors(recipe, ["model.norm.weight", "lm_head.weight"], progress=False)
    assert list(made) == ["model.norm.weight", "lm_head.weight"]
    with pytest.raises(ArgumentError, match=r"Did you mean 'model\.norm\.weight'"):
        compute_tensors(recipe, ["model.norm.weights"])


def test_a_merge_of_a_merge(files, tmp_path):
    inner = linear(*files[1:], name="inner")
    outer = linear(files[0], "inner", weights=(1, 1)) | {"merges": [inner]}
    a, b, c = exact(files)
    made = compute_tensors(outer, ["norm"], progress=False)["norm"]
    torch.testing.assert_close(made.double(), (a["norm"] + (b["norm"] + 3 * c["norm"]) / 4) / 2, rtol=1e-6, atol=1e-6)
    save_file({"norm": made}, tmp_path / "kept.safetensors")
