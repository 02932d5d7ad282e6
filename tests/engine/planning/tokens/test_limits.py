"""Token ids and paddings that no vocabulary has are refused before any table is made that long."""

import json
import tracemalloc

import pytest

from nbmerge import check
from nbmerge.recipe.parts import MOST_PADDING
from tests.limits import processor_seconds
from tests.models import make_model

FAR = 2 * 10**9


@pytest.fixture
def folders(tmp_path):
    return [make_model(tmp_path / name, layers=1, seed=i) for i, name in enumerate("ab")]


def recipe(folders, **more):
    return {
        "merge_method": "linear",
        "models": [{"model": str(f), "parameters": {"weight": 0.5}} for f in folders],
        **more,
    }


def check_cheaply(data):
    """What `check` finds, within bounds of time and memory; numpy's tables are counted."""
    tracemalloc.start()
    try:
        with processor_seconds(5):
            report = check(data)
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()
    return str(report)


@pytest.mark.parametrize("place", ["added", "vocabulary"])
def test_a_token_id_far_beyond_the_others(folders, place):
    check(recipe(folders, tokenizer_source="union"))  # imports are not counted
    file = folders[1] / "tokenizer.json"
    data = json.loads(file.read_text())
    if place == "added":
        data["added_tokens"] = [*data.get("added_tokens", ()), {"id": FAR, "content": "<far>", "special": True}]
    else:
        data["model"]["vocab"]["<far>"] = FAR
    file.write_text(json.dumps(data))
    found = check_cheaply(recipe(folders, tokenizer_source="union"))
    assert f"up to {FAR:,}" in found


def test_a_padding_far_beyond_any_real_one(folders):
    for multiple in (FAR, MOST_PADDING + 1, -1, 0):
        found = check_cheaply(recipe(folders, tokenizer={"source": "union", "pad_to_multiple_of": multiple}))
        assert "pad_to_multiple_of" in found
