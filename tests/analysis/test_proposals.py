"""Recipes that take a part from a parent merge to what replacing its tensors gives."""

import pytest

import nbmerge as nbm
from nbmerge.analysis import ablate
from nbmerge.errors import ArgumentError
from tests.analysis.conftest import TEXT

PARAMETERS = {
    "task_arithmetic": {"lambda": 0.5}, "ties": {"density": 0.5, "lambda": 0.7}, "dare_linear": {"density": 0.5},
    "della": {"density": 0.5, "epsilon": 0.2}, "breadcrumbs": {"density": 0.5, "gamma": 0.1}, "lines": {"alpha": 0.3},
}  # fmt: skip


def merged(recipe, method):
    made = recipe(0.4, method)
    for name, value in PARAMETERS.get(method, {}).items():
        made = made.with_parameter(name, value)
    return made


@pytest.mark.parametrize(
    "method", ["linear", "slerp", "task_arithmetic", "ties", "dare_linear", "della", "breadcrumbs", "lines", "nuslerp"]
)
@pytest.mark.rest_is_slow(keep=4)
def test_a_proposal_scores_as_the_part_that_was_replaced(recipe, family, method):
    source = merged(recipe, method)
    effect = ablate(source, family.ft2.name, TEXT)
    for part in [(1, "mlp"), (2, "rest"), (None, "head")]:
        changed = effect.recipe(*part)
        expected = effect.values["perplexity"][effect.parts.index(part)]
        with nbm.live(changed, progress=False) as live:
            assert nbm.perplexity(live, TEXT) == pytest.approx(expected, rel=1e-5), part
        before, after = nbm.plan(source), nbm.plan(changed)
        touched = {(t.layer, t.kind) for t in before.tensors if t.values != after[t.name].values}
        assert touched == {part}


def test_whole_layers_the_base_and_the_whole_model(recipe, family):
    effect = ablate(recipe(0.4, "ties"), "base", TEXT, by="layer")
    with nbm.live(effect.recipe(layer=2), progress=False) as live:
        assert nbm.perplexity(live, TEXT) == pytest.approx(effect.table.set_index("layer")["perplexity"][2], rel=1e-5)
    with nbm.live(effect.recipe(), progress=False) as live:
        assert nbm.perplexity(live, TEXT) == pytest.approx(nbm.perplexity(family.base, TEXT), rel=1e-5)


def test_what_no_values_give_is_an_error_that_says_so(recipe, family):
    effect = ablate(recipe(0.4, "model_stock"), family.ft1.name, TEXT, by="layer")
    with pytest.raises(ArgumentError, match=r"No values of .* make .* that of ft1, so layer 1 cannot"):
        effect.recipe(layer=1)
    with pytest.raises(ArgumentError, match="no layer 7, mlp"):
        effect.recipe(layer=7, kind="mlp")
