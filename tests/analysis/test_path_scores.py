"""Scores along paths are those of separate merges, and say how they were computed."""

import math
import threading
from pathlib import Path

import pytest
import torch

import nbmerge as nbm
from nbmerge.analysis import Divergence, layerwise, sweep
from nbmerge.engine.live import LayeredModel
from nbmerge.errors import ArgumentError, MergeError, MergeStopped, SampleError, TooLargeError, VirtualError
from nbmerge.sampling import Perplexity, Phrase
from nbmerge.sampling.scores import JointPerplexity
from tests.analysis.conftest import TEXT
from tests.costs import rest_is_slow
from tests.models import make_family, write_tokenizer

SCORES = {"text": TEXT, "texts": [TEXT, "a lion."], "odds": Phrase("the ", "fox", "lion")}


@pytest.mark.parametrize("method", rest_is_slow(["linear", "slerp", "ties", "task_arithmetic"], ["slerp", "ties"]))
def test_scores_are_those_of_separate_merges(recipe, method):
    result = sweep(recipe(0.0, method), recipe(0.8, method), points=3, scores=SCORES)
    assert result.fallback == ""
    assert result.table["t"].tolist() == [0.0, 0.5, 1.0]
    for point, amount in enumerate((0.0, 0.4, 0.8)):
        assert result.recipes[point] == recipe(amount, method)
        separate = nbm.live(recipe(amount, method))
        expected = (
            nbm.perplexity(separate, TEXT), JointPerplexity((TEXT, "a lion."))(separate), SCORES["odds"](separate),
        )  # fmt: skip
        assert [result.values[name][point] for name in SCORES] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", ["linear", "task_arithmetic"])
def test_weights_of_several_points_are_computed_together_where_there_is_room(recipe, method, monkeypatch):
    prepared, prepare = [], LayeredModel.prepare
    monkeypatch.setattr(LayeredModel, "prepare", lambda self, v, c: prepared.append(len(v)) or prepare(self, v, c))
    together = sweep(recipe(0.0, method), recipe(1.0, method), points=6, scores=TEXT, progress=False)
    assert prepared[:2] == [4, 2]  # of the first part
    monkeypatch.setattr(layerwise, "find_room", lambda *_: 0)
    prepared.clear()
    assert together.values == sweep(
        recipe(0.0, method), recipe(1.0, method), points=6, scores=TEXT, progress=False
    ).values  # fmt: skip
    assert not prepared


@pytest.mark.parametrize("options", [{"architecture": "gpt2"}, {"architecture": "qwen2"}, {"tied": True, "shards": 2}])
@pytest.mark.rest_is_slow(keep=1)
def test_other_architectures(tmp_path, options):
    family = make_family(tmp_path, **options)
    one, two = ({"merge_method": "slerp", "models": [str(family.ft1), str(family.ft2)], "parameters": {"t": t}}
                for t in (0.1, 0.7))  # fmt: skip
    result = sweep(one, two, points=2, scores=TEXT)
    assert result.fallback == ""
    expected = [nbm.perplexity(nbm.live(r), TEXT) for r in (one, two)]
    assert result.values["perplexity"] == pytest.approx(expected, rel=1e-5)


def test_a_long_text_is_read_in_the_windows_of_perplexity(recipe):
    result = sweep(recipe(0.2), recipe(0.6), points=2, scores=4 * TEXT)  # the context is 64 tokens
    assert result.values["perplexity"][1] == pytest.approx(nbm.perplexity(nbm.live(recipe(0.6)), 4 * TEXT), rel=1e-5)
    assert result.notes == (
        "perplexity: a text of more than 64 tokens is read in windows that overlap, 5 in all, as by nbmerge.perplexity.",
    )
    with pytest.raises(SampleError, match=r"tokens; the model's context is 64. Shorten the prompt"):
        sweep(recipe(0.2), recipe(0.6), points=2, scores=Phrase(4 * TEXT, "fox", "lion"))


