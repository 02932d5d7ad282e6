"""Plots of searches: made of the trials of a search that never ran."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'nbmerge[search]'")

from nbmerge.optimisation import Choice, Goal, Range, SearchResult, Space, Trial
from nbmerge.plots import to_png
from nbmerge.recipe import Recipe

SPACE = Space((Range("weight", "a", 0, 1, knots=2), Choice("merge_method", ("linear", "ties"))))


@pytest.fixture
def found():
    """A function from the names of scores to a search with 40 trials."""

    def make(*names, kind="pareto", held_out=()):
        rng, trials = np.random.default_rng(0), []
        for number in range(40):
            x, y, z = rng.random(3)
            values = {"weight[a] #1": x, "weight[a] #2": y, "merge_method": "ties" if z > 0.5 else "linear"}
            scores = {name: float((x - i) ** 2 + 0.01 * z) for i, name in enumerate(names)}
            goal = Goal(dict.fromkeys(names, True), kind)
            apart = {name: scores[name] for name in held_out} if number % 8 == 0 else {}
            trials.append(Trial(number, values, "complete", scores, apart, goal.compute(scores)))
        trials.append(Trial(40, trials[0].values, "failed", error="broken"))
        recipe = Recipe.of({"merge_method": "linear", "models": ["a", "b"]})
        return SearchResult(recipe, SPACE, goal, tuple(trials), dict.fromkeys(held_out, True))

    return make


def test_slices_show_what_mattered_first(found):
    figure = found("loss", held_out=["loss"]).plot(theme="light")
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles[0].startswith("loss over weight[a] #1, importance")
    assert len(titles) == 3
    labels = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    assert labels == ["loss (lower is better)", "best so far", "failed", "loss, held out (lower is better)"]
    assert figure.axes[0].collections[-1].get_offsets()[:, 0].tolist() == [40]  # the trial that failed
    assert all(axes.get_xlim()[0] < 0 and axes.get_xlim()[1] > 1 for axes in figure.axes[2:4])  # the whole range
    course = figure.axes[0].lines[0].get_ydata()
    assert (np.diff(course) <= 0).all()


def test_the_best_trial_is_inside_of_every_plot(found):
    result = found("loss", held_out=["loss"])
    for axes in result.plot().axes:
        if axes.get_title(loc="left").startswith("loss over"):
            low, high = axes.get_ylim()
            assert low < min(t.scores["loss"] for t in result.trials if t.state == "complete") < high
            assert high < 1.2  # without the worst, which would flatten the rest


def test_plots_of_trials_have_the_same_labelled_axis(found):
    course, held_out, *_ = found("loss", held_out=["loss"]).plot().axes
    assert course.get_xlabel() == held_out.get_xlabel() == "trial"
    assert course.get_xlim() == held_out.get_xlim()


def test_several_goals_show_their_front(found):
    result = found("left", "right")
    figure = result.plot(theme="dark")
    front = figure.axes[0].lines[0]
    assert sorted(front.get_xdata()) == sorted(t.scores["left"] for t in result.front)
    titles = [axes.get_title(loc="left").split(",")[0] for axes in figure.axes[3:]]
    assert [t for t in titles if t] == [f"{s} over {v}" for v in result.importance for s in ("left", "right")]


@pytest.mark.slow
def test_the_worst_trials_do_not_flatten_a_front(found):
    result = found("left", "right")
    far = dataclasses.replace(
        result.trials[0], number=41, scores={"left": 900.0, "right": 900.0}, objective=(900.0, 900.0)
    )
    axes = dataclasses.replace(result, trials=(*result.trials, far)).plot().axes[0]
    for (low, high), name in ((axes.get_xlim(), "left"), (axes.get_ylim(), "right")):
        assert all(low < t.scores[name] < high for t in result.front)
        assert high < 2


def test_coordinates_have_a_line_for_each_trial(found):
    result = found("loss", "gain", kind="mean")
    axes = result.plot("coordinates").axes[0]
    (lines,) = axes.collections
    assert axes.get_title(loc="left").endswith(f"● trial {result.best_trial.number}, the best")
    assert [text.get_text() for text in axes.texts if "weight" not in text.get_text()] == [
        "0 to 1", "0 to 1", "merge_method", "linear, ties",
    ]  # fmt: skip
    names = [text for text in axes.texts if "weight" in text.get_text()]
    edges = [text.get_window_extent() for text in names]
    assert [text.get_text() for text in names] == ["weight[a] #1", "weight[a] #2"]
    assert all(edge.x0 >= 0 and edge.x1 < axes.transData.transform((0, 0))[0] for edge in edges)
    assert len(lines.get_segments()) == 40
    best = result.best_trial.values
    assert axes.lines[-1].get_xdata() == pytest.approx(
        [best["weight[a] #1"], best["weight[a] #2"], 0.75 if best["merge_method"] == "ties" else 0.25]
    )


@pytest.mark.parametrize("what", ["slices", "coordinates"])
def test_a_single_trial_can_be_drawn(found, what):
    result = found("loss")
    alone = SearchResult(result.start, SPACE, result.goal, result.trials[:1])
    assert to_png(alone.plot(what)).startswith(b"\x89PNG")
