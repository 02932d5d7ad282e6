"""No model folder gets its own code to run: one module loads models and tokenizers, and it asks nobody for code."""

import ast
import json
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import transformers

import nbmerge as nbm
from nbmerge import demo
from nbmerge.checkpoints import implementations
from nbmerge.engine.loading import pretrained
from nbmerge.errors import SampleError
from tests.models import make_model
from tests.sources import PACKAGE, nodes

LOADERS = {
    "load_with_report",
    "from_pretrained",
    "from_config",
    "for_model",
    "from_file",
    "pipeline",
    "hf_hub_download",
    "snapshot_download",
}
"""What loads models, configs or tokenizers, or fetches them past our checks."""
ALLOWED = {
    "engine/loading/pretrained.py": {"from_pretrained", "for_model", "load_with_report"},
    "engine/loading/dry_load.py": {
        "load_with_report"
    },  # of no folder: a config that was checked, and tensors without data
}
ENTRIES = {
    "load_model": pretrained.load_model,
    "load_tokenizer": pretrained.load_tokenizer,
    "sample": lambda folder: nbm.sample(folder, ["a"], max_new_tokens=1),
    "demo.skills": lambda folder: demo.skills(folder, n=1),
    "live": lambda folder: nbm.live({"merge_method": "passthrough", "models": [{"model": str(folder)}]}),
}


def calls(file: Path, names: set[str] = LOADERS) -> set[str]:
    return {
        name
        for node in nodes(file)
        if isinstance(node, ast.Call) and (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in names
    }


def test_only_one_module_loads():
    found = {f.relative_to(PACKAGE).as_posix(): calls(f) for f in PACKAGE.rglob("*.py")}
    assert {f: c for f, c in found.items() if c} == ALLOWED


def test_no_chat_template_is_rendered():
    """A template is a program that can loop for ever; it is compared and copied as a text."""
    renderers = {"apply_chat_template", "render_jinja_template", "Environment", "SandboxedEnvironment", "from_string"}
    assert not {f.name: c for f in PACKAGE.rglob("*.py") if (c := calls(f, renderers))}
    assert not [f.name for f in PACKAGE.rglob("*.py") if "jinja2" in f.read_text(encoding="utf-8")]


def change(folder: Path, name: str = "config.json", **entries) -> Path:
    file = folder / name
    data = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(data | entries))
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    return make_model(tmp_path / "model", layers=1)


FOREIGN = [{"attn_implementation": "someone/kernel"}, {"_attn_implementation": "someone/kernel"},
     {"attn_implementation": {"": "sdpa", "text_config": "someone/kernel@v1:f"}}, {"experts_implementation": "deepgemm"},
     {"text_config": {"attn_implementation": "someone/kernel"}}, {"layers_config": [{"attn_implementation": "a/b"}]},
     {"attn_implementation": 7}]  # fmt: skip
"""Configs that name a kernel on the Hub; older versions of transformers download and run it."""


@pytest.mark.parametrize("entry", sorted(set(ENTRIES) - {"live"}))  # `live` leaves the entry out, as `merge` does
@pytest.mark.parametrize("config", FOREIGN, ids=str)
def test_foreign_kernels_are_refused(entry, config, model, monkeypatch):
    def loaded(*args, **kwargs):
        raise AssertionError("transformers was asked")

    for cls in (transformers.AutoModelForCausalLM, transformers.AutoTokenizer, transformers.LlamaForCausalLM):
        monkeypatch.setattr(cls, "from_pretrained", loaded)
    change(model, **config)
    with pytest.raises(SampleError, match="foreign code"):
        ENTRIES[entry](model)


@pytest.mark.parametrize("config", FOREIGN, ids=str)
def test_a_merge_leaves_foreign_kernels_out(config, model, tmp_path):
    change(model, **config)
    recipe = {"merge_method": "passthrough", "models": [{"model": str(model)}]}
    assert any("asks for code" in p.what for p in nbm.check(recipe).problems)
    written = nbm.merge(recipe, tmp_path / "out").path
    assert not list(implementations.list_implementations(json.loads((written / "config.json").read_text())))


@pytest.mark.parametrize("value", ["eager", "sdpa", None])
def test_transformers_own_code_may_be_chosen(value, model):
    loaded, missing = pretrained.load_model(change(model, attn_implementation=value, _attn_implementation_autoset=True))
    assert not missing
    assert isinstance(loaded, transformers.LlamaForCausalLM)


def test_a_package_that_is_not_here_is_not_replaced_from_the_hub(model, monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(SampleError, match="needs the package flash_attn"):
        pretrained.load_model(change(model, attn_implementation="flash_attention_2"))


@pytest.mark.parametrize("entry", ["load_model", "sample", "demo.skills", "live"])
def test_code_in_the_folder_does_not_run(entry, model, tmp_path):
    (model / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: pass\n")
    change(model, auto_map={"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Mine"}, model_type="mine")
    with pytest.raises(SampleError):
        ENTRIES[entry](model)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("entry", ["load_tokenizer", "sample", "demo.skills", "live"])
def test_code_of_a_tokenizer_does_not_run(entry, model, tmp_path):
    (model / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: pass\n")
    change(
        model, "tokenizer_config.json", auto_map={"AutoTokenizer": ["mine.Mine", "mine.Mine"]}, tokenizer_class="Mine"
    )
    with suppress(SampleError, KeyError):  # the ordinary tokenizer in the same folder may do
        ENTRIES[entry](model)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("entry", ["load_model", "demo.skills"])
def test_pickled_weights_are_not_loaded_by_transformers(entry, model, tmp_path, monkeypatch):
    (model / "model.safetensors").unlink()
    torch.save({"x": torch.zeros(1)}, model / "pytorch_model.bin")
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "_load_pretrained_model", None, raising=False)
    with pytest.raises(SampleError):
        ENTRIES[entry](model)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", ["tokenizer.json", "chat_template.jinja", "generation_config.json"])
def test_files_elsewhere_are_not_loaded(entry, name, model, tmp_path):
    (tmp_path / "private.json").write_text("{}")
    (model / name).unlink(missing_ok=True)
    (model / name).symlink_to("../private.json")
    with pytest.raises(SampleError, match="outside its folder"):
        ENTRIES[entry](model)


def test_an_architecture_is_a_model_of_transformers(model):
    """Any other name in transformers is not called."""
    plan = nbm.plan(
        {"merge_method": "passthrough", "models": [{"model": str(change(model, architectures=["pipeline"]))}]}
    )
    weights = {t.name: torch.zeros(t.shape) for t in plan.tensors}
    made, missing = pretrained.build_model(plan.config, weights)
    assert isinstance(made, transformers.PreTrainedModel)
    assert not missing