@pytest.mark.slow
def test_weights_that_are_fused_on_loading_are_updated_in_a_live_merge(tmp_path):
    from transformers import MixtralConfig, MixtralForCausalLM

    folders = [str(tmp_path / name) for name in "ab"]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
        config = MixtralConfig(vocab_size=32, num_key_value_heads=2, num_local_experts=2, **sizes)
        MixtralForCausalLM(config).save_pretrained(folder)
        write_tokenizer(Path(folder), 32)
    ends = [{"merge_method": "slerp", "models": folders, "parameters": {"t": t}} for t in (0.0, 1.0)]
    result = sweep(*ends, points=2, scores=TEXT, progress=False)
    assert "fuses or reshapes weights on loading" in result.fallback
    assert result.values["perplexity"] == pytest.approx([nbm.perplexity(folder, TEXT) for folder in folders], rel=1e-5)


@pytest.mark.slow
def test_on_a_device_layers_are_copied_there_and_scores_are_the_same(recipe, monkeypatch):
    """The processor in the part of the device: weights are staged, and what is not loaded takes no memory."""
    plain = sweep(recipe(0.0), recipe(1.0), points=3, scores=SCORES | {"kl": Divergence(TEXT)})
    slopes = nbm.sensitivity(recipe(0.4), TEXT).table
    monkeypatch.setattr("nbmerge.engine.live.layered_model.find_device", lambda name: torch.device("cpu"))
    there = sweep(recipe(0.0), recipe(1.0), points=3, scores=SCORES | {"kl": Divergence(TEXT)}, device="cuda")
    assert there.fallback == ""
    assert there.values == plain.values
    assert nbm.sensitivity(recipe(0.4), TEXT, device="cuda").table.equals(slopes)


def test_a_device_that_is_not_there(recipe):
    with pytest.raises(MergeError, match="device 'cuda:99' is not available"):
        sweep(recipe(0.0), recipe(1.0), points=2, scores=TEXT, device="cuda:99")
    with pytest.raises(MergeError, match="device 'cuda:99' is not available"):
        nbm.compare_tokens(recipe(0.0), TEXT, device="cuda:99")


def test_recipes_with_different_filters_are_blended_tensor_by_tensor(recipe):
    first = recipe(0.4)
    second = nbm.ablate(first, "ft1", TEXT, progress=False).recipe(1, "mlp").with_parameter("weight", [0.1, 0.9], "ft2")
    result = sweep(first, second, points=4, scores=TEXT)
    assert (result.recipes[0], result.recipes[3]) == (first, second)
    ends = [nbm.plan(r) for r in (first, second)]
    for t, middle in ((1 / 3, result.recipes[1]), (2 / 3, result.recipes[2])):
        for a, b, own in zip(ends[0].tensors, ends[1].tensors, nbm.plan(middle).tensors, strict=True):
            expected = [
                (1 - t) * x + t * y for x, y in zip(a.values.each["weight"], b.values.each["weight"], strict=True)
            ]
            assert own.values.each["weight"] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ArgumentError, match="There is no path between these recipes"):
        sweep(first, recipe(0.3, "ties"), points=3, scores=TEXT)


def test_a_function_of_a_model_is_called_on_live_updates(recipe):
    result = sweep(recipe(0.0), recipe(1.0), points=3, scores={"text": TEXT, "mine": Perplexity(TEXT).__call__})
    assert "'mine' is a function" in result.fallback
    assert "by live updates" in repr(result)
    assert result.values["mine"] == pytest.approx(result.values["text"], rel=1e-6)


def test_an_architecture_that_is_not_a_chain_of_layers(recipe, monkeypatch):
    expected = sweep(recipe(0.0), recipe(1.0), points=2, scores=SCORES).values

    def refuse(plan, threads=None, device=None):
        raise VirtualError("The layers share a state.")

    monkeypatch.setattr("nbmerge.analysis.measure.LayeredModel", refuse)
    result = sweep(recipe(0.0), recipe(1.0), points=2, scores=SCORES | {"kl": Divergence(TEXT)})
    assert result.fallback == "The layers share a state."
    assert result.values["kl"][0] == 0
    assert result.values["kl"][1] > 0
    assert all(result.values[name] == pytest.approx(expected[name], rel=1e-6) for name in SCORES)


