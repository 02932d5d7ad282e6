"""Mixtures that are killed resume, keep what they have, and come to the same bytes."""

import os
import random

import pytest
import transformers

from nbmerge.recipe import Recipe
from tests.engine.output.kills import Case, Tally, at_random, trial
from tests.mixtures import mixture
from tests.models import make_family

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.slow
def test_a_killed_mixture_comes_to_the_same(tmp_path):
    for name in ("LlamaForCausalLM", "MixtralForCausalLM"):
        getattr(transformers, name)  # is imported once, before processes are forked
    family = make_family(tmp_path / "models", layers=4, hidden=64, intermediate=128)
    recipe = Recipe.of(mixture(family.base, [family.ft1, family.ft2]))
    case = Case(recipe, tmp_path / "case", {"max_shard_size": 200_000, "threads": 2})
    rng = random.Random(7)
    total = sum((trial(case, f"random-{i}", at_random(rng, case, most=2)) for i in range(4)), Tally())
    assert total.kills
    assert (total.broken, total.different, total.recomputed) == (0, 0, 0), total
