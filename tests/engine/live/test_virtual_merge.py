"""A merge that is heard without being made: the same text as the saved model's."""

import pytest
import torch
import yaml

from nbmerge.engine.live.backend_choice import choose_backend
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.live.virtual_merge import virtual
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import TooLargeError, VirtualError
from nbmerge.recipe import Recipe
from nbmerge.sampling import sample
from tests.costs import rest_is_slow
from tests.models import Family, make_family, make_model


def recipe(family, method="task_arithmetic", amount=0.6) -> Recipe:
    base, one, two = map(str, (family.base, family.ft1, family.ft2))
    if method in ("slerp", "nuslerp", "linear"):
        sources = [
            {"model": one, "parameters": {"weight": 1 - amount}},
            {"model": two, "parameters": {"weight": amount}},
        ]
        parameters = {"t": [0, amount, 1]} if method == "slerp" else {}
        models = [one, two] if method == "slerp" else sources
        return Recipe.of({"merge_method": method, "models": models, "parameters": parameters})
    models = [{"model": m, "parameters": {"weight": [amount, 1 - amount]}} for m in (one, two)]
    return Recipe.of({"merge_method": method, "base_model": base, "models": models})


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([[1, 5, 9, 4, 20, 7]])).logits


@pytest.mark.parametrize(
    "method", rest_is_slow(["linear", "slerp", "nuslerp", "task_arithmetic", "model_stock"], ["linear", "slerp"])
)
def test_the_same_tokens_as_the_saved_model(family, tmp_path, method):
    virt = virtual(recipe(family, method))
    for amount in (0.1, 1.0):
        r = recipe(family, method, amount)
        virt.update(r)
        saved = merge(r, tmp_path / f"{amount}").path
        for prompt in ("abc", "the fox "):
            texts = [sample(m, prompt, max_new_tokens=6)[0].tokens for m in (virt, saved)]
            assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "options", [{"architecture": "gpt2"}, {"architecture": "qwen2"}, {"tied": True}, {"shards": 3}]
)
@pytest.mark.rest_is_slow(keep=2)
def test_other_architectures(tmp_path, options):
    family = make_family(tmp_path, **options)
    r = recipe(family, "linear", 0.3)
    virt = virtual(r)
    torch.testing.assert_close(logits(virt.model), logits(live(r).model), rtol=1e-4, atol=1e-5)


def test_a_change_reads_no_matrix(family):
    virt = virtual(recipe(family))
    before = {id(p) for p in virt.model.parameters()}
    other = recipe(family).with_parameter(
        "weight", [{"filter": "layers.1.mlp", "value": 0.9}, {"value": 0.5}], model="ft1"
    )
    virt.update(other)
    assert {id(p) for p in virt.model.parameters()} == before
    torch.testing.assert_close(logits(virt.model), logits(live(other).model), rtol=1e-4, atol=1e-5)
    assert virt.update(other).touched == ()
    assert virt.recipe == other


def test_what_one_model_alone_gives_is_exactly_that_model(family):
    r = recipe(family, "linear", 0.0)
    assert torch.equal(logits(virtual(r).model), logits(live(r).model))


def halves(folder) -> Family:
    base = make_model(folder / "base", dtype="bfloat16")
    return Family(base, *(make_model(folder / f"ft{i}", base=base, seed=i, dtype="bfloat16") for i in (1, 2)))


def test_half_precision_is_near(tmp_path):
    family = halves(tmp_path)
    r = recipe(family, "linear", 0.4)
    got, formed = logits(virtual(r).model), logits(live(r).model)
    assert got.dtype == formed.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), formed.float(), rtol=0.05, atol=0.05)


def test_parents_of_another_precision_than_the_result(tmp_path):
    r = recipe(halves(tmp_path), "linear", 0.4).replace(dtype="float32")
    torch.testing.assert_close(logits(virtual(r).model), logits(live(r).model), rtol=1e-4, atol=1e-5)


def test_another_depth_or_order_of_layers(family):
    virt = virtual(recipe(family))
    slices = [
        {"sources": [{"model": str(m), "layer_range": r}]} for m, r in ((family.base, [0, 3]), (family.ft1, [1, 3]))
    ]
    stack = Recipe.of({"merge_method": "passthrough", "slices": slices})
    virt.update(stack)
    torch.testing.assert_close(logits(virt.model), logits(live(stack).model), rtol=1e-4, atol=1e-5)


