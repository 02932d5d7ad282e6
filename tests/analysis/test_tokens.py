"""Tokens under the merge and its parents: the numbers of each model by itself."""

import pytest
import torch

import nbmerge as nbm
from nbmerge.analysis import TokenComparison, compare_tokens
from nbmerge.errors import ArgumentError, SampleError
from nbmerge.plots import to_png
from tests.analysis.conftest import TEXT


def test_numbers_are_those_of_each_model(recipe, family):
    found = compare_tokens(recipe(0.4, "ties"), TEXT)
    assert found.start + "".join(found.tokens) == TEXT
    assert list(found.parents) == ["base", "ft1", "ft2"]
    for label, model in {"merge": nbm.live(recipe(0.4, "ties")), "ft2": family.ft2, "base": family.base}.items():
        assert found.perplexity(label) == pytest.approx(nbm.perplexity(model, TEXT), rel=1e-5)
    live = nbm.live(recipe(0.4, "ties"))
    ids = torch.tensor([live.tokenizer(TEXT)["input_ids"]])
    logs = live.model(ids).logits[0, :-1].double().log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
    assert found.merge == pytest.approx(logs.tolist(), rel=1e-5, abs=1e-6)
    assert to_png(found.plot())


def test_the_closest_parent_of_each_token_is_found():
    found = TokenComparison(
        "a", ("b", "c", "d"), (-1.0, -2.0, -3.0), {"x": (-1.1, -4.0, -1.0), "y": (-0.5, -2.5, -2.5)}
    )
    assert found.closest == ("x", "y", "y")
    assert found.outside == pytest.approx((0.0, 0.5, -0.5))
    assert found.table["outside"].tolist() == pytest.approx([0.0, 0.5, -0.5])


def test_a_parent_with_other_layers_is_left_out(family):
    one, two = str(family.ft1), str(family.ft2)
    pieces = [{"sources": [{"model": m, "layer_range": r}]} for m, r in ((one, [0, 3]), (two, [0, 1]))]
    with pytest.raises(ArgumentError, match="same layers"):
        compare_tokens({"merge_method": "passthrough", "slices": pieces}, TEXT)
    pieces = [{"sources": [{"model": m, "layer_range": r}]} for m, r in ((one, [0, 2]), (two, [2, 3]))]
    found = compare_tokens({"merge_method": "passthrough", "slices": pieces}, TEXT)
    assert found.perplexity("ft2") == pytest.approx(nbm.perplexity(family.ft2, TEXT), rel=1e-5)


def test_the_display_is_escaped():
    found = TokenComparison("<s>", ("<img src=x>", "\n"), (-1.0, -9.0), {'"><b>': (-1.0, -2.0)}, notes=("<i>",))
    html = found._repr_html_()
    assert "&lt;img src=x&gt;" in html
    assert "<img" not in html
    assert "<b>&quot;" not in html
    assert "<i>" not in html
    assert to_png(found.plot())


def test_a_text_without_tokens_to_predict(recipe):
    with pytest.raises(SampleError, match="at least two"):
        compare_tokens(recipe(0.4), "a")
