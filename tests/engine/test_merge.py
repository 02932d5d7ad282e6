"""The main job: an ordinary model folder, with everything in it that belongs to one."""

import json
import re

import pytest
import torch
import yaml
from safetensors import safe_open

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import RECIPE_FILE, Recipe
from tests.costs import rest_is_slow
from tests.models import make_model, read_tensors

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def slerp(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "slerp", "models": models, "parameters": {"t": [0, 0.3, 1]}})


@pytest.fixture
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


def read_bytes(folder) -> dict[str, bytes]:
    return {n: t.contiguous().view(torch.uint8).numpy().tobytes() for n, t in read_tensors(folder).items()}


# --- weights ---


def test_weights_are_those_of_the_formula(tmp_path, family, half):
    merge(half, tmp_path / "out")
    base, tuned, out = read_tensors(family.base), read_tensors(family.ft1), read_tensors(tmp_path / "out")
    assert set(out) == set(base)
    for name in out:
        assert out[name].shape == base[name].shape
        assert torch.allclose(out[name], (base[name] + tuned[name]) / 2, rtol=0, atol=1e-6)


def test_a_plan_may_be_given_as_well(tmp_path, half):
    a = merge(half, tmp_path / "a")
    b = merge(plan(half), tmp_path / "b")
    assert read_bytes(a.path) == read_bytes(b.path)


def test_a_text_may_be_given_as_well(tmp_path, half):
    merge(half.to_yaml(), tmp_path / "a")
    (tmp_path / "recipe.yml").write_text(half.to_yaml())
    merge(str(tmp_path / "recipe.yml"), tmp_path / "b")
    assert read_bytes(tmp_path / "a") == read_bytes(tmp_path / "b")


@pytest.mark.parametrize(
    "method",
    rest_is_slow(["linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties"], ["slerp", "dare_ties"]),
)
def test_threads_shards_and_runs_change_nothing(tmp_path, family, method):
    models = [{"model": str(m), "parameters": {"weight": w}} for m, w in ((family.ft1, [0.2, 0.9]), (family.ft2, 0.4))]
    data = {"merge_method": method, "models": models, "base_model": str(family.base), "random_seed": 3}
    if method == "slerp":
        data |= {
            "models": [str(family.ft1), str(family.ft2)],
            "base_model": str(family.ft1),
            "parameters": {"t": [0.2, 0.7]},
        }
    elif method not in ("linear", "task_arithmetic"):
        data["parameters"] = {"density": 0.4}
    r = Recipe.of(data)
    outs = [
        read_bytes(merge(r, tmp_path / str(i), threads=threads, max_shard_size=size).path)
        for i, (threads, size) in enumerate([(1, 10**9), (3, 10**9), (1, 5000), (4, 3000), (2, 1)])
    ]
    assert all(out == outs[0] for out in outs[1:])


@pytest.mark.parametrize("more", [{"dtype": "bfloat16"}, {"dtype": "float16"}, {"out_dtype": "float64"}])
def test_the_dtype_that_was_asked_for(tmp_path, half, more):
    result = merge(half.replace(**more), tmp_path / "out")
    dtype = next(iter(more.values()))
    assert {str(t.dtype) for t in read_tensors(tmp_path / "out").values()} == {f"torch.{dtype}"}
    assert Checkpoint.open(result.path).dtype == dtype
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config.get("dtype", config.get("torch_dtype")) == dtype


@pytest.mark.unloadable("its models have a tensor that Llama does not have")
def test_buffers_keep_their_dtype_and_values(tmp_path):
    name = "model.layers.0.self_attn.mask"
    one, two = (make_model(tmp_path / str(i), seed=i, replace={name: torch.tensor([i, 1, 2])}) for i in (0, 1))
    r = Recipe.of(
        {"merge_method": "linear", "models": [str(one), str(two)], "parameters": {"weight": 1}, "dtype": "float16"}
    )
    merge(r, tmp_path / "out")
    out = read_tensors(tmp_path / "out")
    assert torch.equal(out[name], torch.tensor([0, 1, 2]))
    assert out[UP].dtype == torch.float16


def test_sharded_inputs(tmp_path, family, half):
    base, tuned = (
        make_model(tmp_path / name, shards=n, replace=read_tensors(folder))
        for name, n, folder in (("base", 3, family.base), ("ft1", 2, family.ft1))
    )
    moved = Recipe.of({"merge_method": "linear", "models": [str(base), str(tuned)], "parameters": {"weight": 0.5}})
    assert read_bytes(merge(moved, tmp_path / "a").path) == read_bytes(merge(half, tmp_path / "b").path)


# --- files ---


def test_one_file_when_it_fits(tmp_path, half):
    merge(half, tmp_path / "out")
    assert [f.name for f in (tmp_path / "out").glob("*.safetensors*")] == ["model.safetensors"]


def test_a_shard_size_in_words(tmp_path, half):
    out, other = (merge(half, tmp_path / str(size), max_shard_size=size).path for size in ("3KB", 3000))
    assert sorted(f.name for f in out.iterdir()) == sorted(f.name for f in other.iterdir())