def test_angles_may_come_from_statistics(family):
    from nbmerge.statistics import measure_models

    r, statistics = recipe(family, "slerp"), measure_models(family.base, family.ft1, family.ft2)
    virt = virtual(r, gram=statistics.gram)
    torch.testing.assert_close(logits(virt.model), logits(live(r).model), rtol=1e-4, atol=1e-5)


def big(tmp_path, **options):
    return make_family(tmp_path, hidden=64, intermediate=1100, layers=1, **options)


def test_methods_that_are_not_sums_are_refused(tmp_path):
    family = big(tmp_path)
    ties = recipe(family).replace(merge_method="ties", parameters={"density": 0.5})
    with pytest.raises(VirtualError, match=r"\.weight is computed by ties.*nbmerge\.live"):
        virtual(ties)
    virt = virtual(recipe(family))
    with pytest.raises(VirtualError, match="computed by ties"):
        virt.update(ties)
    assert virt.recipe == recipe(family)


def sources(*models) -> list[dict]:
    return [{"model": str(m), "parameters": {"weight": 1}} for m in models]


def test_tensors_that_are_computed_themselves_are_refused(tmp_path):
    family = big(tmp_path)
    documents = [
        {"name": "inner", "merge_method": "linear", "models": sources(family.ft1, family.ft2)},
        {"merge_method": "linear", "models": sources("inner", family.base)},
    ]
    r = Recipe.load("---\n".join(map(yaml.safe_dump, documents)))
    assert "themselves computed" in plan(r).virtual_obstacle


def test_modules_that_cannot_be_blended_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.live.virtual_merge.MAX_COMPUTED", 100)
    monkeypatch.setattr("nbmerge.engine.live.virtual_merge._replacement", lambda module: None)
    family = make_family(tmp_path)
    with pytest.raises(
        VirtualError, match=r"embed_tokens\.weight is in a module of type Embedding, which cannot be blended"
    ):
        virtual(recipe(family))


def test_parents_that_are_saved_again_are_read_again(tmp_path):
    family = make_family(tmp_path)
    r = recipe(family, "linear", 1.0)
    virt, held = virtual(r), live(r)
    before = logits(virt.model)
    make_model(family.ft2, base=family.base, seed=77)
    virt.update(r)
    held.update(r)
    assert not torch.equal(logits(virt.model), before)
    assert torch.equal(logits(virt.model), logits(held.model))


def test_the_backend_is_chosen_by_expected_time(tmp_path, family, monkeypatch):
    r = recipe(family, amount=0.5)
    held = live(r)
    small = r.with_parameter("weight", [{"filter": "layers.1.mlp", "value": 0.9}, {"value": 0.5}], model="ft1")
    held.workers.pace = 1.0
    monkeypatch.setattr("nbmerge.engine.live.backend_choice._product", lambda dtype, tokens: 1e-9)
    one = choose_backend(small, held, prompt_tokens=16, new_tokens=40)
    assert one.kind == "live"
    assert "3 of 30 tensors changed" in one.reason
    monkeypatch.setattr("nbmerge.engine.live.backend_choice._product", lambda dtype, tokens: 1e-12)
    whole = choose_backend(recipe(family, amount=0.1), held, prompt_tokens=2, new_tokens=1)
    assert whole.kind == "virtual"
    assert whole.update_seconds > whole.extra_seconds
    assert "tensors changed" in whole.reason
    ties = choose_backend(recipe(big(tmp_path)).replace(merge_method="ties", parameters={"density": 0.5}))
    assert ties.kind == "live"
    assert "not a weighted sum" in ties.reason


def test_the_backend_is_virtual_where_memory_is_short(tmp_path, family, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.cost.live_forecast.available_memory", lambda: 1000)
    assert choose_backend(recipe(family)).kind == "virtual"
    with pytest.raises(TooLargeError, match=r"cannot be virtual.*ties"):
        choose_backend(recipe(big(tmp_path)).replace(merge_method="ties", parameters={"density": 0.5}))
