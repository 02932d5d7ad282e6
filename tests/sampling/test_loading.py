import pytest
import torch
from safetensors.torch import load_file

from nbmerge.errors import CheckpointError, SampleError
from nbmerge.sampling import load, perplexity, sample
from nbmerge.sampling.loading import library_errors
from tests.adapters import Q, make_adapter, modules
from tests.models import make_model, read_tensors


def test_load_keeps_the_stored_dtype_and_is_ready_to_be_asked(tmp_path):
    model, tokenizer = load(make_model(tmp_path / "m", dtype="bfloat16"))
    assert model.dtype == torch.bfloat16
    assert not model.training
    assert tokenizer("ab")["input_ids"] == [4, 5]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.rest_is_slow(keep=3)
def test_load_takes_what_transformers_takes(tmp_path, architecture, shards):
    folder = make_model(tmp_path / "m", architecture=architecture, shards=shards)
    assert len(sample(folder, "abc", max_new_tokens=3)[0].tokens) <= 3


def test_load_puts_adapters_on(tmp_path):
    base = make_model(tmp_path / "m")
    adapter = make_adapter(tmp_path / "a", base, modules(Q), seed=1)
    name, extra = f"{modules(Q)[0]}.weight", load_file(adapter / "adapter_model.safetensors")
    down, up = (extra[f"base_model.model.{modules(Q)[0]}.lora_{x}.weight"] for x in "AB")
    got = load(f"{base}+{adapter}").model.state_dict()[name]
    torch.testing.assert_close(got, read_tensors(base)[name] + 2 * up @ down)
    sample(f"{base}+{adapter}", "abc", max_new_tokens=2)


def test_load_of_pickled_shards(tmp_path):
    folder = make_model(tmp_path / "m")
    tensors = read_tensors(folder)
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    got = load(folder).model.state_dict()
    assert all(torch.equal(t, got[n]) for n, t in tensors.items())


def test_load_of_a_folder_without_a_model(tmp_path):
    with pytest.raises(SampleError, match=r"not a model folder: it has no config\.json"):
        load(tmp_path)


def test_load_of_a_name_that_is_nowhere():
    with pytest.raises(SampleError, match="neither a local folder nor a model in the"):
        load("nobody/nothing")


def test_load_without_a_tokenizer(tmp_path):
    folder = make_model(tmp_path / "m", tokenizer=False)
    with pytest.raises(SampleError, match=r"tokenizer of .* is missing or damaged"):
        load(folder)


def test_load_of_a_damaged_tokenizer(tmp_path):
    folder = make_model(tmp_path / "m")
    (folder / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(SampleError, match=r"tokenizer of .* is missing or damaged"):
        load(folder)


def test_load_of_a_truncated_file(tmp_path):
    folder = make_model(tmp_path / "m")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(SampleError, match=r"model\.safetensors"):
        load(folder)


def test_load_refuses_weights_that_would_be_random(tmp_path):
    folder = make_model(tmp_path / "m", replace={"model.layers.1.mlp.up_proj.weight": None})
    with pytest.raises(
        SampleError,
        match=r"no values for 1 tensor of LlamaForCausalLM \(first: 'model\.layers\.1\.mlp\.up_proj\.weight'",
    ):
        load(folder)


def test_load_passes_errors_of_transformers_on(tmp_path):
    folder = make_model(tmp_path / "m", config={"model_type": "no-such-architecture"})
    with pytest.raises(SampleError, match="transformers cannot load"):
        load(folder)


def test_load_is_silent(tmp_path, capfd, transformers_log):
    load(make_model(tmp_path / "m"))
    assert capfd.readouterr() == ("", "")
    assert not transformers_log.records


def test_errors_of_libraries_become_ours_and_those_of_callers_do_not():
    own = KeyError("theirs")
    with (
        pytest.raises(SampleError, match="It cannot be read: ValueError: deep inside"),
        library_errors("It cannot be read"),
    ):
        raise ValueError("deep inside")
    with pytest.raises(KeyError, match="theirs"), library_errors("It cannot be read", passing=[own]):
        raise own
    with pytest.raises(CheckpointError), library_errors("It cannot be read"):
        raise CheckpointError("ours")
    with pytest.raises(MemoryError), library_errors("It cannot be read"):
        raise MemoryError


def test_errors_of_generation_become_ours(family, monkeypatch):
    def fail(*_, **__):
        raise IndexError("index out of range in self")

    loaded = load(family.base)
    monkeypatch.setattr(type(loaded.model), "forward", fail)
    with pytest.raises(SampleError, match="transformers cannot sample from this model: IndexError: index out"):
        sample(loaded, "abc", max_new_tokens=1)
    with pytest.raises(SampleError, match="transformers cannot score texts with this model: IndexError"):
        perplexity(loaded, "abc def")
