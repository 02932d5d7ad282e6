"""Settings of tokenizers and of generation that no real model has are refused before transformers reads them."""

import json
import time

import pytest

from nbmerge import check, sample
from nbmerge.engine.loading.settings_files import FILES, MOST_IN_LIST, check_settings_files
from nbmerge.errors import CheckpointError, SampleError
from tests.models import make_model

TOKENS = [f"<t{i}>" for i in range(50_000)]
TOO_MUCH = {
    "tokenizer_config.json": {"additional_special_tokens": TOKENS},
    "special_tokens_map.json": {"extra_special_tokens": {"a": [TOKENS]}},
    "added_tokens.json": {f"<t{i}>": i for i in range(60_000)},
    "generation_config.json": {"eos_token_id": [1] * 100_000},
}
NO_IDS = [[[1]], [[]], "\ud83d", "x", ["x"], 2**63, [2**63], {"a": 1}, 1.5, True, [1] * 2_000]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("settings") / "m", layers=1)


@pytest.fixture
def written(folder):
    """Write one of the files for a test."""
    kept = {name: (folder / name).read_bytes() if (folder / name).exists() else None for name in FILES}

    def write(name, data):
        (folder / name).write_text(data if isinstance(data, str) else json.dumps(data))
        return folder

    yield write
    for name, raw in kept.items():
        (folder / name).unlink(missing_ok=True)
        if raw is not None:
            (folder / name).write_bytes(raw)


@pytest.mark.parametrize("name", FILES)
def test_more_than_any_real_model_has(written, name):
    folder = written(name, TOO_MUCH[name])
    sample_fails_soon(folder, name)


@pytest.mark.parametrize("name", FILES)
def test_millions_of_values(written, name):
    folder = written(name, '{"x":[' + "0," * 3_000_000 + "0]}")
    sample_fails_soon(folder, name)


def sample_fails_soon(folder, name):
    start = time.process_time()
    with pytest.raises(CheckpointError, match=name):
        check_settings_files(folder)
    assert time.process_time() - start < 1
    with pytest.raises(SampleError, match=name):
        sample(str(folder), "a", max_new_tokens=1)


def test_real_sizes_pass(written):
    folder = written("tokenizer_config.json", {"additional_special_tokens": TOKENS[:MOST_IN_LIST]})
    written("added_tokens.json", {f"<t{i}>": 40 + i for i in range(20_000)})
    check_settings_files(folder)


@pytest.mark.parametrize("key", ["eos_token_id", "pad_token_id"])
@pytest.mark.parametrize("value", NO_IDS, ids=lambda v: repr(v)[:20])
@pytest.mark.rest_is_slow(keep=8)
def test_what_is_not_a_token_id(written, key, value):
    folder = written("generation_config.json", {key: value})
    with pytest.raises(SampleError) as caught:
        sample(str(folder), "a", max_new_tokens=1)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("text", ['{"x": "\\ud83d"}', '{"\\ud83d": 1}', "[", "[]", "{", '{"a":' * 5_000])
def test_a_lone_surrogate_and_what_is_not_json(written, text):
    folder = written("generation_config.json", text)
    with pytest.raises(SampleError, match=r"generation_config\.json"):
        sample(str(folder), "a", max_new_tokens=1)


@pytest.mark.parametrize("value", [-1, 0, [1, 2], None])
def test_ids_that_real_models_have(written, value):
    assert sample(str(written("generation_config.json", {"eos_token_id": value})), "a", max_new_tokens=1)


@pytest.mark.parametrize("more", [{"tie_word_embeddings": 64}, {"model_type": ["llama"]}, {"model_type": {}}], ids=str)
def test_a_config_that_transformers_refuses_is_a_finding(tmp_path, more):
    folder = make_model(tmp_path / "m", layers=2)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | more))
    slices = [{"sources": [{"model": str(folder), "layer_range": [0, 2]}]}] * 2
    assert check({"merge_method": "passthrough", "slices": slices}).problems
