"""A merge in memory: the same numbers as on disk, changed only where the recipe changed."""

import threading

import pytest
import torch

from nbmerge.engine.live import live
from nbmerge.engine.merge import merge
from nbmerge.errors import MergeStopped, NbmergeError, RecipeError, SampleError
from nbmerge.recipe import Recipe
from tests.models import make_model, read_tensors

UP = "model.layers.{}.mlp.up_proj.weight"


@pytest.fixture
def recipe(family) -> Recipe:
    models = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]
    return Recipe.of({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})


def on_disk(recipe: Recipe, folder) -> dict[str, torch.Tensor]:
    return read_tensors(merge(recipe, folder, overwrite=True).path)


def same(model, tensors: dict[str, torch.Tensor]) -> bool:
    state = model.state_dict()
    return all(torch.equal(state[n], t) for n, t in tensors.items())


def test_the_model_holds_what_a_merge_writes(recipe, tmp_path):
    merged = live(recipe)
    assert same(merged.model, on_disk(recipe, tmp_path / "out"))
    assert not merged.model.training
    assert merged.tokenizer("ab").input_ids
    assert torch.isfinite(merged.model(torch.tensor([[1, 2, 3]])).logits).all()


def test_only_what_changed_is_computed(recipe, tmp_path):
    merged = live(recipe)
    assert merged.update(recipe).touched == ()
    middle = recipe.with_parameter("weight", [{"filter": "layers.1.mlp", "value": 0.9}, {"value": 0.5}], model="ft1")
    update = merged.update(middle)
    assert sorted(update.touched) == sorted(f"model.layers.1.mlp.{p}_proj.weight" for p in ("gate", "up", "down"))
    assert same(merged.model, on_disk(middle, tmp_path / "out"))


def test_many_changes_do_not_add_up(recipe, tmp_path):
    merged = live(recipe)
    for i in range(20):
        merged.update(recipe.with_parameter("weight", i / 20, model="ft1"))
    merged.update(recipe)
    assert same(merged.model, on_disk(recipe, tmp_path / "out"))


def test_another_method_or_shape(recipe, tmp_path, family):
    merged = live(recipe)
    for other in (
        recipe.replace(merge_method="ties", parameters={"density": 0.5}),
        recipe.replace(dtype="bfloat16"),
        Recipe.of(
            {
                "merge_method": "passthrough",
                "slices": [{"sources": [{"model": str(family.ft1), "layer_range": [0, 2]}]}],
            }
        ),
    ):
        merged.update(other)
        assert same(merged.model, on_disk(other, tmp_path / "out"))
        assert merged.recipe == other
    assert merged.model.config.num_hidden_layers == 2


def test_what_was_heard_is_what_is_saved(recipe, tmp_path):
    merged = live(recipe)
    changed = recipe.with_parameter("weight", [0, 1], model="ft2")
    merged.update(changed)
    saved = merged.save(tmp_path / "saved")
    written = merge(changed, tmp_path / "written")
    assert {f.name: f.read_bytes() for f in saved.path.iterdir()} == {
        f.name: f.read_bytes() for f in written.path.iterdir()
    }


def test_a_stopped_update_is_mended_by_the_next(recipe, tmp_path):
    merged = live(recipe)
    cancel = threading.Event()
    other = recipe.with_parameter("weight", 0.9, model="ft1")
    with pytest.raises(MergeStopped):
        merged.update(other, cancel=cancel, threads=1, progress=lambda e: cancel.set() if e.tensors_done == 5 else None)
    with pytest.raises(NbmergeError, match="half-way"):
        merged.save(tmp_path / "out")
    merged.update(other)
    assert same(merged.model, on_disk(other, tmp_path / "out"))


def test_a_recipe_that_cannot_be_leaves_the_model_as_it_is(recipe, tmp_path):
    merged = live(recipe)
    with pytest.raises(RecipeError):
        merged.update(recipe.replace(merge_method="nope"))
    assert merged.recipe == recipe
    assert same(merged.model, on_disk(recipe, tmp_path / "out"))


@pytest.mark.parametrize("options", [{"architecture": "gpt2"}, {"tied": True}])
def test_other_architectures(tmp_path, options):
    base = make_model(tmp_path / "base", **options)
    tuned = make_model(tmp_path / "tuned", base=base, seed=1)
    r = Recipe.of({"merge_method": "slerp", "models": [str(base), str(tuned)], "parameters": {"t": 0.4}})
    merged = live(r)
    assert same(merged.model, on_disk(r, tmp_path / "out"))
    merged.update(r.with_parameter("t", 0.6))
    assert same(merged.model, on_disk(r.with_parameter("t", 0.6), tmp_path / "out"))
    assert merged.model.lm_head.weight is merged.model.get_input_embeddings().weight


def test_models_that_transformers_does_not_know(tmp_path):
    folder = make_model(tmp_path / "x", config={"model_type": "no-such-model", "architectures": ["NoSuchModel"]})
    with pytest.raises(SampleError, match="transformers cannot make a model"):
        live(Recipe.of({"merge_method": "passthrough", "models": [str(folder)]}))


def test_no_code_of_a_model_is_run(tmp_path):
    folder = make_model(
        tmp_path / "x", config={"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "evil.Evil"}}
    )
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    with pytest.raises(SampleError):
        live(Recipe.of({"merge_method": "passthrough", "models": [str(folder)]}))
    assert not (tmp_path / "ran").exists()
