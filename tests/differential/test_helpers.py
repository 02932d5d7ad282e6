"""mergekit's smaller programs beside the functions that do the same."""

import os
import subprocess
from pathlib import Path

import pytest

from nbmerge.engine.shuffle import shuffle_layers
from nbmerge.recipe import Recipe
from tests.differential.conftest import PYTHON
from tests.models import make_model

pytestmark = pytest.mark.differential


@pytest.fixture(scope="module")
def python():
    found = os.environ.get(PYTHON)
    if not found:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5")
    return found


def described(recipe):
    """A shuffled recipe without what is random: method, dtype, layers in order, and which models were drawn from."""
    sources = [piece.sources for piece in recipe.slices]
    assert all(len(s) == 1 for s in sources)
    layers = [i for (s,) in sources for i in range(*s.layer_range)]
    return recipe.merge_method, recipe.dtype, layers, {s.model for (s,) in sources}


@pytest.mark.parametrize("full", [False, True])
def test_shuffled_layers(python, tmp_path, full):
    """Only the shape is compared: mergekit draws from a generator that has no seed."""
    a = make_model(tmp_path / "a", layers=12, hidden=8, intermediate=8, heads=2)
    b = make_model(tmp_path / "b", base=a)
    script = Path(__file__).parent / "layershuffle_oracle.py"
    options = ["-w", "0.5", "-w", "0.5", "--fp16", "--dry-run", "--write-yaml", str(tmp_path / "theirs.yml")]
    command = [python, str(script), "out", "-m", str(a), "-m", str(b), *options, *(["--full-random"] if full else [])]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    theirs = described(Recipe.load(tmp_path / "theirs.yml"))
    ours = described(shuffle_layers([a, b], weights=[0.5, 0.5], full_random=full, dtype="float16", seed=1))
    if full:
        # Of a model that is to give half of its layers, mergekit draws from the first half only.
        assert (theirs[:2], len(theirs[2])) == (ours[:2], len(ours[2])) == (("passthrough", "float16"), 12)
        assert max(theirs[2]) < 6 <= max(ours[2])
    else:
        assert theirs == ours
