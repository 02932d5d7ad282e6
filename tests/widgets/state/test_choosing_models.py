"""Choosing models: one action each, and the recipe follows."""

from pathlib import Path

import pytest

from nbmerge.widgets.state.studio_state import StudioState
from tests.models import make_family, make_model


def names(state):
    return (Path(state.base).name, [Path(m).name for m in state.models])


def test_from_nothing_to_a_recipe_and_to_nothing_again(deep_family):
    state = StudioState()
    for path in (deep_family.base, deep_family.ft1, deep_family.ft2):
        state.add_model(str(path))
    assert names(state) == ("base", ["ft1", "ft2"])
    assert state.plan.parents == ("base", "ft1", "ft2")
    state.start_over()
    assert (state.recipe, state.plan, state.problems, names(state)) == (None, None, (), ("", []))
    state.undo()
    assert state.plan.parents == ("base", "ft1", "ft2")


def test_a_base_that_is_left_alone_judges_no_old_recipe(state, deep_family):
    """The table and the status must agree where the former models were removed one by one."""
    state.remove_model(state.base)
    assert "base" in {p.kind for p in state.problems}
    for model in state.models:
        state.remove_model(model)
    assert state.recipe is None
    state.add_model(str(deep_family.base))
    assert (state.recipe, state.problems) == (None, ())
    state.add_model(str(deep_family.ft1))
    assert state.plan is not None
    assert state.base == str(deep_family.base)


def test_base_order_and_swap(state, deep_family):
    first, second = map(str, (deep_family.ft1, deep_family.ft2))
    state.make_base(first)
    assert names(state) == ("ft1", ["base", "ft2"])
    assert state.recipe.base_model.name == "ft1"
    state.make_base(str(deep_family.base))
    state.use_method("slerp")
    assert [s.model.name for s in state.recipe.models] == ["ft1", "ft2"]
    state.order_models([second, first])
    assert [s.model.name for s in state.recipe.models] == ["ft2", "ft1"]
    state.clear_base()
    assert state.base == ""


def test_another_family_starts_afresh(state, tmp_path):
    state.edit(lambda recipe: recipe.replace(dtype="float32"))
    state.edit(lambda recipe: recipe.with_parameter("lambda", 0.7))
    own = make_family(tmp_path / "own", layers=3, dtype="bfloat16")
    former = [state.base, *state.models]
    for path in (own.base, own.ft1):
        state.add_model(str(path))
    state.make_base(str(own.base))
    for path in former:
        state.remove_model(path)
    assert state.plan is not None
    assert (state.recipe.dtype, state.recipe.parameters) == (None, {})
    assert names(state) == ("base", ["ft1"])


@pytest.mark.parametrize("method", ["ties", "dare_ties", "della"])
def test_a_density_starts_where_it_has_an_effect(state, method):
    state.use_method(method)
    assert [s.parameters["density"].plain() for s in state.recipe.models] == [0.5, 0.5]


def test_remedies_are_applied_and_undone(state, tmp_path):
    state.add_model(str(make_model(tmp_path / "other", hidden=32, layers=6)))
    (group,) = state.groups
    assert state.groups[0] is group  # nothing is tried again
    state.apply_remedy(0, 0)
    assert state.plan is not None
    assert names(state) == ("base", ["ft1", "ft2"])
    assert state.groups == ()
    state.undo()
    assert state.plan is None


def test_slices_stay_as_they_are(state, deep_family, tmp_path):
    base, first = str(deep_family.base), str(deep_family.ft1)
    sources = [{"sources": [{"model": m, "layer_range": [0, 4]}]} for m in (base, first)]
    state.apply_text(f"merge_method: passthrough\nslices: {sources}\n")
    recipe = state.recipe
    state.add_model(str(make_model(tmp_path / "more", base=base)))
    assert state.recipe == recipe
    state.remove_model(first)
    assert [s.sources[0].model.name for s in state.recipe.slices] == ["base"]
