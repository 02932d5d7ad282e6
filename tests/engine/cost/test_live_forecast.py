"""What a live merge will take of memory, what it really takes, and what is offered where it does not fit."""

import json
import subprocess
import sys

import pytest

from nbmerge.engine.cost.live_forecast import check_fits, forecast_live
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import NbmergeError, TooLargeError
from nbmerge.recipe import Recipe
from nbmerge.sizes import human
from tests.models import make_family


def recipe(family, method="task_arithmetic", **more) -> Recipe:
    models = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]
    return Recipe.of({"merge_method": method, "base_model": str(family.base), "models": models} | more)


def test_the_parts_add_up(family):
    p = plan(recipe(family))
    found = forecast_live(p, [p, p], available=10**9, threads=2)
    assert found.model_bytes == p.bytes_written
    assert found.pinned_bytes == 2 * p.bytes_written
    assert found.mapped_bytes == sum(
        f.stat().st_size for m in (family.base, family.ft1, family.ft2) for f in m.glob("*.safetensors")
    )
    assert found.needed == found.model_bytes + found.pinned_bytes + found.buffer_bytes
    assert found.fits
    assert "pinned merges" in str(found)
    assert forecast_live(p, [live(p).pin()]).pinned_bytes == p.bytes_written


def test_more_threads_take_more(family):
    p = plan(recipe(family))
    assert forecast_live(p, threads=8).buffer_bytes == 8 * forecast_live(p, threads=1).buffer_bytes


def test_a_merge_is_tried_where_free_memory_is_unknown(family, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.cost.live_forecast.available_memory", lambda: None)
    assert forecast_live(plan(recipe(family))).fits


def test_alternatives_are_those_that_there_are(family, tmp_path):
    big = make_family(tmp_path, hidden=64, intermediate=1100, layers=1)
    with pytest.raises(TooLargeError) as caught:
        check_fits(plan(recipe(family)), available=1000)
    assert isinstance(caught.value, MemoryError | NbmergeError)
    p = plan(recipe(family))
    assert any("fewer pins" in a for a in forecast_live(p, [p, p], available=1).alternatives)
    ties = forecast_live(plan(recipe(big, "ties", dtype="bfloat16", parameters={"density": 0.5})), available=1)
    assert not any("dtype" in a or "virtual" in a for a in ties.alternatives)
    assert any("nbmerge.merge" in a for a in ties.alternatives)


def test_sizes_in_words():
    assert [human(x) for x in (3, 1234, 12_345_678, 2_200_000_000, 999_600)] == [
        "3 B",
        "1.23 kB",
        "12.3 MB",
        "2.2 GB",
        "1 MB",
    ]


@pytest.mark.slow
def test_a_real_live_merge_takes_what_was_foreseen(tmp_path):
    """Resident memory that is not file cache, of a process of its own: 130 MB of weights."""
    family = make_family(tmp_path, hidden=1024, intermediate=4096, layers=2, heads=8, kv_heads=8)
    code = """
import json, re, sys
from nbmerge.recipe import Recipe
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.cost.live_forecast import forecast_live
from nbmerge.engine.planning.planner import plan
import transformers.models.llama.modeling_llama
def private():
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1])
r = Recipe.load(sys.argv[1])
before, expected = private(), forecast_live(plan(r), threads=2)
merged = live(r, threads=2)
print("\\n" + json.dumps([private() - before, expected.needed]))
"""
    command = [sys.executable, "-c", code, recipe(family).to_yaml()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    real, expected = json.loads(done.stdout.splitlines()[-1])
    assert 0.8 * expected < real < 1.2 * expected
