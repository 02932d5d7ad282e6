"""Methods that take matrices apart: Iso-C, TSV-M and WUDI."""

from __future__ import annotations

import pytest
import torch

from nbmerge.engine.merge import merge
from nbmerge.methods import Combination, methods
from nbmerge.recipe import Recipe
from tests.methods.apply import family, merged, ulps, values_of, wide
from tests.models import make_family, read_tensors

MATRICES = ((1, 7), (7, 1), (13, 37), (40, 12))
NAMES = ("iso_c", "tsv_m", "wudi")


def iso_c(base, deltas):
    u, s, vh = torch.linalg.svd(sum(deltas), full_matrices=False)
    return base + s.mean() * u @ vh


def polar(matrix):
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u @ vh


def tsv_m(base, deltas):
    keep = max(1, min(base.shape) // len(deltas))
    parts = [torch.linalg.svd(d, full_matrices=False) for d in deltas]
    left = polar(torch.cat([u[:, :keep] for u, _, _ in parts], 1))
    right = polar(torch.cat([vh[:keep] for _, _, vh in parts]))
    return base + left @ torch.diag(torch.cat([s[:keep] for _, s, _ in parts])) @ right


def wudi(base, deltas, ridge=0.1):
    """The normal equations, as they come from setting the gradient to zero."""
    total, columns = sum(deltas), base.shape[1]
    squares = [d.T @ d / d.square().sum() for d in deltas]
    pull = ridge * len(deltas) / columns * torch.eye(columns, dtype=torch.float64)
    right = sum(d @ s for d, s in zip(deltas, squares, strict=True)) + total @ pull
    return base + right @ torch.linalg.inv(sum(squares) + pull)


FORMULAS = {"iso_c": iso_c, "tsv_m": tsv_m, "wudi": wudi}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", MATRICES)
@pytest.mark.parametrize("name", NAMES)
def test_formula(name, shape, dtype):
    tensors = family(shape, 3, dtype, seed=4)
    exact = FORMULAS[name](*wide(tensors))
    assert ulps(merged(name, tensors), exact, tensors) <= 2


@pytest.mark.parametrize("shape", MATRICES)
@pytest.mark.parametrize("name", NAMES)
def test_formula_in_float32(name, shape):
    tensors = family(shape, 3, seed=4)
    torch.testing.assert_close(merged(name, tensors).double(), FORMULAS[name](*wide(tensors)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_of_matrices_is_merged_matrix_by_matrix(name):
    tensors = family((3, 8, 10), 2)
    one_by_one = torch.stack([merged(name, [t[i] for t in tensors]) for i in range(3)])
    assert torch.equal(merged(name, tensors), one_by_one)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_that_are_not_matrices_get_the_mean_change(name):
    tensors, weights = family((11,), 2), [1.0, 0.5]
    base, deltas = wide(tensors)
    exact = base + 0.8 * (deltas[0] + 0.5 * deltas[1]) / 2
    assert ulps(merged(name, tensors, {"weight": weights, "lambda": 0.8}), exact, tensors) <= 2
    assert isinstance(methods()[name].resolve(values_of(name, 3, {}, based=True)), Combination)


@pytest.mark.parametrize("name", NAMES)
def test_unchanged_and_rank_one_changes_are_numbers(name):
    base = torch.randn(6, 9)
    thin = torch.outer(torch.randn(6), torch.randn(9))
    assert torch.equal(merged(name, [base, base, base]), base)
    for tensors in ([base, base + thin, base], [base, base + thin, base + thin], [base, base + thin, base - thin]):
        result = merged(name, tensors)
        assert result.isfinite().all()
        assert (result - base).norm() <= 3 * thin.norm()


def test_iso_c_levels_only_directions_that_were_changed():
    base = torch.randn(6, 9)
    thin = torch.outer(torch.randn(6), torch.randn(9))
    torch.testing.assert_close(merged("iso_c", [base, base + thin]), base + thin)


def test_gpt2_stores_its_matrices_with_a_row_for_each_input(tmp_path):
    models = make_family(tmp_path, architecture="gpt2", layers=1)
    data = {"merge_method": "wudi", "base_model": str(models.base), "models": [str(models.ft1), str(models.ft2)]}
    merge(Recipe.of(data), tmp_path / "out")
    base, ft1, ft2, out = (read_tensors(f) for f in (models.base, models.ft1, models.ft2, tmp_path / "out"))
    for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc"):
        name = f"transformer.h.0.{part}.weight"
        wide_base, deltas = wide([base[name].T, ft1[name].T, ft2[name].T])
        torch.testing.assert_close(out[name].double().T, wudi(wide_base, deltas), rtol=1e-5, atol=1e-5)
