"""The results of the programs that came before, reproduced.

The data in tests/cases are outputs of the original programs (mergekit of 2023, of February 2024 and release 0.1.5,
LM_Transformers_BlockMerge, BlockMerge_Gradient, LLM-SLERP-Merge) on tiny random models; see the README there. Each case
states the same merge as a recipe of ours.

Tolerances: float32 to 1e-6. Half precision to one unit in the last place, counted at the largest input where the
original rounds on the way (we round once, at the end). In bfloat16 the early TIES rounds task vectors before it trims
them: about one element in a hundred is trimmed only here, or only there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import RecipeError
from nbmerge.methods import dare
from nbmerge.recipe import Recipe
from tests.models import read_tensors

CASES = Path(__file__).parents[1] / "cases"
INDEX = json.loads((CASES / "index.json").read_text())
BY_ID = {c["id"]: c for c in INDEX["cases"]}
REPRODUCED = [i for i, c in BY_ID.items() if "error" not in c]
REFUSED = [i for i, c in BY_ID.items() if "error" in c]

LAST_PLACE = {torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}


def loaded(case: dict) -> Recipe:
    text = json.dumps(case["recipe"]).replace('"@', f'"{CASES / "models"}/')
    return Recipe.load(json.loads(text), dialect=case.get("dialect"))


def expected(case: dict) -> dict[str, torch.Tensor]:
    tensors = load_file(CASES / case["output"])
    return tensors | (load_file(CASES / case["override"]) if "override" in case else {})


def sampled(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.flatten()[:: INDEX["stride"]]


def units(out: torch.Tensor, reference: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Differences in units of the last place of numbers as large as `size`."""
    smallest = torch.finfo(reference.dtype).tiny
    scale = LAST_PLACE[reference.dtype] * size.double().abs().clamp_min(smallest).log2().floor().exp2()
    return (out.double() - reference.double()).abs() / scale


def use_recorded_masks(case: dict, recipe: Recipe, monkeypatch) -> None:
    packed = load_file(CASES / case["masks"])
    models = [s.model.name for s in recipe.models]

    def kept(key: str, start: int, count: int, density: float) -> np.ndarray:
        _, order, tensor = key.split("/", 2)
        return np.unpackbits(packed[f"{models[int(order)]}|{tensor}"].numpy())[start : start + count].astype(bool)

    monkeypatch.setattr(dare, "kept", kept)


@pytest.mark.parametrize("name", REPRODUCED)
@pytest.mark.rest_is_slow(keep=14)
def test_a_recorded_case_is_reproduced(name, tmp_path, monkeypatch):
    case = BY_ID[name]
    recipe = loaded(case)
    if "masks" in case:
        use_recorded_masks(case, recipe, monkeypatch)
    merge(recipe, tmp_path / "out", threads=1)
    out, reference = read_tensors(tmp_path / "out"), expected(case)
    assert set(out) == set(reference) | set(case.get("not_compared", ()))
    inputs = [read_tensors(CASES / "models" / n) for n in {r.name for r in recipe.references}]
    differing = total = 0
    for tensor, kept in reference.items():
        result = sampled(out[tensor])
        assert (result.dtype, result.shape) == (kept.dtype, kept.shape), tensor
        if kept.dtype == torch.float32:
            assert torch.allclose(result, kept, rtol=0, atol=1e-6), tensor
            continue
        numbers = [kept, *(sampled(i[tensor]).to(kept) for i in inputs if fits(i, tensor, kept))]
        largest = torch.stack(numbers).abs().amax(0)
        off = units(result, kept, kept if case["tolerance"] == "half" else largest)
        differing, total = differing + int((off > 1).sum()), total + off.numel()
        if case["tolerance"] in ("half", "half arithmetic"):
            assert off.max() <= 1, tensor
    assert differing <= 0.01 * total
    if case["tolerance"] == "rounded inputs" and "mergekit_015" in name:
        assert differing == 0


def fits(model: dict, tensor: str, kept: torch.Tensor) -> bool:
    return tensor in model and sampled(model[tensor]).shape == kept.shape


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_case_has_the_recorded_error(name):
    with pytest.raises(RecipeError) as caught:
        plan(loaded(BY_ID[name]))
    assert BY_ID[name]["error"] in str(caught.value)


def test_the_two_meanings_of_mergekit_differ_in_final_norm_and_head_only():
    r = BY_ID["mergekit_2402/k02_linear_nonorm_gradient"]
    differing = set(load_file(CASES / r["override"]))
    assert differing == {"model.norm.weight", "lm_head.weight"}
    ours, newer = (plan(loaded(c)) for c in (r, BY_ID["mergekit_015/k02_linear_nonorm_gradient"]))
    assert {t.name for t in ours.tensors if t.values.each != newer[t.name].values.each} == differing


def test_our_yaml_means_the_same_when_it_is_read_again():
    for name in REPRODUCED:
        recipe = loaded(BY_ID[name])
        first, again = plan(recipe), plan(Recipe.load(recipe.to_yaml()))
        assert [(t.name, t.dtype, t.values) for t in first.tensors] == [
            (t.name, t.dtype, t.values) for t in again.tensors
        ], name


def test_a_bare_rule_works_like_a_list_of_one():
    """Case mergekit_015/e14: other tensors fall through to the weight of the whole merge."""
    models = CASES / "models"
    data = {
        "merge_method": "linear", "dtype": "float32", "parameters": {"weight": 0.5},
        "models": [
            {"model": str(models / "ft1"), "parameters": {"weight": {"filter": "mlp", "value": 1.0}}},
            {"model": str(models / "base"), "parameters": {"weight": 1.0}},
        ],
    }  # fmt: skip
    p = plan(Recipe.of(data))
    assert p["model.layers.0.mlp.down_proj.weight"].values.each["weight"] == (1, 1)
    assert p["model.layers.0.self_attn.v_proj.weight"].values.each["weight"] == (0.5, 1)


def test_pressing_twice_is_the_same_as_once(tmp_path):
    """Case lm_blockmerge/e6: the original merges what it has merged; here every merge starts from its parents."""
    recipe = loaded(BY_ID["lm_blockmerge/c3_head_llama"])
    merge(recipe, tmp_path / "out", threads=1)
    once = read_tensors(tmp_path / "out")
    merge(recipe, tmp_path / "out", threads=1, overwrite=True)
    assert all(torch.equal(t, once[n]) for n, t in read_tensors(tmp_path / "out").items())
