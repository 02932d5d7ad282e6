"""Sampling several models side by side: with real tiny models, without widgets."""

import threading

import pytest

from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.errors import MergeStopped, TooLargeError
from nbmerge.sampling import sample
from nbmerge.widgets.state.model_pool import LIVE, VIRTUAL, MemoryForecast, ModelPool
from nbmerge.widgets.state.sampling_session import (
    MERGE_NAME,
    SampleRequest,
    SamplingSession,
    mark_changed,
)

SETTINGS = (("max_new_tokens", 4), ("temperature", 0.0), ("seed", 0))
PROMPTS = ("once <b>", "the cat")


@pytest.fixture(scope="module")
def pool():
    return ModelPool()


@pytest.fixture
def session(pool):
    changes = []
    session = SamplingSession(pool, changes.append)
    session.changes = changes
    return session


def run(session, plan, **how):
    session.run(plan, SampleRequest(PROMPTS, SETTINGS, **how), threading.Event())
    return {name: [t.text for t in output.continuations] for name, output in session.outputs.items()}


@pytest.mark.parametrize("backend", [LIVE, VIRTUAL])
def test_every_model_generates_what_sampling_it_alone_generates(session, recipe, backend):
    plan = make_plan(recipe)
    texts = run(session, plan, backend=backend)
    assert list(texts) == [MERGE_NAME, "base", "ft1", "ft2"]
    for name in ("base", "ft1"):
        folder = next(c.path for r, c in plan.checkpoints.items() if plan.labels[r] == name)
        assert texts[name] == [s.text for s in sample(folder, PROMPTS, max_new_tokens=4)]
    assert texts[MERGE_NAME] == [s.text for s in sample(session.pool.load_merge(plan).model, PROMPTS, max_new_tokens=4)]
    words = session.outputs[MERGE_NAME].description
    assert words.startswith("live merge, " if backend == LIVE else "virtual merge")


def test_texts_come_token_by_token_and_the_merge_comes_first(session, recipe):
    run(session, make_plan(recipe), backend=LIVE)
    first = [v for v in session.changes if v.continuations[0].status == "generating"]
    assert first[0].name == MERGE_NAME
    lengths = [len(v.continuations[0].pieces) for v in first if v.name == MERGE_NAME]
    assert lengths == sorted(lengths)
    assert 1 in lengths


@pytest.mark.slow
def test_nothing_is_sampled_twice(session, recipe, monkeypatch):
    plan = make_plan(recipe)
    before = run(session, plan)
    monkeypatch.setattr("nbmerge.sampling.sample", lambda *_, **__: pytest.fail("sampled again"))
    assert run(session, plan) == before


def test_the_previous_output_is_what_is_compared_with(session, recipe):
    run(session, make_plan(recipe), parents=False)
    old = session.outputs[MERGE_NAME].continuations
    run(session, make_plan(recipe.with_parameter("weight", 0.9, "ft1")), parents=False)
    assert list(session.outputs) == [MERGE_NAME]
    assert session.outputs[MERGE_NAME].previous == old
    run(session, make_plan(recipe.with_parameter("weight", 0.9, "ft1")), parents=False)
    assert session.outputs[MERGE_NAME].previous == old  # sampled again, it is compared with the same


def test_a_text_that_was_stopped_leaves_the_one_before_to_compare_with(session, recipe):
    run(session, make_plan(recipe), parents=False)
    old = session.outputs[MERGE_NAME].continuations
    assert len(old) > 1
    cancel = threading.Event()
    session.on_change = lambda output: cancel.set() if output.continuations[0].status == "done" else None
    with pytest.raises(MergeStopped):
        session.run(
            make_plan(recipe.with_parameter("weight", 0.77, "ft1")),
            SampleRequest(PROMPTS, SETTINGS, LIVE, False),
            cancel,
        )
    half = session.outputs[MERGE_NAME].continuations
    session.on_change = lambda output: None
    run(session, make_plan(recipe.with_parameter("weight", 0.78, "ft1")), parents=False)

    assert session.outputs[MERGE_NAME].previous == (half[0], *old[1:])


def test_it_stops_within_a_token_and_keeps_what_was_generated(session, recipe):
    cancel = threading.Event()
    session.on_change = lambda output: cancel.set() if output.continuations[0].pieces else None
    with pytest.raises(MergeStopped):
        session.run(
            make_plan(recipe.with_parameter("weight", 0.123, "ft1")), SampleRequest(PROMPTS, SETTINGS, LIVE), cancel
        )
    texts = session.outputs[MERGE_NAME].continuations
    assert (texts[0].status, len(texts[0].pieces)) == ("stopped", 1)
    assert texts[1].status == "waiting"
    session.on_change = lambda output: None
    texts = run(session, make_plan(recipe.with_parameter("weight", 0.123, "ft1")), backend=LIVE)
    assert all(t.status == "done" for t in session.outputs[MERGE_NAME].continuations)
    assert len(texts[MERGE_NAME]) == 2


@pytest.mark.slow
def test_a_pinned_merge_keeps_generating_the_same_text(recipe):
    session = SamplingSession(ModelPool(), lambda output: None)
    plan = make_plan(recipe)
    first = run(session, plan, backend=LIVE)
    name = session.pool.pin(plan)
    later = run(session, make_plan(recipe.with_parameter("weight", 2.5)), backend=LIVE)
    assert list(later) == [MERGE_NAME, name, "base", "ft1", "ft2"]
    assert later[name] == first[MERGE_NAME]
    session._cache.clear()
    assert run(session, make_plan(recipe.with_parameter("weight", 2.6)), backend=LIVE)[name] == first[MERGE_NAME]
    session.pool.unpin(name)
    assert name not in run(session, plan)


def test_which_tokens_changed():
    assert mark_changed("abcd", "abcd") == [False] * 4
    assert mark_changed("abxd", "abcd") == [False, False, True, False]
    assert mark_changed("xabc", "abcd") == [True, False, False, False]
    assert mark_changed("", "abc") == []
    assert mark_changed("ab", "") == [True, True]


def test_memory_is_forecast_and_refused_with_alternatives(recipe):
    pool, plan = ModelPool(), make_plan(recipe)
    forecast = pool.forecast(plan, parents=True)
    assert forecast.fits
    assert "for the merge" in str(forecast)
    assert "for the parents" in str(forecast)
    tight = type(forecast.live)(10**9, 0, 0, 0, 10**8, forecast.live.alternatives)
    with pytest.raises(TooLargeError, match=r"leave out the parents .*bfloat16.*nbmerge\.virtual"):
        MemoryForecast(tight, 10**9, is_loaded=False).check()
    pool.load_merge(plan, LIVE)
    assert pool.forecast(plan, parents=False).needed == 0
