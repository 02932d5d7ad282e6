"""Statistics of texts, and merges that use them, against whole models in plain torch."""

import errno
import json
import shutil
import threading
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

import nbmerge as nbm
from nbmerge.analysis.gathering import gather, gather_statistics
from nbmerge.analysis.gathering.gradient_squares import SignedSum
from nbmerge.analysis.gathering.statistics_file import StatisticsFile
from nbmerge.engine.cost import worker_bytes
from nbmerge.errors import ArgumentError, MergeStopped, OutputError, RecipeError, SampleError
from nbmerge.sampling import load
from tests.models import make_model, read_tensors

WEIGHTS = {"ft1": 1.0, "ft2": 0.5}


def recipe(pair, method, **parameters):
    models = [{"model": str(m), "parameters": {"weight": WEIGHTS[m.name]}} for m in pair.models]
    return {"merge_method": method, "models": models, "parameters": parameters}


def tokens_of(loaded, texts):
    return [torch.tensor([loaded.tokenizer(text)["input_ids"]]) for text in texts]


def plain_products(model, texts):
    """XᵀX / n of every linear layer, in float64."""
    loaded = load(model)
    whole, count, found, hooks = loaded.model.double(), 0, {}, []
    for name, module in whole.named_modules():
        if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D":

            def record(module, given, name=name):
                rows = given[0].reshape(-1, given[0].shape[-1])
                found[f"{name}.weight"] = found.get(f"{name}.weight", 0) + rows.T @ rows

            hooks.append(module.register_forward_pre_hook(record))
    with torch.no_grad():
        for ids in tokens_of(loaded, texts):
            whole(ids)
            count += ids.shape[1]
    return {name: product / count for name, product in found.items()}


def read_all(file):
    with safe_open(file, framework="pt") as opened:
        names, aliases = list(opened.keys()), json.loads(opened.metadata()["aliases"])
        own = {name: opened.get_tensor(name) for name in names}
    return own | {name: own[owner] for name, owner in aliases.items()}, aliases


