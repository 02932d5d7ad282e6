"""Derivatives agree with differences between merges."""

import threading
from dataclasses import replace

import pytest

import nbmerge as nbm
from nbmerge.analysis import sensitivity
from nbmerge.analysis.measure import measure_plans, read_scores
from nbmerge.analysis.parents import with_tensors
from nbmerge.errors import ArgumentError, MergeStopped
from nbmerge.plots import to_png
from nbmerge.sampling import Phrase
from tests.analysis.conftest import TEXT
from tests.models import make_family

STEP = 2e-3


def moved(plan, row, by):
    """A plan in which one number of a layer and kind is changed."""
    tensors = {}
    for t in plan.tensors:
        layer = None if str(row.layer) == "<NA>" else row.layer
        if (t.layer, t.kind) != (layer, row.kind):
            continue
        if row.model is None:
            values = replace(t.values, shared={**t.values.shared, row.parameter: t.values.shared[row.parameter] + by})
        else:
            i, old = t.models.index(row.model), t.values.each[row.parameter]
            values = replace(t.values, each={**t.values.each, row.parameter: (*old[:i], old[i] + by, *old[i + 1 :])})
        tensors[t.name] = replace(t, values=values)
    return with_tensors(plan, tensors)


@pytest.mark.parametrize(
    ("method", "options", "score"),
    [
        ("linear", {}, TEXT),
        ("task_arithmetic", {"tied": True}, Phrase("the ", ["fox", "a"], "lion")),
        ("slerp", {"architecture": "gpt2"}, [TEXT, 3 * TEXT]),
    ],
)
@pytest.mark.rest_is_slow(keep=2)
def test_derivatives_agree_with_finite_differences(tmp_path, method, options, score):
    family = make_family(tmp_path, dtype="float64", **options)
    models = [{"model": str(m), "parameters": {} if method == "slerp" else {"weight": w}}
              for m, w in ((family.ft1, 0.7), (family.ft2, 0.4))]  # fmt: skip
    data = {"merge_method": method, "models": models, "parameters": {"t": 0.4} if method == "slerp" else {}}
    plan = nbm.plan(data | ({"base_model": str(family.base)} if method == "task_arithmetic" else {}))
    found = sensitivity(plan, score)
    rows = [r._replace(model=r.model if isinstance(r.model, str) else None) for r in found.table.itertuples()]
    plans = [plan, *(moved(plan, row, sign * STEP) for row in rows for sign in (1, -1))]
    values = measure_plans(plans, read_scores({"s": score})).values["s"]
    assert found.score == pytest.approx(values[0], rel=1e-6)
    differences = [(up - down) / (2 * STEP) for up, down in zip(values[1::2], values[2::2], strict=True)]
    scale = max(map(abs, differences))
    assert scale > 0
    assert [row.derivative for row in rows] == pytest.approx(differences, rel=1e-3, abs=1e-3 * scale)
    assert {row.kind for row in rows} >= {"attention", "mlp", "rest", "embedding"}


@pytest.mark.slow
def test_the_direction_that_helps_is_that_of_the_score(recipe):
    text = sensitivity(recipe(0.4), TEXT)
    for derivative, helps in zip(text.table["derivative"], text.table["helps"], strict=True):
        assert helps == ("down" if derivative > 0 else "up")  # a perplexity: lower is better
    assert text.table["model"].unique().tolist() == ["ft1", "ft2"]
    assert to_png(text.plot())
    assert "ft2" in text._repr_html_()


def test_methods_that_are_not_weighted_sums_and_stopping(recipe):
    with pytest.raises(ArgumentError, match="ties element by element"):
        sensitivity(recipe(0.4, "ties"), TEXT)
    with pytest.raises(ArgumentError, match="score of tokens"):
        sensitivity(recipe(0.4), lambda model: 1.0)
    with pytest.raises(ArgumentError, match="one score, not several by name"):
        sensitivity(recipe(0.4), {"story": TEXT})
    stop = threading.Event()
    stop.set()
    with pytest.raises(MergeStopped):
        sensitivity(recipe(0.4), TEXT, cancel=stop)