@pytest.mark.parametrize("size", [1, 3000, 8000])
def test_shards_have_an_index_and_a_size(tmp_path, half, size):
    out = merge(half, tmp_path / "out", max_shard_size=size).path
    index = json.loads((out / "model.safetensors.index.json").read_text())
    files = sorted(f.name for f in out.glob("*.safetensors"))
    assert files == [f"model-{i:05d}-of-{len(files):05d}.safetensors" for i in range(1, len(files) + 1)]
    assert sorted(set(index["weight_map"].values())) == files
    total = 0
    for file in files:
        with safe_open(out / file, "pt") as f:
            names = list(f.keys())
            assert all(index["weight_map"][n] == file for n in names)
            sizes = [f.get_tensor(n).nbytes for n in names]
        assert sum(sizes) <= size or len(sizes) == 1
        total += sum(sizes)
    assert index["metadata"]["total_size"] == total == 4 * Checkpoint.open(out).parameters


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "5 apples", "0GB"])
def test_an_impossible_shard_size(tmp_path, half, size):
    with pytest.raises(ValueError, match="size"):
        merge(half, tmp_path / "out", max_shard_size=size)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [10**9, 3000])
def test_every_header_carries_the_recipe(tmp_path, slerp, size):
    out = merge(slerp, tmp_path / "out", max_shard_size=size).path
    for file in out.glob("*.safetensors"):
        with safe_open(file, "pt") as f:
            metadata = f.metadata()
        assert metadata["format"] == "pt"
        assert metadata["nbmerge_fingerprint"] == slerp.fingerprint
        assert Recipe.load(metadata["nbmerge_recipe"]) == slerp


def test_the_recipe_file_is_the_same_recipe(tmp_path, slerp):
    out = merge(slerp, tmp_path / "out").path
    back = Recipe.load(out)
    assert back == slerp
    assert back.fingerprint == slerp.fingerprint
    assert (out / RECIPE_FILE).is_file()
    again = merge(back, tmp_path / "again").path
    assert read_bytes(again) == read_bytes(out)


def test_the_card_describes_the_merge(tmp_path, slerp, family):
    out = merge(slerp, tmp_path / "out").path
    text = (out / "README.md").read_text()
    front, body = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()
    assert yaml.safe_load(front)["tags"] == ["merge", "nbmerge"]
    block = re.search(r"```yaml\n(.*?)```", body, re.DOTALL).group(1)
    assert Recipe.load(block) == slerp
    assert slerp.fingerprint in body
    assert str(family.base) in body
    assert "3 layers" in body


def test_the_card_takes_names_as_they_come(tmp_path, monkeypatch, family):
    monkeypatch.chdir(tmp_path)
    names = ["models/plain", "models/a: b", "models/`c`\n## d"]
    for i, name in enumerate(names):
        make_model(tmp_path / name, base=family.base, seed=i)
    r = Recipe.of(
        {"merge_method": "linear", "models": [{"model": {"path": n}} for n in names], "parameters": {"weight": 1}}
    )
    text = (merge(r, tmp_path / "out").path / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert "base_model" not in front  # folders here are no models on the Hub
    assert "\n## d" not in text.replace(r.to_yaml(), "")


def test_tokenizer_and_generation_config_come_from_the_donor(tmp_path, half, family):
    donor = make_model(tmp_path / "donor", base=family.base, seed=9)
    (donor / "tokenizer_config.json").write_text('{"mine": true}')
    (donor / "chat_template.jinja").write_text("{{ messages }}")
    (donor / "modeling_custom.py").write_text("raise SystemExit")
    (donor / "pytorch_model.bin").write_bytes(b"pickle")
    out = merge(half.replace(config_source=str(donor)), tmp_path / "out").path
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (donor / name).read_bytes()
    assert not (out / "modeling_custom.py").exists()
    assert not (out / "pytorch_model.bin").exists()


def test_a_donor_without_a_tokenizer(tmp_path):
    models = [str(make_model(tmp_path / str(i), seed=i, tokenizer=False)) for i in (0, 1)]
    out = merge(
        Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 1}}), tmp_path / "out"
    ).path
    assert Checkpoint.open(out).depth == 3
    assert not (out / "tokenizer.json").exists()


def test_the_result_is_an_input_like_any_other(tmp_path, half, family):
    out = merge(half, tmp_path / "out", max_shard_size=4000).path
    again = Recipe.of({"merge_method": "linear", "models": [str(out), str(out)], "parameters": {"weight": 1}})
    assert read_bytes(merge(again, tmp_path / "again").path) == read_bytes(out)
    assert Checkpoint.open(out).tensors.keys() == Checkpoint.open(family.base).tensors.keys()


def test_inputs_are_never_touched(tmp_path, half, family):
    def state():
        files = [f for m in (family.base, family.ft1) for f in sorted(m.iterdir())]
        return [(f, f.stat().st_mtime_ns, f.read_bytes()) for f in files]

    before = state()
    merge(half, tmp_path / "out")
    assert state() == before


def test_the_result_describes_the_merge(tmp_path, family):
    opposite = {n: -t for n, t in read_tensors(family.base).items()}
    other = make_model(tmp_path / "other", base=family.base, replace=opposite | {UP: torch.zeros(24, 16)})
    r = Recipe.of({"merge_method": "slerp", "models": [str(family.base), str(other)], "parameters": {"t": 0.5}})
    result = merge(r, tmp_path / "out")
    assert result.path == tmp_path / "out"
    assert result.seconds > 0
    assert sorted(result.notes.values()) == [1, 29]
    assert "30 tensors" in repr(result)
    assert "opposite" in repr(result)


def test_many_ways_to_name_a_place(tmp_path, half, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert merge(half, "here").path == tmp_path / "here"
    assert merge(half, "~/home").path == tmp_path / "home"
    assert merge(half, tmp_path / "deep" / "er" / "out").path.is_dir()
    assert merge(half, tmp_path / "a name with spaces, ünïcode").path.is_dir()
