"""The best recipes of a search become steps of the history, beside the one on screen."""

from nbmerge import demo
from nbmerge.optimisation import Goal, Range, SearchResult, Space, Trial
from nbmerge.widgets.state.studio_state import StudioState


def test_the_best_recipes_are_steps_with_scores():
    start = demo.flat(0.4)
    space = Space((Range("weight", "reverser"),))
    weights, losses = (0.4, 0.1, 0.9, 0.6), (3.0, 2.0, 9.0, 1.0)
    trials = [
        Trial(i, {"weight[reverser]": w}, "complete", {"loss": loss}, {"loss": loss + 1} if i == 3 else {}, (loss,))
        for i, (w, loss) in enumerate(zip(weights, losses, strict=True))
    ]
    found = SearchResult(start, space, Goal({"loss": True}), (*trials, Trial(4, {}, "failed", error="x")))
    state = StudioState(start)
    before = state.notes.revision
    state.notes.add_search(found, most=3)
    assert state.recipe == start  # what is on screen stays
    named = {step.name: step for step in state.history}
    assert set(named) == {"search, trial 3", "search, trial 1", "search, trial 0"}  # trial 0 is the recipe on screen
    assert named["search, trial 3"].recipe == found.best
    assert named["search, trial 3"].scores == {"loss": 1.0, "loss, held out": 2.0}
    assert state.notes.revision > before
    state.history.go(named["search, trial 1"].id)
    state.notes.add_search(found, most=3)
    assert len(state.history) == 3
    state.release()
