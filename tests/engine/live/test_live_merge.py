"""A merge in memory: the same numbers as on disk, changed only where the recipe changed."""

import threading
from random import Random

import pytest
import torch

from nbmerge.engine.live.live_merge import live
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import MergeStopped, NbmergeError, RecipeError, SampleError, TooLargeError
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


def test_the_saved_model_is_the_one_that_was_sampled(recipe, tmp_path):
    merged = live(recipe)
    changed = recipe.with_parameter("weight", [0, 1], model="ft2")
    merged.update(changed)
    saved = merged.save(tmp_path / "saved")
    written = merge(changed, tmp_path / "written")
    assert {f.name: f.read_bytes() for f in saved.path.iterdir()} == {
        f.name: f.read_bytes() for f in written.path.iterdir()
    }


def test_a_stopped_update_is_completed_by_the_next(recipe, tmp_path):
    merged = live(recipe)
    cancel = threading.Event()
    other = recipe.with_parameter("weight", 0.9, model="ft1")
    with pytest.raises(MergeStopped):
        merged.update(other, cancel=cancel, threads=1, progress=lambda e: cancel.set() if e.tensors_done == 5 else None)
    with pytest.raises(NbmergeError, match="between two recipes"):
        merged.save(tmp_path / "out")
    merged.update(other)
    assert same(merged.model, on_disk(other, tmp_path / "out"))


def test_an_invalid_recipe_leaves_the_model_as_it_is(recipe, tmp_path):
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
    with pytest.raises(SampleError, match="transformers cannot build a model"):
        live(Recipe.of({"merge_method": "passthrough", "models": [str(folder)]}))