def test_regmean_is_the_regression_in_float64(pair, tmp_path):
    gathered = gather_statistics(recipe(pair, "regmean", reduction=0.9), pair.texts, folder=tmp_path)
    products = [plain_products(m, pair.texts[m.name]) for m in pair.models]
    for file, own in zip(gathered.files.values(), products, strict=True):
        found, aliases = read_all(file)
        assert found.keys() == {name for name in own if "head" not in name}
        assert len(aliases) == (6 if "model.layers.0.mlp.up_proj.weight" in found else 0)  # q, k, v; gate, up
        for name, product in found.items():
            torch.testing.assert_close(product.double(), own[name], rtol=1e-4, atol=1e-5)
    merged = dict(nbm.live(gathered.recipe).model.state_dict())
    one, two = (read_tensors(m) for m in pair.models)
    transposed = "transformer.wte.weight" in one
    for name in one:
        a, b = one[name].double(), two[name].double()
        if name in products[0] and "head" not in name:
            g, h = (w * torch.where(torch.eye(len(p[name]), dtype=torch.bool), p[name], 0.9 * p[name])
                    for w, p in zip(WEIGHTS.values(), products, strict=True))  # fmt: skip
            a, b = (a.T, b.T) if transposed else (a, b)
            expected = torch.linalg.solve(g + h, (a @ g + b @ h).T).T
            expected = expected.T if transposed else expected
        else:
            expected = (a + 0.5 * b) / 1.5
        torch.testing.assert_close(merged[name].double(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_fisher_is_the_weighted_mean_in_float64(pair, tmp_path):
    gathered = gather_statistics(recipe(pair, "fisher", floor=0.1), pair.texts, folder=tmp_path)
    squares = []
    for model, file in zip(pair.models, gathered.files.values(), strict=True):
        loaded, own = load(model), read_all(file)[0]
        whole, score, sums, count = loaded.model.double(), SignedSum(), {}, 0
        for ids in tokens_of(loaded, pair.texts[model.name]):
            logs = whole(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
            whole.zero_grad()
            score.combine([logs]).backward()
            count += len(logs)
            for name, weight in whole.named_parameters():
                sums[name] = sums.get(name, 0) + weight.grad**2
        squares.append({name: total / count for name, total in sums.items()})
        tied = {"transformer.wte.weight"}  # whose derivatives as embedding and as head are squared apart
        for name in own.keys() - tied:
            torch.testing.assert_close(own[name].double(), squares[-1][name], rtol=1e-2, atol=1e-9)
    merged = nbm.live(gathered.recipe).model.state_dict()
    one, two = (read_tensors(m) for m in pair.models)
    name = next(n for n in one if "layers.1.mlp.up" in n or "h.1.mlp.c_fc.weight" in n)
    floor = 0.1 * (squares[0][name].mean() + squares[1][name].mean()) / 2
    f, g = squares[0][name] + floor, 0.5 * (squares[1][name] + floor)
    expected = (f * one[name] + g * two[name]) / (f + g)
    torch.testing.assert_close(merged[name].double(), expected, rtol=1e-2, atol=2e-4)


@pytest.mark.slow
def test_random_signs_have_the_squares_of_all_tokens_as_their_mean():
    weight = torch.randn(3, dtype=torch.float64)
    inputs = torch.randn(5, 3, dtype=torch.float64)
    score, drawn = SignedSum(), []
    for _ in range(4000):
        leaf = weight.clone().requires_grad_()
        score.combine([(inputs @ leaf).sin()]).backward()
        drawn.append(leaf.grad**2)
    slopes = (inputs @ weight).cos()[:, None] * inputs
    torch.testing.assert_close(torch.stack(drawn).mean(0), (slopes**2).sum(0), rtol=0.1, atol=0.01)


@pytest.mark.parametrize("method", ["regmean", "fisher"])
@pytest.mark.rest_is_slow(keep=2)
def test_merges_on_disk_are_those_in_memory_and_equal_models_give_themselves(pair, tmp_path, method):
    gathered = gather_statistics(recipe(pair, method), pair.texts, folder=tmp_path)
    live = nbm.live(gathered.recipe).model.state_dict()
    written = read_tensors(nbm.merge(gathered.recipe, tmp_path / "out", progress=False).path)
    assert all(torch.equal(live[name], tensor) for name, tensor in written.items())
    again = gather_statistics(gathered.recipe, pair.texts, folder=tmp_path)
    assert set(again.tokens.values()) == {0}  # found, not gathered again
    assert again.files == gathered.files
    changed = gather_statistics(gathered.recipe, pair.texts | {"ft2": ["other"]}, folder=tmp_path)
    assert list(changed.tokens.values()) == [0, len("other")]
    copy = make_model(tmp_path / "copy", base=pair.models[0], noise=0.0)
    twins = {"merge_method": method, "models": [str(pair.models[0]), str(copy)]}
    same = nbm.live(gather_statistics(twins, "a fox and an owl.", folder=tmp_path).recipe).model.state_dict()
    assert all(torch.equal(same[name], tensor) for name, tensor in read_tensors(copy).items())


def test_statistics_in_the_cache_have_a_key(pair, tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="no cache"):
        gather_statistics(recipe(pair, "regmean"), pair.texts)
    monkeypatch.setenv("NBMERGE_CACHE", str(tmp_path))
    gathered = gather_statistics(recipe(pair, "regmean"), pair.texts)
    keys = [source.parameters["statistics"].plain() for source in gathered.recipe.models]
    assert all(key.startswith("regmean-") for key in keys)
    plan = nbm.plan(gathered.recipe)
    assert "statistics" in plan.formula(next(t.name for t in plan.tensors if t.values.matrix)).text
    assert plan.values()["statistics[ft1]"][0] == keys[0]
    for file in gathered.files.values():
        file.unlink()
    with pytest.raises(RecipeError, match=f"no statistics '{keys[0]}' on this machine.*gather_statistics"):
        nbm.plan(gathered.recipe)


def test_what_cannot_be_gathered(pair, tmp_path):
    with pytest.raises(ArgumentError, match="linear needs no statistics"):
        gather_statistics(recipe(pair, "linear"), pair.texts, folder=tmp_path)
    with pytest.raises(ArgumentError, match="no texts for ft2"):
        gather_statistics(recipe(pair, "fisher"), {"ft1": ["a"]}, folder=tmp_path)
    with pytest.raises(ArgumentError, match="no model 'ft3'"):
        gather_statistics(recipe(pair, "fisher"), pair.texts | {"ft3": ["a"]}, folder=tmp_path)
    half = gather_statistics(recipe(pair, "regmean"), pair.texts, folder=tmp_path).recipe
    half = half.with_parameter("statistics", None, str(pair.models[1]))
    with pytest.raises(RecipeError, match="some models have statistics and others do not"):
        nbm.plan(half)
    events = []
    gather_statistics(recipe(pair, "regmean"), pair.texts, folder=tmp_path / "told", progress=events.append)
    assert [e.kind for e in events] == ["planned", *["tensor"] * events[-1].tensors, "finished"]
    stop = threading.Event()
    stop.set()
    with pytest.raises(MergeStopped):
        gather_statistics(recipe(pair, "fisher"), pair.texts, folder=tmp_path / "new", cancel=stop)
    assert not [f for f in (tmp_path / "new").glob("*") if f.is_file()]


def test_a_plan_is_taken_for_its_recipe(pair, tmp_path):
    given = recipe(pair, "regmean")
    found = gather_statistics(given, pair.texts, folder=tmp_path)
    assert gather_statistics(nbm.plan(given), pair.texts, folder=tmp_path).recipe == found.recipe


def test_a_full_disk_is_found_before_models_are_evaluated(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=100))
    monkeypatch.setattr(gather, "LayeredModel", lambda *args: pytest.fail("evaluated"))
    for method in ("regmean", "fisher"):
        with pytest.raises(OutputError, match=r"not enough disk space .* and 100 B are free"):
            gather_statistics(recipe(pair, method), pair.texts, folder=tmp_path / "new")


@pytest.mark.parametrize("method", ["regmean", "fisher"])
def test_the_least_space_is_not_above_what_files_have(pair, tmp_path, monkeypatch, method):
    asked = []
    monkeypatch.setattr(gather, "_check_space", lambda folder, needed: asked.append(needed))
    files = gather_statistics(recipe(pair, method), pair.texts, folder=tmp_path).files.values()
    assert 0.2 * sum(file.stat().st_size for file in files) < asked[0] <= sum(file.stat().st_size for file in files)


def test_a_disk_that_becomes_full_leaves_no_file(tmp_path):
    def fill_up(raw):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write():
        with StatisticsFile(tmp_path / "a.safetensors", 1) as file:
            file._opened = SimpleNamespace(write=fill_up, close=file._opened.close)
            file.add("weight", torch.zeros(2))

    with pytest.raises(OutputError, match=r"a\.safetensors cannot be written: No space left on device"):
        write()
    assert not list(tmp_path.iterdir())


def test_texts_that_are_no_unicode_are_refused(pair, tmp_path):
    with pytest.raises(SampleError, match="cannot be evaluated on these texts"):
        gather_statistics(recipe(pair, "regmean"), "half a character: \ud83d", folder=tmp_path)


@pytest.mark.parametrize("method", ["regmean", "fisher"])
def test_without_statistics_it_is_the_weighted_mean_and_says_so(pair, method):
    plan = nbm.plan(recipe(pair, method))
    assert ["without statistics of texts" in p.what for p in plan.problems if p.severity == "warning"] == [True]
    merged, (one, two) = nbm.live(plan).model.state_dict(), (read_tensors(m) for m in pair.models)
    for name in one:
        torch.testing.assert_close(merged[name], (one[name] + 0.5 * two[name]) / 1.5, rtol=1e-5, atol=1e-6)


def test_statistics_of_another_model_are_refused(pair, tmp_path):
    gathered = gather_statistics(recipe(pair, "fisher"), pair.texts, folder=tmp_path)
    for file in gathered.files.values():
        with StatisticsFile(file, 1) as opened:
            opened.add(next(n for n in read_tensors(pair.models[0]) if "mlp" in n), torch.zeros(2, 2))
    with pytest.raises(nbm.errors.MergeError, match="are of another model"):
        nbm.live(gathered.recipe)


def test_memory_for_solving_is_foreseen(pair, tmp_path):
    gathered = gather_statistics(recipe(pair, "regmean"), pair.texts, folder=tmp_path).recipe
    tensors = {t.name: t for t in nbm.plan(gathered).tensors}
    down = next(t for name, t in tensors.items() if "down_proj.weight" in name or "mlp.c_proj.weight" in name)
    mean = next(t for t in nbm.plan(recipe(pair, "regmean")).tensors if t.name == down.name)
    assert worker_bytes(down) >= worker_bytes(mean) + 24**2 * 28  # 24 inputs, two models
