"""A model in memory is given to nobody while its weights are between two recipes, by whatever way it is asked."""

import gc
import threading
import weakref

import pytest
import torch

import nbmerge
from nbmerge import demo, sampling
from nbmerge.engine.live import virtual_merge as virtual_module
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.live.virtual_merge import virtual
from nbmerge.errors import MergeStopped, NotReadyError, SampleError
from nbmerge.recipe import Recipe
from nbmerge.widgets.state.model_pool import ModelPool

ASKING = {
    "sample": lambda merge, out: nbmerge.sample(merge, "abc", max_new_tokens=1),
    "compare": lambda merge, out: nbmerge.compare({"it": merge}, "abc", max_new_tokens=1),
    "blind_test": lambda merge, out: nbmerge.blind_test({"a": merge, "b": merge}, "abc", max_new_tokens=1),
    "perplexity": lambda merge, out: nbmerge.perplexity(merge, "the fox"),
    "log_probabilities": lambda merge, out: sampling.log_probabilities(merge, "the", [" fox"]),
    "log_odds": lambda merge, out: nbmerge.log_odds(merge, "the", " fox"),
    "measure_routing": lambda merge, out: nbmerge.measure_routing(merge, "the fox"),
    "Perplexity": lambda merge, out: sampling.Perplexity("the fox")(merge),
    "Phrase": lambda merge, out: sampling.Phrase("the", " fox")(merge),
    "ScoreHistory": lambda merge, out: sampling.ScoreHistory({"x": lambda model: 1.0}).evaluate(merge),
    "plan": lambda merge, out: nbmerge.plan(merge.recipe),
    "merge": lambda merge, out: nbmerge.merge(merge.recipe, out),
    "check": lambda merge, out: nbmerge.check(merge.recipe),
    "publish": lambda merge, out: nbmerge.publish(merge.recipe, "someone/model"),
    "measure_merge": lambda merge, out: nbmerge.measure_merge(merge.plan),
    "measure_models": lambda merge, out: nbmerge.measure_models(*merge.recipe.references),
    "verify": lambda merge, out: nbmerge.verify(merge.save(out).path),
    "save": lambda merge, out: merge.save(out),
    "pin": lambda merge, out: merge.pin(),
    "model": lambda merge, out: merge.model,
    "tokenizer": lambda merge, out: merge.tokenizer,
    "locked": lambda merge, out: merge.locked().__enter__(),
    "skills": lambda merge, out: demo.skills(merge),
}  # fmt: skip
"""What gets at a live merge, in every way; `save` and `pin` are only for live ones."""
OTHERS = {
    "Studio",
    "ablate",
    "check_family",
    "choose_backend",
    "compare_tokens",
    "compute_tensors",
    "describe_difference",
    "evaluate",
    "export_page",
    "extract_lora",
    "fill_missing",
    "forecast_live",
    "gather_statistics",
    "live",
    "measure_coefficients",
    "measure_conflicts",
    "measure_spectra",
    "merge_adapters",
    "merge_tensors",
    "moe",
    "sample_grid",
    "search",
    "sensitivity",
    "shuffle_layers",
    "sweep",
    "trace_lineage",
    "transplant",
    "virtual",
}
"""Public names that use no merge in memory: `choose_backend` says whether to update it, and the Studio is tested below."""
LIVE_ONLY = {"save", "pin", "verify"}
NO_MODELS = {
    "Comparison",
    "Loaded",
    "LogOdds",
    "ScoreRecord",
    "Sample",
    "LatestRequest",
    "evaluation_mode",
    "limit_threads",
    "load",
}


@pytest.fixture(scope="module")
def recipe(family) -> Recipe:
    models = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]
    return Recipe.of({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})


@pytest.fixture(scope="module")
def other(recipe) -> Recipe:
    return recipe.with_parameter("weight", 0.9, model="ft1")


def stopped_at(merge, recipe, tensors: int) -> None:
    cancel = threading.Event()
    with pytest.raises(MergeStopped):
        merge.update(
            recipe, cancel=cancel, threads=1, progress=lambda e: cancel.set() if e.tensors_done == tensors else None
        )


@pytest.fixture(scope="module")
def half_live(recipe, other):
    merge = live(recipe)
    merge.pin()
    stopped_at(merge, other, 5)
    return merge


