"""Who says what: with real tiny models, without widgets."""

import threading

import pytest

from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.errors import MergeStopped, TooLargeError
from nbmerge.sampling import sample
from nbmerge.widgets.controls.cards import card
from nbmerge.widgets.state.model_pool import LIVE, VIRTUAL, Forecast, Stage
from nbmerge.widgets.state.sampling_session import MERGE, Asked, Conversation, Text, Voice, changed

SETTINGS = (("max_new_tokens", 4), ("temperature", 0.0), ("seed", 0))
PROMPTS = ("once <b>", "the cat")


@pytest.fixture(scope="module")
def stage():
    return Stage()


@pytest.fixture
def talk(stage):
    told = []
    conversation = Conversation(stage, told.append)
    conversation.told_so_far = told
    return conversation


def ask(talk, plan, **how):
    talk.ask(plan, Asked(PROMPTS, SETTINGS, **how), threading.Event())
    return {name: [t.text for t in voice.texts] for name, voice in talk.voices.items()}


@pytest.mark.parametrize("through", [LIVE, VIRTUAL])
def test_everybody_says_what_sampling_says(talk, recipe, through):
    plan = make_plan(recipe)
    said = ask(talk, plan, through=through)
    assert list(said) == [MERGE, "base", "ft1", "ft2"]
    for name in ("base", "ft1"):
        folder = next(c.path for r, c in plan.checkpoints.items() if plan.labels[r] == name)
        assert said[name] == [s.text for s in sample(folder, PROMPTS, max_new_tokens=4)]
    assert said[MERGE] == [s.text for s in sample(talk.stage.merged(plan).model, PROMPTS, max_new_tokens=4)]
    words = talk.voices[MERGE].words
    assert words.startswith("live model, " if through == LIVE else "virtual merge")


def test_texts_come_token_by_token_and_the_merge_comes_first(talk, recipe):
    ask(talk, make_plan(recipe), through=LIVE)
    first = [v for v in talk.told_so_far if v.texts[0].status == "speaking"]
    assert first[0].name == MERGE
    lengths = [len(v.texts[0].pieces) for v in first if v.name == MERGE]
    assert lengths == sorted(lengths)
    assert 1 in lengths


def test_nothing_is_asked_twice(talk, recipe, monkeypatch):
    plan = make_plan(recipe)
    before = ask(talk, plan)
    monkeypatch.setattr("nbmerge.sampling.sample", lambda *_, **__: pytest.fail("asked again"))
    assert ask(talk, plan) == before


def test_what_was_said_before_is_what_is_compared_with(talk, recipe):
    ask(talk, make_plan(recipe), parents=False)
    old = talk.voices[MERGE].texts
    ask(talk, make_plan(recipe.with_parameter("weight", 0.9, "ft1")), parents=False)
    assert list(talk.voices) == [MERGE]
    assert talk.voices[MERGE].before == old
    ask(talk, make_plan(recipe.with_parameter("weight", 0.9, "ft1")), parents=False)
    assert talk.voices[MERGE].before == old  # asked again, it is compared with the same


def test_a_text_that_was_stopped_leaves_the_one_before_to_compare_with(talk, recipe):
    ask(talk, make_plan(recipe), parents=False)
    old = talk.voices[MERGE].texts
    assert len(old) > 1
    cancel = threading.Event()
    talk.told = lambda voice: cancel.set() if voice.texts[0].status == "done" else None
    with pytest.raises(MergeStopped):
        talk.ask(make_plan(recipe.with_parameter("weight", 0.77, "ft1")), Asked(PROMPTS, SETTINGS, LIVE, False), cancel)
    half = talk.voices[MERGE].texts
    talk.told = lambda voice: None
    ask(talk, make_plan(recipe.with_parameter("weight", 0.78, "ft1")), parents=False)

    assert talk.voices[MERGE].before == (half[0], *old[1:])


def test_a_stop_is_heard_within_a_token_and_leaves_what_was_said(talk, recipe):
    cancel = threading.Event()
    talk.told = lambda voice: cancel.set() if voice.texts[0].pieces else None
    with pytest.raises(MergeStopped):
        talk.ask(make_plan(recipe.with_parameter("weight", 0.123, "ft1")), Asked(PROMPTS, SETTINGS, LIVE), cancel)
    texts = talk.voices[MERGE].texts
    assert (texts[0].status, len(texts[0].pieces)) == ("stopped", 1)
    assert texts[1].status == "waiting"
    talk.told = lambda voice: None
    said = ask(talk, make_plan(recipe.with_parameter("weight", 0.123, "ft1")), through=LIVE)
    assert all(t.status == "done" for t in talk.voices[MERGE].texts)
    assert len(said[MERGE]) == 2


def test_a_pinned_merge_goes_on_saying_what_it_said(recipe):
    talk = Conversation(Stage(), lambda voice: None)
    plan = make_plan(recipe)
    first = ask(talk, plan, through=LIVE)
    name = talk.stage.pin(plan)
    later = ask(talk, make_plan(recipe.with_parameter("weight", 2.5)), through=LIVE)
    assert list(later) == [MERGE, name, "base", "ft1", "ft2"]
    assert later[name] == first[MERGE]
    talk._said.clear()
    assert ask(talk, make_plan(recipe.with_parameter("weight", 2.6)), through=LIVE)[name] == first[MERGE]
    talk.stage.unpin(name)
    assert name not in ask(talk, plan)


def test_which_tokens_changed():
    assert changed("abcd", "abcd") == [False] * 4
    assert changed("abxd", "abcd") == [False, False, True, False]
    assert changed("xabc", "abcd") == [True, False, False, False]
    assert changed("", "abc") == []
    assert changed("ab", "") == [True, True]


def test_a_card_marks_what_changed_and_escapes_what_models_say():
    said = Voice(MERGE, "merge", (Text("<i>", ("a", "<b>", "c"), "done"),), "live model, 1 of 2", "f" * 16)
    html = card(said, "#123456", (Text("<i>", ("a", "b", "c"), "done"),))
    assert "<span>&lt;i&gt;</span><b>a<mark>&lt;b&gt;</mark>c</b><small>1 of 3 tokens changed</small>" in html
    assert "live model, 1 of 2" in html
    assert "nothing changed" in card(said, "#123456", said.texts)
    assert "<mark>" not in card(said, "#123456", (Text("another", ("b",), "done"),))
    assert "earlier recipe" in card(said, "#123456", stale=True)


def test_memory_is_foreseen_and_refused_with_ways_out(recipe):
    stage, plan = Stage(), make_plan(recipe)
    forecast = stage.forecast(plan, parents=True)
    assert forecast.fits
    assert "for the merge" in str(forecast)
    assert "for the parents" in str(forecast)
    tight = type(forecast.live)(10**9, 0, 0, 0, 10**8, forecast.live.alternatives)
    with pytest.raises(TooLargeError, match=r"without its parents .*bfloat16.*nbmerge\.virtual"):
        Forecast(tight, 10**9, here=False).check()
    stage.merged(plan, LIVE)
    assert stage.forecast(plan, parents=False).needed == 0