def test_a_failing_score_is_a_note_and_everywhere_an_error(recipe):
    calls = iter(range(10))

    def shaky(model):
        return 1 / (next(calls) - 1)

    result = sweep(recipe(0.0), recipe(1.0), points=3, scores={"shaky": shaky})
    assert math.isnan(result.values["shaky"][1])
    assert result.values["shaky"][2] == 1
    assert "point 1: ZeroDivisionError" in result.notes[0]
    with pytest.raises(SampleError, match=r"never works.*Correct this score"):
        sweep(recipe(0.0), recipe(1.0), points=2, scores={"x": _raise})


def _raise(model):
    raise ValueError("never works")


def test_a_plane_of_two_parameters(recipe):
    origin, other = recipe(0.5, "task_arithmetic"), recipe(0.5, "task_arithmetic")
    models = [m.model for m in origin.models]
    x = other.with_parameter("weight", 0.9, models[0])
    y = other.with_parameter("weight", 0.1, models[1])
    result = sweep(origin, x, points=3, scores=TEXT, plane=y)
    assert result.is_plane
    assert " at x = " in repr(result)
    assert result.along == ("weight of ft1 0.5 → 0.9", "weight of ft2 0.5 → 0.1")
    assert len(result.recipes) == 9
    middle = result.recipes[4]
    assert [m.parameters["weight"].plain() for m in middle.models] == pytest.approx([0.7, 0.3])
    corner = [m.parameters["weight"].plain() for m in result.recipes[8].models]
    assert corner == pytest.approx([0.9, 0.1])  # both parameters at their ends
    assert result.values["perplexity"][4] == pytest.approx(nbm.perplexity(nbm.live(middle), TEXT), rel=1e-5)
    with pytest.raises(ArgumentError, match="no barrier"):
        result.barrier()


def test_gradients_of_different_lengths_meet(recipe):
    one = recipe(0.0, "slerp").with_parameter("t", [0, 1])
    two = recipe(0.0, "slerp").with_parameter("t", [1, 0, 1, 0])
    assert sweep(one, two, points=3, scores=TEXT).recipes[1].parameters["t"].plain() == pytest.approx(
        [0.5, 1 / 6, 5 / 6, 0.5]
    )


def test_the_barrier_is_the_height_above_the_line():
    def scores(values, lower):
        positions = tuple((i / 4,) for i in range(5))
        return nbm.analysis.PathScores((None,) * 5, positions, {"s": values}, {"s": lower})

    found = scores((1.0, 2.0, 5.0, 4.0, 3.0), True).barrier()
    assert (found.height, found.at) == (3.0, 0.5)
    found = scores((1.0, 2.0, 1.0, 0.5, 3.0), False).barrier()
    assert (found.height, found.at) == (2.0, 0.75)
    assert scores((3.0, 1.0, 1.0, 1.0, 3.0), True).barrier().height == 0
    assert str(scores((1.0, 2.0, 2.0, 2.0, 1.0), False).barrier().height) == "0.0"  # not -0.0


def test_recipes_that_differ_in_more_than_numbers(recipe, family):
    with pytest.raises(ArgumentError, match="There is no path between these recipes"):
        sweep(recipe(0.0), recipe(0.0).replace(merge_method="nuslerp"), scores=TEXT)
    for none in ({}, ()):
        with pytest.raises(ArgumentError, match="scores is empty"):
            sweep(recipe(0.0), recipe(1.0), scores=none)
    for empty in ("", ["a fox", " "]):
        with pytest.raises(ArgumentError, match=r"'perplexity' has an empty text. Pass texts of at least two tokens"):
            sweep(recipe(0.0), recipe(1.0), scores=empty)
    with pytest.raises(SampleError, match=r"has one token, and at least two are needed"):
        sweep(recipe(0.0), recipe(1.0), scores="a")


def test_it_is_refused_before_memory_is_taken_and_can_be_stopped(recipe, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.cost.requirements.available_memory", lambda: 1000)
    with pytest.raises(TooLargeError, match="fewer points or shorter texts"):
        sweep(recipe(0.0), recipe(1.0), scores=TEXT)
    monkeypatch.undo()
    stop = threading.Event()
    kinds = []

    def listen(event):
        kinds.append(event.kind)
        if event.tensor == "layer 0":
            stop.set()

    with pytest.raises(MergeStopped):
        sweep(recipe(0.0), recipe(1.0), scores=TEXT, progress=listen, cancel=stop)
    assert kinds[0] == "planned"
    assert kinds[-1] == "stopped"
