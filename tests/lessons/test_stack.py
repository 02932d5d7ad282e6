"""The stack of layers: its numbers are those of a merge on disk, its recipe has its slices, and edits can be undone."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import AutoModelForCausalLM

import nbmerge as nbm
from nbmerge import lessons
from nbmerge.errors import ArgumentError
from nbmerge.lessons.stacking import find_runs, list_demo_texts
from tests.widgets.browser import act

MIXED = [("reverser", 0), ("reverser", 1), ("reverser", 1), ("shouter", 2), ("shouter", 3), ("reverser", 7)]


@pytest.fixture(scope="module")
def made():
    stack = lessons.Stack()
    yield stack
    stack.close()


@pytest.fixture
def stack(made):
    """The stack as it is at first."""
    first = made.view.value
    yield made
    if made.view.content["can_undo"]:
        act(made.view, "undo")
    if made.view.value != first:
        made.set(layers=first)


@pytest.mark.slow
def test_losses_are_those_of_the_merged_model(stack, tmp_path):
    stack.set(layers=MIXED)
    nbm.merge(stack.recipe, tmp_path / "merged")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    tokenizer = nbm.sampling.load(tmp_path / "merged").tokenizer
    for name, pairs in list_demo_texts().items():
        logs = []
        for prompt, text in pairs:
            ids = torch.tensor([tokenizer(prompt + text)["input_ids"]])
            begin = len(tokenizer(prompt)["input_ids"])
            with torch.no_grad():
                rows = model(ids).logits[0, begin - 1 : -1].log_softmax(-1)
            logs.append(rows.gather(1, ids[0, begin:, None]))
        assert stack.measured.losses[name] == pytest.approx(-torch.cat(logs).mean().item(), abs=1e-5)
    assert stack.measured.parameters == sum(p.numel() for p in model.parameters())
    assert model.config.num_hidden_layers == len(MIXED)
    assert stack.measured.guess == pytest.approx(math.log(model.config.vocab_size))


def test_runs_of_layers_are_slices(stack):
    stack.set(layers=MIXED)
    slices = [(s.model.name, s.layer_range) for piece in stack.recipe.slices for s in piece.sources]
    assert slices == [
        ("reverser", (0, 2)), ("reverser", (1, 2)), ("shouter", (2, 4)), ("reverser", (7, 8)),
    ]  # fmt: skip
    assert "layer_range: [2, 4]" in stack.view.content["recipe"]
    assert find_runs([]) == []
    assert stack.description.startswith("6 layers: reverser 0–1, reverser 1, shouter 2–3, reverser 7. Loss per token: ")


def test_a_whole_model_has_the_skills_of_that_model(stack):
    whole = stack.builder.whole
    assert whole["reverser"].losses["reverse"] < 0.1 < 1 < whole["reverser"].losses["upper"]
    stack.set(layers=whole["shouter"].layers)
    assert stack.measured == whole["shouter"]


@pytest.mark.slow
def test_what_the_browser_arranges_is_measured_and_can_be_undone(stack):
    before, picture = stack.view.value, stack.picture.value
    act(stack.view, "arrange", layers=[[0, 0], [1, 7]])
    assert stack.view.value == (("reverser", 0), ("shouter", 7))
    assert stack.view.content["layers"] == [[0, 0], [1, 7]]
    assert stack.view.content["summary"].startswith("2 layers · ")
    assert stack.picture.value != picture
    act(stack.view, "undo")
    assert stack.view.value == before
    assert stack.picture.value == picture
    assert not stack.view.content["can_undo"]


@pytest.mark.parametrize("layers", [[], [[0, 8]], [[2, 0]], [[0, 0]] * 65])
@pytest.mark.rest_is_slow(keep=2)
def test_what_cannot_be_stacked_leaves_the_stack_as_it_was(stack, layers):
    before = stack.view.value
    act(stack.view, "arrange", layers=layers)
    assert "nbm-error" in stack.errors.value
    assert stack.view.value == before
    assert not stack.view.content["can_undo"]
    act(stack.view, "arrange", layers=[[0, 0]])
    assert stack.errors.value == ""


def test_layers_that_a_model_does_not_have_are_refused_in_python(stack):
    before = stack.view.value
    with pytest.raises(ArgumentError, match=r"no layer 8 of 'reverser'.*reverser 0 to 7, shouter 0 to 7"):
        stack.set(layers=[("reverser", 8)])
    assert stack.view.value == before


def test_without_a_kernel_the_picture_has_the_layers(stack):
    html = stack._repr_mimebundle_()["text/html"]
    assert stack.picture.value not in html
    assert 'src="data:image/png;base64,' in html
    assert stack.description in html


def test_a_stack_needs_two_models():
    reverser = nbm.demo.family().experts["reverser"]
    with pytest.raises(ArgumentError, match="two different models"):
        lessons.Stack(reverser, reverser)
