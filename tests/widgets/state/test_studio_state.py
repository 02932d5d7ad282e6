import pytest

from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe
from nbmerge.sampling import ScoreRecord
from nbmerge.widgets.state.studio_state import StudioState
from tests.models import make_family


def test_everything_follows_from_the_recipe(state, recipe):
    assert state.recipe == recipe
    assert state.plan.recipe == recipe
    assert state.problems == ()
    assert Recipe.load(state.text).fingerprint
    assert [state.base, *state.models] == [str(r) for r in (recipe.base_model, *recipe.references[:2])]


def test_observers_of_revision_see_a_state_that_fits_together(state):
    seen = []
    state.observe(lambda change: seen.append((state.recipe == state.plan.recipe, state.can_undo)), "revision")
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert seen == [(True, True)]


def test_undo_and_redo_walk_the_history(state, recipe):
    for value in (0.5, 0.6):
        state.edit(lambda r, value=value: r.with_parameter("lambda", value))
    state.undo()
    state.undo()
    assert state.recipe == recipe
    assert not state.can_undo
    state.undo()  # at the start nothing happens
    state.redo()
    assert state.plan.tensors[0].values["lambda"] == 0.5
    state.edit(lambda r: r.with_parameter("lambda", 0.9))
    assert not state.can_redo


def test_one_drag_is_one_step(state, recipe):
    for value in (0.1, 0.2, 0.3):
        state.edit(lambda r, value=value: r.with_parameter("lambda", value), tag="lambda")
    state.undo()
    assert state.recipe == recipe


def test_a_drag_after_a_rest_is_another_step(state, monkeypatch):
    monkeypatch.setattr("nbmerge.widgets.state.studio_state.PAUSE", 0.0)
    for value in (0.1, 0.2):
        state.edit(lambda r, value=value: r.with_parameter("lambda", value), tag="lambda")
    state.undo()
    assert state.plan.tensors[0].values["lambda"] == 0.1


def test_different_sliders_are_different_steps(state):
    state.edit(lambda r: r.with_parameter("lambda", 0.1), tag="lambda")
    state.edit(lambda r: r.with_parameter("normalize", True), tag="normalize")
    state.undo()
    assert state.plan.tensors[0].values["lambda"] == 0.1


def test_after_an_undo_the_same_drag_does_not_rewrite_history(state):
    state.edit(lambda r: r.with_parameter("lambda", 0.1), tag="a")
    state.undo()
    state.edit(lambda r: r.with_parameter("lambda", 0.2), tag="a")
    assert state.can_undo
    state.undo()
    assert not state.can_undo


def test_an_equal_recipe_adds_no_step(state, recipe):
    state.set_recipe(recipe.replace())
    assert not state.can_undo
    assert state.revision == 1


def test_text_is_kept_as_it_was_written(state):
    text = f"# mine\n{state.text}"
    assert state.apply_text(text)
    assert state.text == text
    state.undo()
    assert "# mine" not in state.text


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("merge_method: slerp\nmodelz: []\n", 2, "unknown key"),
        ("merge_method: [slerp\n", None, "not valid YAML"),
        ("", None, "'merge_method' is missing"),
        ("just words", None, "not a recipe"),
    ],
)
def test_a_bad_text_changes_nothing_but_what_was_refused(state, recipe, text, line, what):
    assert not state.apply_text(text)
    assert state.recipe == recipe
    assert any(what in p.what for p in state.refused)
    if line:
        assert state.refused[0].line == line
    state.drop_refused()
    assert state.refused == ()


def written(state):
    """A text as a person writes it, applied."""
    text = "# my merge\n" + state.recipe.to_yaml().replace("merge_method: ", "merge_method:   ") + "# the end\n"
    assert state.apply_text(text)
    return text


def test_a_slider_changes_a_number_in_the_text_and_undo_restores_it(state):
    text = written(state)
    state.edit(lambda r: r.with_parameter("weight", 0.4, "ft2"), tag="weight")
    state.edit(lambda r: r.with_parameter("weight", 0.5, "ft2"), tag="weight")
    assert state.text == text.replace("weight: 0.3", "weight: 0.5")
    state.undo()
    assert state.text == text
    state.redo()
    assert state.text == text.replace("weight: 0.3", "weight: 0.5")


