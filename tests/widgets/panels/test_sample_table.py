from nbmerge.widgets.panels.sample_table import Column, draw_table
from nbmerge.widgets.state.sampling_session import MERGE_NAME, Continuation, ModelOutput

SAMPLE = Continuation("<i>", ("a", "<b>", "c"), "done")
OUTPUT = ModelOutput(MERGE_NAME, "merge", (SAMPLE,), "live merge", "f" * 16)


def cell(reference, prompt="<i>"):
    return draw_table([prompt], [Column(OUTPUT, reference=reference)])["rows"][0][0]


def test_tokens_that_changed_are_runs_of_their_own_and_text_stays_text():
    shown = cell((Continuation("<i>", ("a", "b", "c"), "done"),))
    assert shown == {
        "runs": [["a", False], ["<b>", True], ["c", False]], "status": "done", "note": "1 of 3 tokens changed", "tokens": 3,
    }  # fmt: skip
    assert cell((SAMPLE,))["note"] == "no change"


def test_what_is_not_finished_or_of_another_prompt_is_compared_with_nothing():
    for reference in (Continuation("other", ("b",), "done"), Continuation("<i>", ("b",), "generating")):
        assert cell((reference,))["runs"] == [["a<b>c", False]]
        assert cell((reference,))["note"] == ""
    assert cell((), prompt="other") is None


def test_columns_say_what_they_are():
    pin = Column(ModelOutput("A", "pin", fingerprint="e" * 16), "#123456", stale=True)
    now, kept = draw_table([], [Column(OUTPUT), pin])["columns"]
    assert (now["title"], now["detail"], now["recipe"]) == ("Now", "live merge", "ffffffff")
    assert (kept["title"], kept["colour"], kept["stale"]) == ("Pinned A", "#123456", True)
