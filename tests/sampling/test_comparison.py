from nbmerge.sampling import Comparison, Sample, compare, sample


def test_compare_asks_all_models_the_same(family):
    prompts = ["abc", "de"]
    got = compare({"base": family.base, "tuned": family.ft1}, prompts, temperature=1.0, seed=3, max_new_tokens=5)
    assert list(got.table.columns) == ["base", "tuned"]
    assert list(got.table.index) == prompts
    assert got.samples["tuned"][1].text == got.table.loc["de", "tuned"]
    assert got.table.loc["de", "tuned"] == sample(family.ft1, "de", temperature=1.0, seed=3, max_new_tokens=5)[0].text


def test_one_prompt_may_be_a_text(family):
    assert compare({"base": family.base}, "abc", max_new_tokens=2).prompts == ("abc",)


HOSTILE = "<script>alert('1')</script>"


def hostile() -> Comparison:
    return Comparison((HOSTILE,), {HOSTILE: (Sample(HOSTILE, f"{HOSTILE}\x1b[2J\nend", (1,), 0.1),)})


def test_html_is_escaped():
    html = hostile()._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 3
    assert "white-space:pre-wrap" in html


def test_control_sequences_are_escaped_in_terminal_text():
    text = str(hostile())
    assert "\x1b" not in text
    assert r"\x1b[2J\nend" in text


def test_equal_prompts_keep_their_rows(family):
    assert compare({"base": family.base}, ["abc", "abc"], max_new_tokens=2).table.shape == (2, 1)


def test_progress_counts_the_tokens_of_all_models(family):
    events = []
    compare({"base": family.base, "tuned": family.ft1}, ["abc", "de"], max_new_tokens=3, progress=events.append)
    assert {e.tensors for e in events} == {12}
    assert [e.kind for e in (events[0], events[-1])] == ["planned", "finished"]
    done = [e.tensors_done for e in events]
    assert done == sorted(done)
    assert done[-1] == 12
