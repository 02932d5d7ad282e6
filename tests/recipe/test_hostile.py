"""Whatever a text holds, reading it ends in a sentence, within a second, and runs nothing."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.costs import rest_is_slow
from tests.recipe.hostile import SLOW, texts

MAX_SECONDS = 1.0
MAX_BYTES = 200_000_000
LONGEST_MESSAGE = 5_000


@cache
def costs(slow: bool) -> dict[str, dict]:
    """What each text cost, the slow or the quick ones read in one process of their own."""
    root = Path(__file__).parents[2]
    names = [name for name in texts() if (name in SLOW) is slow]
    done = subprocess.run(
        [sys.executable, "-m", "tests.recipe.hostile", *names],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        timeout=120,
    )
    return {cost["name"]: cost for cost in json.loads(done.stdout)}


@pytest.mark.parametrize("name", rest_is_slow(texts(), lambda name: name not in SLOW))
@pytest.mark.slow
def test_a_hostile_recipe_ends_in_a_clear_error(name):
    cost = costs(name in SLOW)[name]
    assert cost["kind"] == "RecipeError", cost["message"]
    assert cost["seconds"] < MAX_SECONDS
    assert 0 < cost["length"] < LONGEST_MESSAGE
    assert cost["message"].rstrip().endswith((".", "?", ")", ":"))
    assert not any(ord(c) < 32 and c not in "\n\t" for c in cost["message"])


@pytest.mark.parametrize("slow", rest_is_slow([False, True], [False]))
@pytest.mark.slow
def test_memory_stays_small(slow):
    assert max(cost["bytes"] for cost in costs(slow).values()) < MAX_BYTES
    assert not Path("/tmp/never").exists()
