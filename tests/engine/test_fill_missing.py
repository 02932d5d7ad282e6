"""Parts put into the whole: every tensor has its place, the rest is copied, and nothing is lost or guessed."""

import json
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nbmerge.engine.check import check
from nbmerge.engine.fill_missing import fill_missing, fill_recipe
from nbmerge.engine.merge import merge
from nbmerge.engine.planning import plan
from nbmerge.engine.verify import verify
from nbmerge.errors import MergeStopped, RecipeError
from nbmerge.recipe import Recipe
from tests.bare_weights import make_weights
from tests.models import make_model, read_tensors

NAMINGS = {
    "a prefix for all": lambda n: f"language_model.{n}",
    "a prefix after the first component": lambda n: n.replace("model.", "model.language_model.", 1),
    "the same names": lambda n: n,
}
"""What the tensors of a language model are called in a model with vision, by release of transformers."""


def make_whole(folder: Path, part: Path, naming, **more: torch.Tensor) -> Path:
    """A larger model: zeros in place of the part, and a tower of its own."""
    folder.mkdir()
    tensors = {naming(name): torch.zeros_like(tensor) for name, tensor in read_tensors(part).items()}
    tower = {f"vision_tower.layers.{i}.mlp.weight": torch.full((3, 5), 7.0) for i in range(2)}
    save_file(tensors | tower | more, folder / "model.safetensors")
    config = json.loads((part / "config.json").read_text()) | {"architectures": ["Whole"], "model_type": "whole"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("parts") / "part", layers=2)


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_tensor_has_its_place(part, tmp_path, naming):
    rename = NAMINGS[naming]
    whole = make_whole(tmp_path / "whole", part, rename)
    out = fill_missing(part, whole, tmp_path / "out", progress=False, threads=1).path
    made = read_tensors(out)
    assert set(made) == set(read_tensors(whole))
    for name, tensor in read_tensors(part).items():
        assert torch.equal(made[rename(name)], tensor)
    assert made["vision_tower.layers.1.mlp.weight"].eq(7).all()
    assert json.loads((out / "config.json").read_text())["architectures"] == ["Whole"]
    assert (out / "preprocessor_config.json").is_file()
    assert verify(out, derive=True, progress=False).ok


def test_a_merge_is_filled_in_at_once(part, tmp_path):
    other = make_model(tmp_path / "other", base=part, seed=4)
    whole = make_whole(tmp_path / "whole", part, NAMINGS["a prefix for all"])
    models = [{"model": str(m), "parameters": {"weight": w}} for m, w in ((part, [1, 0]), (other, [0, 1]))]
    recipe = Recipe.of({"merge_method": "linear", "models": models, "dtype": "bfloat16", "fill_from": str(whole)})
    assert Recipe.load(recipe.to_yaml()) == recipe
    made = read_tensors(merge(recipe, tmp_path / "out", progress=False, threads=1).path)
    alone = merge(recipe.replace(fill_from=None), tmp_path / "alone", progress=False, threads=1).path
    for name, tensor in read_tensors(alone).items():
        assert torch.equal(made[f"language_model.{name}"], tensor)
    assert made["vision_tower.layers.0.mlp.weight"].dtype == torch.bfloat16
    assert not recipe.to_mergekit().same


def test_a_prefix_decides_between_two_places(part, tmp_path):
    twice = {f"draft.{n}": torch.zeros_like(t) for n, t in read_tensors(part).items()}
    whole = make_whole(tmp_path / "whole", part, NAMINGS["a prefix for all"], **twice)
    name = "model.layers.1.mlp.up_proj.weight"
    assert plan(fill_recipe(part, whole, "language_model"))[f"language_model.{name}"].models == ("part",)
    chosen = plan(fill_recipe(part, whole, "draft"))
    assert chosen[f"draft.{name}"].models == ("part",)
    assert chosen[f"language_model.{name}"].models == ("whole",)


def errors(recipe):
    return " ".join(str(p) for p in check(recipe).problems if p.severity == "error")


