from __future__ import annotations

import sys
import warnings
from importlib.metadata import EntryPoint

import pytest
import torch

from nbmerge.engine.planning.planner import examine, plan
from nbmerge.methods import Combination, Elementwise, Parameter, combination, elementwise, methods
from nbmerge.methods.framework import registry
from nbmerge.recipe import Recipe
from tests.methods.apply import family as relatives
from tests.methods.apply import merged


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Methods registered by a test are gone after it."""
    methods()
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))


def test_a_combination_from_a_function():
    @combination(inputs=(2, 2), base="first")
    def halfway(*, t=0.5):
        """Goes straight from one model to the other."""
        return [1 - t, t]

    assert isinstance(halfway, Combination)
    assert not halfway.needs_gram
    assert (halfway.title, halfway.words) == ("Halfway", "Goes straight from one model to the other.")
    assert halfway.parameter("t").default == 0.5
    base, own = relatives((4, 5), 1)
    torch.testing.assert_close(merged("halfway", [base, own], {"t": 0.25}), torch.lerp(base, own, 0.25))


def test_a_combination_that_asks_for_the_gram_matrix_gets_it():
    @combination
    def unit_sum(values, gram):
        return [1.0] * len(gram)

    assert unit_sum.needs_gram
    tensors = relatives((4, 5), 2)
    torch.testing.assert_close(merged("unit_sum", tensors), sum(tensors))


def test_an_element_wise_method_from_a_function():
    @elementwise(base="required", inputs=(2, 2), parameters=(Parameter("weight", "Share.", scope="input"),))
    def capped(inputs, values, *, limit=0.01, whole=False):
        base, other = inputs
        change = (other - base) * values.each["weight"][1]
        return base + (change if whole else change.clamp(-limit, limit))

    assert isinstance(capped, Elementwise)
    assert [(p.name, p.kind) for p in capped.parameters] == [
        ("weight", "number"),
        ("limit", "number"),
        ("whole", "flag"),
    ]
    base, own = relatives((4, 5), 1)
    expected = base + (0.5 * (own - base)).clamp(-0.02, 0.02)
    torch.testing.assert_close(merged("capped", [base, own], {"weight": 0.5, "limit": 0.02}), expected)


def test_a_registered_method_is_known_to_recipes_at_once(family):
    source = {"merge_method": "sum_of_two", "models": [str(family.ft1), str(family.ft2)], "parameters": {"share": 0.5}}
    assert examine(Recipe.of(source))[0] is None

    @combination(inputs=(2, 2))
    def sum_of_two(*, share):
        return [share, share]

    assert {t.method for t in plan(Recipe.of(source)).tensors} == {"sum_of_two"}
    assert examine(Recipe.of(source | {"parameters": {}}))[0] is None  # no default, so it must be given


def test_the_same_name_replaces():
    @combination(name="linear")
    def mine():
        return [1.0]

    assert methods()["linear"] is mine


def test_an_argument_that_no_method_is_given_is_named():
    with pytest.raises(TypeError, match=r"takes strength.*keyword-only"):

        @combination
        def wrong(values, strength):
            return []


def load_packages(monkeypatch, entries) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == "nbmerge.methods" else [])
    registry._load_packages.cache_clear()
    monkeypatch.setattr(registry, "_load_packages", registry._load_packages.__wrapped__)


def test_packages_add_methods_through_an_entry_point(monkeypatch, tmp_path):
    code = (
        "from nbmerge.methods import Combination\nTheirs = Combination(name='theirs', title='', words='', formula='', "
    )
    (tmp_path / "their_merges.py").write_text(code + "reference='', coefficients=lambda values, gram: [1.0])\n")
    monkeypatch.syspath_prepend(tmp_path)
    load_packages(monkeypatch, [EntryPoint("theirs", "their_merges:Theirs", "nbmerge.methods")])
    assert "theirs" in methods()
    sys.modules.pop("their_merges")


def test_a_broken_package_is_named_and_the_other_methods_stay(monkeypatch):
    load_packages(monkeypatch, [EntryPoint("broken", "no_such_module_here", "nbmerge.methods")])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert "linear" in methods()
    assert "no_such_module_here" in str(caught[0].message)
