import pytest

from nbmerge.recipe import Recipe
from tests.models import make_family

TEXT = "the fox went to the river, and the lion came."


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return make_family(tmp_path_factory.mktemp("family"))


@pytest.fixture
def recipe(family):
    """A function from the weight of the second fine-tune to a recipe."""

    def make(amount, method="linear"):
        base, one, two = map(str, (family.base, family.ft1, family.ft2))
        if method == "slerp":
            return Recipe.of({"merge_method": method, "models": [one, two], "parameters": {"t": amount}})
        models = [
            {"model": one, "parameters": {"weight": 1 - amount}},
            {"model": two, "parameters": {"weight": amount}},
        ]
        data = {"merge_method": method, "models": models}
        return Recipe.of(data if method == "linear" else data | {"base_model": base})

    return make