@pytest.fixture(scope="module")
def half_virtual(recipe, other):
    merge = virtual(recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(virtual_module.Blend, "coefficients", property(lambda self: (1.0,), _broken), raising=False)
        with pytest.raises(ZeroDivisionError):
            merge.update(other)
    return merge


def _broken(*_):
    raise ZeroDivisionError


def test_no_public_function_is_left_out():
    names = {*nbmerge.__all__, *sampling.__all__}
    public = {name for name in names if name == "Studio" or not name[0].isupper()} - NO_MODELS
    assert public - set(ASKING) == OTHERS


@pytest.mark.parametrize("name", ASKING)
def test_a_half_updated_live_merge_refuses_alike(half_live, name, tmp_path):
    with pytest.raises(NotReadyError, match=r"live merge .* between two recipes\. Call update with"):
        ASKING[name](half_live, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(set(ASKING) - LIVE_ONLY))
def test_a_half_updated_virtual_merge_refuses_alike(half_virtual, name, tmp_path):
    with pytest.raises(NotReadyError, match=r"virtual merge .* between two recipes\. Call update with"):
        ASKING[name](half_virtual, tmp_path / "out")


@pytest.mark.parametrize("make", [live, virtual])
def test_a_closed_one_refuses_alike(make, recipe, tmp_path):
    with make(recipe) as merge:
        assert merge.recipe == recipe
    for ask in (ASKING["sample"], ASKING["model"], ASKING["plan"], lambda merge, out: merge.update(recipe)):
        with pytest.raises(NotReadyError, match=r"was closed\. Create another one with nbmerge\.(live|virtual)"):
            ask(merge, tmp_path / "out")
    assert "closed" in repr(merge)
    merge.close()


@pytest.mark.slow
def test_its_pins_answer_and_the_next_update_completes_it(recipe, other):
    merge = live(recipe)
    before = nbmerge.sample(merge, "abc", max_new_tokens=4)[0].tokens
    pin = merge.pin()
    stopped_at(merge, other, 5)
    assert "between two recipes" in repr(merge)
    assert nbmerge.sample(pin, "abc", max_new_tokens=4)[0].tokens == before
    assert nbmerge.choose_backend(other, merge).update_seconds > 0  # what to do next may be asked
    merge.update(other)
    assert merge.recipe == other
    fresh = live(other).model.state_dict()
    assert all(torch.equal(fresh[n], w) for n, w in merge.model.state_dict().items())


def test_a_released_pin_stays_valid_where_it_is_referenced(recipe, other):
    merge = live(recipe)
    pin = merge.pin()
    merge.unpin(pin.name)
    weights = {n: w.clone() for n, w in pin.weights.items()}
    merge.update(other)
    assert all(torch.equal(pin.weights[n], w) for n, w in weights.items())
    assert merge.pinned_bytes
    del pin
    gc.collect()
    assert merge.pinned_bytes == 0


def test_an_update_that_runs_out_of_memory_for_a_pin_is_no_merge(recipe, other, monkeypatch):
    """The first tensor is new and holds nothing yet when the second cannot be had."""
    merge = live(recipe)
    merge.pin()
    real, made = torch.empty_like, []

    def empty_like(*arguments, **more):
        made.append(1)
        if len(made) == 2:
            raise MemoryError
        return real(*arguments, **more)

    monkeypatch.setattr(torch, "empty_like", empty_like)
    with pytest.raises(MemoryError):
        merge.update(other)
    monkeypatch.undo()
    with pytest.raises(NotReadyError):
        _ = merge.model
    merge.update(other)
    fresh = live(other).model.state_dict()
    assert all(torch.equal(fresh[n], w) for n, w in merge.model.state_dict().items())


def test_a_virtual_update_that_fails_early_changes_nothing(recipe, other, monkeypatch):
    merge = virtual(recipe)
    monkeypatch.setattr(virtual_module, "build_tokenizer", _refusing)
    monkeypatch.setattr(merge, "_coefficients", _refusing)
    with pytest.raises(SampleError):
        merge.update(other)
    assert merge.recipe == recipe
    monkeypatch.undo()
    with torch.no_grad():
        ids = torch.tensor([[1, 2, 3]])
        assert torch.equal(merge.model(ids).logits, virtual(recipe).model(ids).logits)


def _refusing(*_):
    raise SampleError("no")


def test_the_studio_finishes_what_was_stopped(recipe, other):
    pool, cancel = ModelPool(), threading.Event()
    pool.load_merge(nbmerge.plan(recipe), "live")
    stopped_at(pool.live, other, 5)
    pooled = pool.load_merge(nbmerge.plan(other), "live", cancel)
    assert pooled.model.recipe == other


def test_a_closed_merge_frees_its_memory(recipe):
    merge = live(recipe)
    merge.pin()
    dead = [
        weakref.ref(x)
        for x in (merge.model, merge.workers, merge.workers.mapped, merge.pins["A"], *merge._weights.values())
    ]
    merge.close()
    gc.collect()
    assert [r() for r in dead if r() is not None] == [merge.workers, merge.workers.mapped]  # empty
    del merge
    gc.collect()
    assert dead[1]() is None


def test_one_that_cannot_be_made_leaves_no_worker(recipe, monkeypatch, tmp_path):
    from nbmerge.engine.live import live_merge as live_module

    closed = []
    monkeypatch.setattr(
        live_module.PersistentWorkers,
        "close",
        lambda self, real=live_module.PersistentWorkers.close: (closed.append(1), real(self)),
    )
    monkeypatch.setattr(live_module, "assemble_model", _refusing)
    with pytest.raises(SampleError):
        live(recipe)
    assert closed == [1]
