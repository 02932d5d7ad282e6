from dataclasses import dataclass

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'nbmerge[search]'")

from nbmerge.recipe import Recipe
from tests.models import make_family

TEXT = "the fox went to the river, and the lion came."
OTHER = "a bear slept in the barn."


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return make_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def recipe(family):
    models = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]
    return Recipe.of({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})


@dataclass(frozen=True)
class Distance:
    """How far the weights of a recipe are from some numbers: a score that needs no model, so that a search is quick."""

    wanted: tuple[float, ...] = (0.3, 0.7)
    lower = True

    def __call__(self, merge):
        own = [s.parameters["weight"].at("", 0.5) for s in merge.recipe.models]
        return sum((a - b) ** 2 for a, b in zip(own, self.wanted, strict=True))