def test_no_code_of_a_model_is_run(tmp_path):
    folder = make_model(
        tmp_path / "x", config={"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "evil.Evil"}}
    )
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    with pytest.raises(SampleError):
        live(Recipe.of({"merge_method": "passthrough", "models": [str(folder)]}))
    assert not (tmp_path / "ran").exists()


def test_a_pin_stays_as_it_was_and_shares_what_did_not_change(recipe, tmp_path):
    merged = live(recipe)
    first = merged.pin()
    assert (first.name, merged.pinned_bytes) == ("A", 0)
    middle = recipe.with_parameter("weight", [{"filter": "layers.1.mlp", "value": 0.9}, {"value": 0.5}], model="ft1")
    touched = merged.update(middle).touched
    assert merged.pinned_bytes == sum(merged.plan[n].nbytes for n in touched)
    second = merged.pin("second")
    merged.update(recipe.with_parameter("weight", 0.1))
    assert same(first.model, on_disk(recipe, tmp_path / "out"))
    assert same(second.model, on_disk(middle, tmp_path / "out"))
    assert same(merged.model, on_disk(recipe.with_parameter("weight", 0.1), tmp_path / "out"))
    assert first.tokenizer("ab").input_ids
    assert merged.save(tmp_path / "saved")
    merged.unpin("A")
    assert list(merged.pins) == ["second"]


def test_going_back_to_a_pin_gives_the_same_bytes(recipe):
    merged = live(recipe)
    pin = merged.pin()
    merged.update(recipe.with_parameter("weight", 0.2))
    merged.update(pin.recipe)
    assert all(torch.equal(merged.model.state_dict()[n], w) for n, w in pin.weights.items())


def test_a_pin_survives_a_change_of_shape(recipe, tmp_path):
    merged = live(recipe)
    pin = merged.pin()
    merged.update(recipe.replace(dtype="bfloat16"))
    assert same(pin.model, on_disk(recipe, tmp_path / "out"))
    assert merged.pinned_bytes == pin.nbytes


def test_a_merge_too_large_for_memory_is_refused_first(recipe, monkeypatch):
    with pytest.raises(TooLargeError, match=r"needs .* of memory .*are free. Instead: set dtype: bfloat16") as caught:
        live(recipe, max_memory=10_000)
    assert caught.value.forecast.model_bytes == plan(recipe).bytes_written
    assert "nbmerge.virtual" in str(caught.value)


def test_an_update_waits_until_sampling_ends(recipe):
    merged, order = live(recipe), []
    other = threading.Thread(
        target=lambda: (merged.update(recipe.with_parameter("weight", 0.9)), order.append("updated"))
    )
    with merged.locked():
        other.start()
        order.append("asked")
    other.join()
    assert order == ["asked", "updated"]


def random_recipe(random: Random, family) -> Recipe:
    """Any method of those that people slide, with any numbers, filters and gradients."""
    base, one, two = map(str, (family.base, family.ft1, family.ft2))
    method = random.choice(
        ["linear", "slerp", "task_arithmetic", "ties", "dare_ties", "model_stock", "breadcrumbs", "sce"]
    )

    def amount():
        value = round(random.random(), 2)
        gradient = [round(random.random(), 2) for _ in range(random.randint(2, 4))]
        part = random.choice(["mlp", "self_attn", "layers.1.", "embed_tokens"])
        return random.choice([value, gradient, [{"filter": part, "value": value}, {"value": 0.5}]])

    if method == "slerp":
        return Recipe.of({"merge_method": method, "models": [one, two], "parameters": {"t": amount()}})
    weighted = {m: {"weight": amount()} for m in (one, two)}
    if method in ("ties", "dare_ties", "breadcrumbs"):
        weighted = {m: p | {"density": round(random.uniform(0.1, 0.9), 1)} for m, p in weighted.items()}
    if method in ("model_stock", "sce"):
        weighted = {m: {} for m in weighted}
    parameters = {"normalize": False} if method == "linear" else {}
    models = [{"model": m, "parameters": p} for m, p in weighted.items()]
    data = {"merge_method": method, "models": models, "parameters": parameters}
    return Recipe.of(data if method == "linear" else data | {"base_model": base})


@pytest.mark.parametrize("count", [4, pytest.param(200, marks=pytest.mark.benchmark)])
def test_any_sequence_of_edits_ends_at_a_fresh_merge(family, tmp_path, count):
    for seed in range(count):
        random = Random(seed)
        edits = [random_recipe(random, family) for _ in range(random.randint(2, 5))]
        merged = live(edits[0])
        for edit in [*edits[1:], *edits, random.choice(edits)]:
            merged.update(edit)
        written = merge(merged.recipe, tmp_path / "written", overwrite=True)
        assert same(merged.model, read_tensors(written.path))
        if seed % 5 == 0:
            saved = merged.save(tmp_path / "saved", overwrite=True)
            for file in saved.path.glob("*.safetensors"):
                assert file.read_bytes() == (written.path / file.name).read_bytes()


@pytest.mark.slow
def test_the_fiftieth_repeat_gives_the_same_bytes(family):
    one, two = (random_recipe(Random(s), family) for s in (3, 8))
    merged = live(one)
    first = {n: w.clone() for n, w in merged.model.state_dict().items()}
    for _ in range(50):
        merged.update(two)
        merged.update(one)
    assert all(torch.equal(merged.model.state_dict()[n], w) for n, w in first.items())


def test_scans_are_cached_while_they_are_valid(family, monkeypatch):
    from nbmerge.engine.live import cache

    found = []
    monkeypatch.setattr(cache.FindingCache, "recall", counted(cache.FindingCache.recall, found))
    models = [{"model": str(m), "parameters": {"weight": 0.5, "density": 0.5}} for m in (family.ft1, family.ft2)]
    ties = Recipe.of({"merge_method": "ties", "base_model": str(family.base), "models": models})
    merged = live(ties)
    assert found
    found.clear()
    merged.update(ties.with_parameter("weight", 0.7, model="ft1"))
    assert not found  # thresholds do not depend on weights
    merged.update(ties.with_parameter("density", 0.6, model="ft1"))
    assert found
    found.clear()
    merged.update(ties)
    assert not found  # gone back to


def counted(recall, found):
    def told(self, what, inputs, values, find):
        return recall(self, what, inputs, values, lambda v: (found.append(what), find(v))[1])

    return told


def test_a_parent_that_is_saved_again_is_read_again(tmp_path):
    base = make_model(tmp_path / "base")
    tuned = make_model(tmp_path / "tuned", base=base, seed=1)
    r = Recipe.of({"merge_method": "slerp", "models": [str(base), str(tuned)], "parameters": {"t": 0.4}})
    merged = live(r)
    make_model(tmp_path / "tuned", base=base, seed=2)
    assert merged.update(r).touched
    assert same(merged.model, on_disk(r, tmp_path / "out"))
    assert merged.update(r).touched == ()