def test_the_text_of_a_file_is_shown_as_it_is(recipe, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(f"# mine\n{recipe.to_yaml()}")
    assert StudioState(str(file)).text == file.read_text()
    assert StudioState(file.read_text()).text == file.read_text()
    assert "# mine" not in StudioState(Recipe.load(str(file))).text


def test_a_text_that_the_studio_writes_has_no_more_than_was_drawn(state):
    state.edit(lambda r: r.with_parameter("weight", [0, 1], "ft1"))
    assert "weight: [0, 1]" in state.text
    assert "filter" not in state.text
    assert "filter: lm_head" in state.recipe.to_yaml()  # for programs that take another value there
    assert Recipe.load(state.text) == state.recipe


def test_a_draft_stays_while_a_slider_moves_and_is_applied_with_it(state):
    text = written(state)
    state.draft.edit(text.replace("# the end", "dtype: bfloat16  # half"))
    state.edit(lambda r: r.with_parameter("weight", 0.4, "ft2"))
    assert "half" in state.draft.text
    assert "half" not in state.text
    assert state.draft.is_behind
    assert state.draft.apply()
    assert state.draft.text is None
    assert state.recipe.dtype == "bfloat16"
    assert state.recipe.models[1].parameters["weight"].plain() == 0.4
    assert state.text == text.replace("weight: 0.3", "weight: 0.4").replace("# the end", "dtype: bfloat16  # half")


def test_a_draft_that_conflicts_with_a_slider_is_refused(state):
    text = written(state)
    state.draft.edit(text.replace("weight: 0.3", "weight: 0.9"))
    state.edit(lambda r: r.with_parameter("weight", 0.4, "ft2"))
    assert not state.draft.apply()
    (problem,) = state.refused
    assert problem.what == "models[1].parameters.weight is 0.9 in the text and 0.4 in the panels; it was 0.3."
    assert state.draft.text.splitlines()[problem.line - 1].strip() == "weight: 0.9"
    assert state.recipe.models[1].parameters["weight"].plain() == 0.4
    state.draft.drop()
    assert (state.draft.text, state.refused) == (None, ())


def test_all_problems_of_the_state_are_reported_at_once(state):
    text = written(state)
    wrong = text.replace("task_arithmetic", "task_arithmetik").replace("weight: 0.3", "wieght: 0.3\n      density: 1.5")
    assert not state.apply_text(wrong.replace("# the end", "colour: red"))
    lines = wrong.replace("# the end", "colour: red").splitlines()
    assert sorted(lines[p.line - 1].split(":")[0].strip() for p in state.refused) == [
        "colour", "density", "merge_method", "wieght",
    ]  # fmt: skip


def test_knots_on_a_line_are_a_step_of_their_own(state):
    state.edit(lambda r: r.with_parameter("weight", [0.3, 0.3, 0.3], "ft2"))
    assert state.can_undo


def test_a_recipe_from_elsewhere_is_shown_as_yaml(state, recipe, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(recipe.with_parameter("lambda", 0.5).to_yaml())
    assert state.apply_text(str(file))
    assert state.text == file.read_text()


def test_problems_have_the_lines_of_the_text_on_screen(state):
    state.set_recipe(state.recipe.replace(merge_method="no_such"))
    (problem,) = [p for p in state.problems if p.severity == "error"]
    assert state.plan is None
    assert state.text.splitlines()[problem.line - 1] == "merge_method: no_such"


def test_without_a_recipe_there_is_nothing_to_edit():
    with pytest.raises(RecipeError, match="Choose models first"):
        StudioState().edit(lambda r: r)


def test_choosing_models_makes_a_recipe(deep_family):
    state = StudioState()
    state.choose_models(str(deep_family.base), [])
    assert state.recipe is None
    state.choose_models(state.base, [str(deep_family.ft1)])
    assert state.recipe.merge_method == "task_arithmetic"
    assert state.plan is not None


def test_going_to_another_method_and_back_loses_nothing(state):
    before = state.recipe
    state.use_method("slerp")
    assert state.plan.parents == ("ft1", "ft2")
    assert state.base == str(before.base_model)
    state.use_method("task_arithmetic")
    assert state.recipe.plain() == before.plain()


def test_repr_has_the_status_and_the_step(state):
    assert "ready, step 1" in repr(state)


def test_going_back_and_editing_keeps_the_other_branch(state):
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    kept = state.recipe
    state.undo()
    state.edit(lambda r: r.with_parameter("lambda", 0.9))
    state.go(2)
    assert state.recipe == kept
    assert len(state.history) == 3


def test_steps_are_put_into_words_with_a_picture(state):
    state.edit(lambda r: r.with_parameter("weight", 0.5, "ft2"))
    state.notes.summarise()
    first, second = state.history
    assert first.summary.words == "started with task_arithmetic of ft1, ft2"
    assert second.summary.words == "weight of ft2 0.3 → 0.5"
    assert second.summary.lines[0].title == "weight of ft1"
    assert second.summary.lines[0].values == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1))


def test_scores_and_pins_stay_with_the_step_they_were_read_at(state, recipe):
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    state.notes.add_scores(ScoreRecord(recipe.fingerprint, recipe, {"skill": 0.25}))
    state.notes.add_pin("A", recipe)
    other = recipe.with_parameter("lambda", 0.1)  # left by the slider before its score was there
    state.notes.add_scores(ScoreRecord(other.fingerprint, other, {"skill": 0.5}))
    assert [(dict(s.scores), s.pins) for s in state.history] == [
        ({"skill": 0.25}, ("A",)),
        ({}, ()),
        ({"skill": 0.5}, ()),
    ]
    assert state.history.current_id == 2
    state.notes.remove_pin("A")
    assert not any(s.pins for s in state.history)


def test_another_family_takes_nothing_over(state, recipe, tmp_path):
    family = make_family(tmp_path / "others", layers=2)
    state.notes.scores.add("skill", lambda model: 1.0)
    record = ScoreRecord(recipe.fingerprint, recipe, {"skill": 0.25})
    state.notes.scores.records.append(record)
    state.notes.add_scores(record)
    others = Recipe.of({"merge_method": "linear", "models": [str(family.ft1), str(family.ft2)]})
    state.open_recipe(others)
    assert {state.base, *state.models} - {""} == {str(family.ft1), str(family.ft2)}
    assert state.notes.scores.latest is None
    state.undo()
    assert str(family.ft1) not in state.models
    assert state.notes.scores.latest.values == {"skill": 0.25}


def test_opening_a_recipe_of_the_same_family_drops_models_it_does_not_use(state, recipe):
    state.open_recipe(recipe.replace(models=recipe.plain()["models"][:1]))
    assert [state.base, *state.models] == [str(recipe.base_model), str(recipe.references[0])]


def test_a_new_pin_does_not_take_the_name_of_one_that_was_restored(state):
    assert state.pool.pin(state.plan, taken=("A", "B")) == "C"
    assert state.pool.pin(state.plan) == "A"
    state.pool.release()
