"""Files beside the weights that a model needs are copied by a rule; weights, code and pickles never are."""

import json

import pytest

from nbmerge.engine.check import check
from nbmerge.engine.merge import merge
from nbmerge.engine.output.companions import companion_names, is_companion
from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe
from tests.models import make_model


@pytest.mark.parametrize("name", ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    "preprocessor_config.json", "video_preprocessor_config.json", "tokenizer.model", "qwen.tiktoken", "source.spm",
    "normalizer.json", "chat_template.jinja", "vocab.bpe.txt", "sentencepiece.bpe.model"])  # fmt: skip
def test_companion_files_are_recognised(name):
    assert is_companion(name)


@pytest.mark.parametrize("name", ["model.safetensors", "modeling_x.py", "tokenization_x.py", "tokenizer.pkl", "training_args.bin",
    "trainer_state.json", "tokenizer.bin", "vocab.pt", "notes.txt", "adapter_config.json", "config.json", ".env"])  # fmt: skip
def test_other_files_are_not_companions(name):
    assert not is_companion(name)


@pytest.fixture
def sentence_model(tmp_path):
    model = make_model(tmp_path / "m")
    modules = [{"path": "", "type": "Transformer"}, {"path": "1_Pooling", "type": "Pooling"}, {"path": "../../etc"}]
    (model / "modules.json").write_text(json.dumps(modules))
    (model / "1_Pooling").mkdir()
    (model / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (model / "1_Pooling" / "pytorch_model.bin").write_bytes(b"x")
    (model / "modeling_x.py").write_text("raise SystemExit")
    return model


def itself(model) -> Recipe:
    return Recipe.of({"merge_method": "linear", "models": [str(model), str(model)], "parameters": {"weight": 1}})


def test_modules_of_sentence_transformers_are_copied_and_may_be_replaced(sentence_model, tmp_path):
    for again in (False, True):
        merge(itself(sentence_model), tmp_path / "out", overwrite=again)
    assert (tmp_path / "out" / "1_Pooling" / "config.json").read_text() == '{"pooling_mode_mean_tokens": true}'
    assert (tmp_path / "out" / "modules.json").is_file()
    names = {p.name for p in (tmp_path / "out").rglob("*")}
    assert not names & {"pytorch_model.bin", "modeling_x.py", "etc"}


def test_missing_weights_of_a_module_are_described(sentence_model, tmp_path):
    report = check(itself(sentence_model))
    assert report.ok
    assert "1_Pooling of m is a module of sentence-transformers with weights" in str(report)
    assert "1_Pooling" in repr(merge(itself(sentence_model), tmp_path / "out"))
    (sentence_model / "1_Pooling" / "pytorch_model.bin").unlink()
    assert "weights of its own" not in str(check(itself(sentence_model)))
    assert merge(itself(sentence_model), tmp_path / "again").warnings == ()


def test_a_module_that_leads_elsewhere_is_not_followed(sentence_model, tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "config.json").write_text('{"secret": 1}')
    (sentence_model / "1_Pooling" / "config.json").unlink()
    (sentence_model / "1_Pooling" / "pytorch_model.bin").unlink()
    (sentence_model / "1_Pooling").rmdir()
    (sentence_model / "1_Pooling").symlink_to(tmp_path / "private")
    merge(itself(sentence_model), tmp_path / "out")
    assert not (tmp_path / "out" / "1_Pooling").exists()


def test_there_is_a_limit_to_their_number(tmp_path):
    for i in range(100):
        (tmp_path / f"tokenizer_{i}.json").touch()
    assert len(companion_names(tmp_path)) == 64


@pytest.mark.parametrize(
    "name", ["pooler.dense.weight", "lm_head.dense.weight", "cls.predictions.transform.dense.weight"]
)
def test_tensors_after_the_last_layer_take_the_last_value_of_a_gradient(name, tmp_path):
    import torch

    extra = {name: torch.ones(4, 4), "projection.in.weight": torch.ones(4, 4)}
    models = [str(make_model(tmp_path / f"m{i}", seed=i, replace=extra)) for i in range(2)]
    made = plan(Recipe.of({"merge_method": "slerp", "models": models, "parameters": {"t": [0, 1]}}))
    assert made[name].values.shared["t"] == 1
    assert made["projection.in.weight"].values.shared["t"] == 0
