from pathlib import Path

import numpy as np
import pytest

from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import NbmergeError
from nbmerge.statistics import measure_merge, measure_models
from nbmerge.statistics.predicted_distances import PredictionError
from tests.models import Family, make_family, make_model
from tests.statistics.formulas import elementwise, recipes

NAMES = tuple(recipes(Family(Path("base"), Path("ft1"), Path("ft2"))))
UNIT = {"float32": 2**-24, "bfloat16": 2**-8, "float16": 2**-11}


@pytest.fixture(scope="module")
def statistics(family):
    return measure_models(family.base, family.ft1, family.ft2)


def agree(predicted, measured, dtype="float32"):
    """Norms, distances and products agree to 1e-5, and to the rounding of the result."""
    keys, left, right = ["tensor", "layer", "kind", "parent"], predicted.frame, measured.frame
    assert left[keys].equals(right[keys])
    assert (predicted.parents, predicted.depth) == (measured.parents, measured.depth)
    rounding = UNIT[dtype] * np.sqrt(right["mm"])
    for column in ("mm", "pp", "dd"):
        gap = np.abs(np.sqrt(left[column]) - np.sqrt(right[column]))
        assert (gap <= 1e-5 * np.sqrt(right[column]) + rounding).all(), column
    gap = np.abs(left["mp"] - right["mp"])
    assert (gap <= (1e-5 * np.sqrt(right["mm"]) + rounding) * np.sqrt(right["pp"])).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.rest_is_slow(keep=5)
def test_prediction_equals_the_real_merge(family, statistics, name):
    recipe = recipes(family)[name]
    assert statistics.can_predict(recipe)
    agree(statistics.predict(recipe), measure_merge(recipe), recipe.get("dtype", "float32"))


@pytest.mark.parametrize("seed", range(8))
def test_any_weights(family, statistics, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation([str(m) for m in (family.base, family.ft1, family.ft2)])
    models = [
        {"model": m, "parameters": {"weight": rng.normal(size=rng.integers(1, 4)).tolist()}} for m in order.tolist()
    ]
    recipe = {"merge_method": "linear", "models": models, "parameters": {"normalize": False}}
    agree(statistics.predict(recipe), measure_merge(recipe))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_models_stored_in_other_dtypes(tmp_path, dtype):
    base = make_model(tmp_path / "base", dtype=dtype)
    family = Family(base, *(make_model(tmp_path / f"ft{i}", base=base, seed=i, dtype=dtype) for i in (1, 2)))
    recipe = {**recipes(family)["task arithmetic"], "dtype": "float32"}
    agree(measure_models(family.base, family.ft1, family.ft2).predict(recipe), measure_merge(recipe))


def test_a_merge_that_is_its_parent_is_at_no_distance(family, statistics):
    recipe = recipes(family)["task arithmetic"]
    for source, weight in zip(recipe["models"], (1.0, 0.0), strict=True):
        source["parameters"] = {"weight": weight}
    predicted = statistics.predict(recipe)
    assert predicted.total("ft1") == 0.0
    assert predicted.total("ft1", "cosine") == pytest.approx(1.0, abs=1e-15)


def test_layers_that_moved_together_are_followed(family, statistics):
    sources = [{"model": str(m), "layer_range": [2, 3]} for m in (family.ft1, family.ft2)]
    recipe = {"merge_method": "slerp", "slices": [{"sources": sources}], "parameters": {"t": 0.3}}
    agree(statistics.predict(recipe), measure_merge(recipe))


def test_a_tied_model_gives_its_embedding_for_a_head(tmp_path):
    tied = make_model(tmp_path / "tied", tied=True)
    untied = make_model(tmp_path / "untied", seed=5)
    recipe = {"merge_method": "linear", "models": [str(tied), str(untied)], "parameters": {"weight": [1, 2]}}
    statistics = measure_models(tied, untied)
    assert "lm_head.weight" in statistics.names
    agree(statistics.predict(recipe), measure_merge(recipe))


def test_no_weight_is_read(family, statistics, monkeypatch):
    made = plan(recipes(family)["slerp"])
    monkeypatch.setattr(InputFiles, "read", None)
    assert 0 < statistics.predict(made).total("ft1") < 1


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties"])
def test_elementwise_methods_are_refused(family, statistics, method):
    recipe = elementwise(family)[method]
    assert not statistics.can_predict(recipe)
    with pytest.raises(PredictionError, match=rf"{method} merges element by element.*nbmerge\.measure_merge"):
        statistics.predict(recipe)


def test_layers_that_were_not_compared_are_refused(family, statistics):
    sources = [{"model": str(family.ft1), "layer_range": [0, 2]}, {"model": str(family.ft2), "layer_range": [1, 3]}]
    recipe = {"merge_method": "slerp", "slices": [{"sources": sources}], "parameters": {"t": 0.3}}
    assert not statistics.can_predict(recipe)
    with pytest.raises(NbmergeError, match=r"model\.layers\.0\.\S+ and 17 more"):
        statistics.predict(recipe)


def test_a_model_that_was_not_measured_is_named(family, statistics, tmp_path):
    stranger = make_model(tmp_path / "stranger", base=family.base, seed=9)
    recipe = {"merge_method": "linear", "models": [str(family.ft1), str(stranger)], "parameters": {"weight": 1}}
    with pytest.raises(ValueError, match="stranger was not measured"):
        statistics.predict(recipe)


def test_a_merge_that_feeds_the_merge_is_named(family, statistics):
    ref = {"merge_method": "linear", "models": [str(family.ft1), "inner"], "parameters": {"weight": 1}}
    inner = {"name": "inner", "merge_method": "linear", "models": [str(family.ft2)], "parameters": {"weight": 0.5}}
    recipe = {**ref, "merges": [inner]}
    assert measure_merge(recipe).total("inner") > 0
    with pytest.raises(PredictionError, match="inner was not measured"):
        statistics.predict(recipe)


@pytest.mark.parametrize("flatten", [True, False])
def test_a_method_of_two_shapes_goes_by_its_values(family, statistics, flatten):
    recipe = {
        "merge_method": "nuslerp",
        "base_model": str(family.base),
        "models": [{"model": str(m), "parameters": {"weight": w}} for m, w in ((family.ft1, 0.3), (family.ft2, 0.7))],
        "parameters": {"nuslerp_flatten": flatten},
    }
    assert statistics.can_predict(recipe) is flatten
    measured = measure_merge(recipe)
    if flatten:
        agree(statistics.predict(recipe), measured)


@pytest.mark.benchmark
def test_prediction_takes_milliseconds(tmp_path):
    """300 tensors × 3 models; 3 ms were measured, so a tenfold slip shows and a busy machine does not."""
    from time import perf_counter

    family = make_family(tmp_path, layers=33, hidden=4, intermediate=4)
    statistics = measure_models(family.base, family.ft1, family.ft2)
    made = plan(recipes(family)["task arithmetic"])
    assert len(made.tensors) == 300
    times = []
    for _ in range(20):
        began = perf_counter()
        statistics.predict(made)
        times.append(perf_counter() - began)
    assert min(times) < 0.03
