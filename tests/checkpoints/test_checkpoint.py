"""Model folders: what is seen in them without reading a weight, and which are refused."""

import json
from pathlib import Path

import pytest
import torch

from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError, NbmergeError
from nbmerge.recipe import ModelRef
from tests.models import make_model, read_tensors

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path) -> Path:
    return make_model(tmp_path / "tiny", shards=2)


def refused(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(path)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


def rewrite(file: Path, change) -> None:
    """Change a JSON file."""
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


# --- what is seen ---


@pytest.mark.parametrize("kind", [str, Path, lambda p: ModelRef(str(p)), lambda p: {"path": str(p)}])
def test_open_takes_paths_and_references(folder, kind):
    assert Checkpoint.open(kind(folder)).path == folder


def test_facts_of_a_llama(folder):
    c = Checkpoint.open(folder)
    stored = read_tensors(folder)
    assert (c.name, c.architecture, c.depth, c.vocabulary, c.dtype, c.tied) == (
        "tiny",
        "LlamaForCausalLM",
        3,
        32,
        "float32",
        False,
    )
    assert set(c.tensors) == set(stored)
    assert c.parameters == sum(t.numel() for t in stored.values())
    assert c.nbytes == 4 * c.parameters
    assert all(c.tensors[n].shape == tuple(t.shape) for n, t in stored.items())
    assert "tiny" in repr(c)
    assert "3 layers" in repr(c)


def test_one_file_or_several_are_the_same(tmp_path):
    one, several = (Checkpoint.open(make_model(tmp_path / str(n), shards=n)) for n in (1, 4))
    assert {n: t.shape for n, t in one.tensors.items()} == {n: t.shape for n, t in several.tensors.items()}
    assert len({t.file for t in several.tensors.values()}) == 4


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"tied": True}, {"tied": True}),
        ({"architecture": "gpt2"}, {"tied": True, "architecture": "GPT2LMHeadModel", "depth": 3, "vocabulary": 32}),
        ({"architecture": "qwen2"}, {"tied": False, "architecture": "Qwen2ForCausalLM"}),
        ({"dtype": "bfloat16"}, {"dtype": "bfloat16"}),
        ({"dtype": "float16", "layers": 5}, {"dtype": "float16", "depth": 5}),
        ({"vocab": 40}, {"vocabulary": 40}),
        ({"config": {"architectures": None}}, {"architecture": "llama"}),
        ({"config": {"architectures": 5}}, {"architecture": "llama"}),
        ({"config": {"architectures": []}}, {"architecture": "llama"}),
        ({"config": {"num_hidden_layers": 99}}, {"depth": 3}),
    ],
)
def test_facts_of_other_models(tmp_path, options, facts):
    c = Checkpoint.open(make_model(tmp_path / "x", **options))
    assert {name: getattr(c, name) for name in facts} == facts


def test_the_dtype_is_that_of_most_elements(tmp_path):
    norm = {"model.norm.weight": torch.ones(16)}
    assert Checkpoint.open(make_model(tmp_path / "x", dtype="float16", replace=norm)).dtype == "float16"


def test_a_model_that_says_untied_and_has_no_head_is_not_tied(tmp_path):
    assert not Checkpoint.open(make_model(tmp_path / "x", tied=True, config={"tie_word_embeddings": False})).tied


def test_no_weight_is_read(folder, monkeypatch):
    for file in folder.glob("*.safetensors"):  # the headers stay, every weight becomes a hole
        size, header = file.stat().st_size, 8 + int.from_bytes(file.read_bytes()[:8], "little")
        with open(file, "r+b") as f:
            f.truncate(header)
            f.truncate(size)
    c = Checkpoint.open(folder)
    assert (c.depth, c.vocabulary) == (3, 32)


