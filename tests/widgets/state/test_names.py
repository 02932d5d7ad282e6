"""Names in little room: the same as `js/test/lib/format.test.ts` asks of the browser."""

from __future__ import annotations

import pytest

from nbmerge.widgets.state.names import shorten_in, tell_apart

ENDS = ["Nemo-base-bf16", "Nemo-math-expert-lora-merged-bf16", "Nemo-code-expert-lora-merged-bf16"]
ALIKE = ["first-run-final", "first-one", "second-run-final", "second-one"]


@pytest.mark.parametrize(
    ("names", "letters", "short"),
    [
        (["base", "math"], 10, ["base", "math"]),
        (ENDS, 18, ["…base-bf16", "…math-expert-lora…", "…code-expert-lora…"]),
        (ENDS, 10, ["…base-bf16", "…math…", "…code…"]),
        (["Llama-3-base", "Llama-3-base+french-lora-r16"], 10, ["…base", "…+french…"]),
        (ALIKE, 14, ["first-ru…final", "first-one", "second-r…final", "second-one"]),
        (["same-long-name", "same-long-name"], 8, ["…name", "…name"]),
    ],
)
def test_names_side_by_side_differ_where_they_can(names, letters, short):
    assert tell_apart(names, letters) == short


def test_long_names_in_a_text_are_short_and_differ():
    names = ["family-of-models-v0.3-math", "family-of-models-v0.3-math-more", "code"]
    text = f"{names[0]} and {names[1]} and {names[2]}"
    short = shorten_in(text, names, 16)
    assert "family" not in short
    one, other, last = short.split(" and ")
    assert one != other
    assert last == "code"
    assert shorten_in(text, names, 60) == text