def test_what_does_not_fit_is_refused(part, tmp_path):
    deeper = make_model(tmp_path / "deeper", layers=3)
    wider = make_model(tmp_path / "wider", layers=2, intermediate=40)
    whole = make_whole(tmp_path / "whole", part, NAMINGS["a prefix for all"])
    assert "no tensor in the place of model.layers.2" in errors(fill_recipe(deeper, whole))
    assert "shapes differ" in errors(fill_recipe(wider, whole))
    assert "which would be lost" in errors(fill_recipe(part, whole, "vision_tower"))
    assert "bare weights" in errors(fill_recipe(part, make_weights(tmp_path / "a.safetensors")))
    assert "neither" in errors(fill_recipe(part, tmp_path / "nowhere"))
    with pytest.raises(RecipeError, match="would be lost"):
        fill_missing(deeper, whole, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_resumes(part, tmp_path):
    whole = make_whole(tmp_path / "whole", part, NAMINGS["the same names"])
    stop = threading.Event()
    with pytest.raises(MergeStopped):
        fill_missing(
            part, whole, tmp_path / "out", threads=1, cancel=stop, progress=lambda e: e.tensors_done > 4 and stop.set()
        )
    done = []
    fill_missing(part, whole, tmp_path / "out", threads=1, progress=lambda e: done.append(e.tensor))
    assert 0 < len([n for n in done if n]) < len(read_tensors(whole)) - 3
    assert verify(tmp_path / "out", derive=True, progress=False).ok


def test_weights_files(tmp_path):
    """A UNet put into a checkpoint with text encoder and decoder."""
    unet = make_weights(tmp_path / "unet.safetensors")
    inner = {f"model.diffusion_model.{n}": torch.zeros_like(t) for n, t in load_file(unet).items()}
    save_file({**inner, "first_stage_model.w": torch.ones(2)}, tmp_path / "whole.safetensors")
    out = fill_missing(unet, tmp_path / "whole.safetensors", tmp_path / "out.safetensors", progress=False).path
    made = load_file(out)
    assert torch.equal(made["model.diffusion_model.norm"], load_file(unet)["norm"])
    assert made["first_stage_model.w"].eq(1).all()
    assert verify(out, derive=True, progress=False).ok


@pytest.mark.slow
def test_a_language_model_inside_a_model_with_vision(tmp_path):
    """The folder loads in transformers, with the language model that was filled in."""
    from transformers import AutoModelForImageTextToText

    from tests.encoder_decoders import make_llava

    first, second = make_llava(tmp_path / "llava")
    loaded = AutoModelForImageTextToText.from_pretrained(second)
    language = loaded.model.language_model
    tensors = {f"model.{n}": t.contiguous().clone() for n, t in language.state_dict().items()}
    tensors["lm_head.weight"] = loaded.lm_head.weight.detach().clone()
    (tmp_path / "text").mkdir()
    save_file(tensors, tmp_path / "text" / "model.safetensors")
    (tmp_path / "text" / "config.json").write_text(
        json.dumps(language.config.to_dict() | {"architectures": ["LlamaForCausalLM"]})
    )
    result = fill_missing(tmp_path / "text", first, tmp_path / "out", progress=False)
    assert not result.warnings
    made = AutoModelForImageTextToText.from_pretrained(result.path).state_dict()
    one, other = AutoModelForImageTextToText.from_pretrained(first).state_dict(), loaded.state_dict()
    for name, tensor in made.items():
        assert torch.equal(tensor, (other if "language_model" in name or "lm_head" in name else one)[name])


def test_tokens_must_be_those_of_the_whole(part, tmp_path):
    other = make_model(tmp_path / "other", base=part, seed=4)
    whole = make_whole(tmp_path / "whole", part, NAMINGS["the same names"])
    recipe = {
        "merge_method": "linear",
        "models": [str(part), str(other)],
        "parameters": {"weight": 1},
        "fill_from": str(whole),
    }
    assert "vocabulary of its own" in errors(recipe | {"tokenizer": {"source": "union", "pad_to_multiple_of": 8}})
    for file in part.glob("tokenizer*.json"):
        (whole / file.name).write_bytes(file.read_bytes())
    assert check(recipe).ok
    vocabulary = json.loads((whole / "tokenizer.json").read_text())
    words = vocabulary["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    (whole / "tokenizer.json").write_text(json.dumps(vocabulary))
    assert any("different ids for 2 tokens" in p.what for p in check(recipe).problems)