def test_home_and_links_are_resolved(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(folder)
    assert Checkpoint.open("~/tiny").path == folder
    link = Checkpoint.open(tmp_path / "link")
    assert (link.path, link.name) == (folder, "link")


# --- what is refused ---


def test_missing_models_are_refused():
    said = refused("/no/such/folder")
    assert "neither a local folder nor a model in the Hugging Face cache" in said
    assert "hf download some/model" in refused("some/model")


@pytest.mark.parametrize(
    "path", ["a" * 300, "~nobody-of-this-name/model", Path("nul\0byte"), "../" * 3 + "nowhere", "a/b/c/d"]
)
def test_odd_paths(path):
    assert refused(path)


def test_a_file_instead_of_a_folder(folder):
    assert "is a file" in refused(folder / "config.json")


def test_an_empty_folder(tmp_path):
    assert "config.json" in refused(tmp_path)


def test_a_folder_with_a_config_only(folder):
    for file in [*folder.glob("*.safetensors"), folder / INDEX]:
        file.unlink()
    assert "has no weights" in refused(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "consolidated.00.pth"])
def test_weights_of_another_kind_are_not_opened(tmp_path, name):
    make_model(tmp_path / "x")
    (tmp_path / "x" / "model.safetensors").rename(tmp_path / "x" / name)
    said = refused(tmp_path / "x")
    assert name in said
    assert "save_pretrained" in said


def test_an_adapter_folder_is_not_a_model(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    assert "is an adapter" in refused(tmp_path)


def test_adapters_that_are_not_there(folder):
    assert "'some/lora'" in refused(ModelRef(str(folder), None, ("some/lora",)))


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "GPTQ", "fp8", "mxfp4", "compressed-tensors"])
def test_quantised_models(tmp_path, method):
    make_model(tmp_path / "x", config={"quantization_config": {"quant_method": method}})
    said = refused(tmp_path / "x")
    assert "quantised" in said
    assert method in said


def test_missing_shards(folder):
    (folder / "model-00002-of-00002.safetensors").unlink()
    said = refused(folder)
    assert "model-00002-of-00002.safetensors" in said
    assert "1 of its shards" in said


def test_a_truncated_shard(folder):
    file = folder / "model-00002-of-00002.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "model-00002-of-00002.safetensors is truncated" in refused(folder)


def test_a_pointer_instead_of_a_shard(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1234\n"
    (folder / "model-00001-of-00002.safetensors").write_text(pointer)
    assert "model-00001-of-00002.safetensors" in refused(folder)


@pytest.mark.parametrize(
    "name", ["../other/model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", "", ".", "a" * 300, "nul\0"]
)
def test_an_index_that_leaves_the_folder(folder, name):
    (folder.parent / "other").mkdir()
    make_model(folder.parent / "other")
    rewrite(folder / INDEX, lambda d: d["weight_map"].update({"model.norm.weight": name}))
    assert refused(folder)


@pytest.mark.parametrize("weight_map", [None, [], "text", {"a": 5}, {"a": None}, {"a": ["x"]}])
def test_an_index_without_a_usable_map(folder, weight_map):
    rewrite(folder / INDEX, lambda d: d.update(weight_map=weight_map))
    assert "weight_map" in refused(folder)


def test_an_index_that_lists_a_tensor_that_is_not_there(folder):
    rewrite(folder / INDEX, lambda d: d["weight_map"].update({"ghost": "model-00001-of-00002.safetensors"}))
    said = refused(folder)
    assert "ghost" in said
    assert "model-00001-of-00002.safetensors" in said


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "\0", '{"a": ' * 50_000, "[" * 50_000])
@pytest.mark.parametrize("name", ["config.json", INDEX])
def test_json_that_is_damaged(folder, name, text):
    (folder / name).write_text(text)
    assert name in refused(folder)


def test_json_in_an_unknown_encoding_is_refused(folder):
    (folder / "config.json").write_bytes(b"\xff\xfe\x00{}")
    assert "config.json" in refused(folder)


def test_a_model_without_tensors(folder):
    for file in [*folder.glob("*.safetensors"), folder / INDEX]:
        file.unlink()
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert refused(folder)


def test_an_empty_index(folder):
    rewrite(folder / INDEX, lambda d: d.update(weight_map={}))
    assert refused(folder)


def test_the_error_is_what_a_caller_would_guess(tmp_path):
    with pytest.raises(ValueError, match=r"config\.json"):
        Checkpoint.open(tmp_path)
    assert issubclass(CheckpointError, NbmergeError)
