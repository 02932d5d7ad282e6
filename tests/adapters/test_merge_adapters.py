"""Adapters merged with each other, against products in float64, merges of the adapted models, and what peft's formulas say."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import nbmerge
from nbmerge.adapters import combine, merge_adapters
from nbmerge.adapters.merge_arguments import check_seed, check_weights
from nbmerge.checkpoints import open_adapter
from nbmerge.engine.compute import Workspace
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.errors import ArgumentError, CheckpointError, MergeStopped
from nbmerge.plots import to_png
from tests.adapters import DOWN, Q, V, make_adapter, modules, passed_through
from tests.models import make_family, make_model, read_tensors

Q0 = "model.layers.0.self_attn.q_proj"
CASES = Path(__file__).parents[1] / "cases" / "adapters"
NEAR = {"rtol": 0, "atol": 5e-7}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("merged") / "base", seed=5)


def products(folder):
    """s·BA of every module, in float64."""
    config = json.loads((folder / "adapter_config.json").read_text())
    scale = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
    found, factors = {}, load_file(folder / "adapter_model.safetensors")
    for name, tensor in factors.items():
        for end in (".lora_A.weight", ".lora_embedding_A"):
            if name.endswith(end):
                up = factors[name.replace("_A", "_B")].double()
                found[name.removeprefix("base_model.model.").removesuffix(end)] = scale * up @ tensor.double()
    return found


def best(matrix, rank):
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u[:, :rank] * s[:rank] @ vh[:rank]


@pytest.fixture(scope="module")
def three(base, tmp_path_factory):
    """Adapters with different modules, scales and ranks; the last one changes the embedding as well."""
    folder = tmp_path_factory.mktemp("three")
    return (
        make_adapter(folder / "a", base, modules(Q, V, DOWN), seed=1),
        make_adapter(folder / "b", base, modules(Q), seed=2, lora_alpha=3, use_rslora=True),
        make_adapter(folder / "c", base, modules(Q), embeddings=["model.embed_tokens"], seed=3, rank=2),
    )


WEIGHTS = (0.7, -0.3, 0.5)


def summed(adapters, weights):
    total = {}
    for adapter, weight in zip(adapters, weights, strict=True):
        for name, product in products(adapter).items():
            total[name] = total.get(name, 0) + weight * product
    return total


@pytest.mark.slow
def test_the_exact_sum_and_its_best_approximation(base, three, tmp_path):
    wanted = summed(three, WEIGHTS)
    exact = merge_adapters(three, tmp_path / "cat", method="cat", weights=WEIGHTS, progress=False)
    assert exact.error < 1e-6
    assert exact.ranks[f"{Q0}.weight"] == 4 + 4 + 2
    got = products(tmp_path / "cat")
    assert got.keys() == wanted.keys()
    for name, product in wanted.items():
        torch.testing.assert_close(got[name], product, **NEAR)
    cut = merge_adapters(three, tmp_path / "svd", weights=WEIGHTS, rank=5, progress=False)
    rows = cut.table.set_index("tensor")
    for name, product in wanted.items():
        near = best(product, 5)
        torch.testing.assert_close(products(tmp_path / "svd")[name], near, **NEAR)
        error = float((product - near).norm() / product.norm())
        assert rows.loc[f"{name}.weight", "error"] == pytest.approx(error, abs=1e-6)
    assert cut.kept([5]).loc["all", 5] < 1 == pytest.approx(cut.kept([10]).loc["all", 10])
    assert set(cut.ranks.values()) == {5, 4, 2}  # where only one adapter changes a module, its rank suffices
    config = json.loads((tmp_path / "svd" / "adapter_config.json").read_text())
    assert config["target_modules"] == ["down_proj", "embed_tokens", "q_proj", "v_proj"]
    before, merged = read_tensors(base), tmp_path / "merged"
    made = read_tensors(nbmerge.merge(passed_through(base, tmp_path / "cat"), merged, progress=False).path)
    for name, product in wanted.items():
        delta = made[f"{name}.weight"].double() - before[f"{name}.weight"].double()
        torch.testing.assert_close(delta, product.T if name.endswith("embed_tokens") else product, **NEAR)
    assert nbmerge.verify(tmp_path / "svd")


def test_factors_are_added_with_roots_of_the_weights(base, three, tmp_path):
    adapters = three[:2]
    found = merge_adapters(adapters, tmp_path / "linear", method="linear", weights=(0.7, -0.3), progress=False)
    one, other = (load_file(adapter / "adapter_model.safetensors") for adapter in adapters)
    key = f"base_model.model.{Q0}.lora_{{}}.weight"
    scales = 0.7 * 8 / 4, -0.3 * 3 / 2
    down = scales[0] ** 0.5 * one[key.format("A")] - abs(scales[1]) ** 0.5 * other[key.format("A")]
    up = scales[0] ** 0.5 * one[key.format("B")] + abs(scales[1]) ** 0.5 * other[key.format("B")]
    torch.testing.assert_close(products(tmp_path / "linear")[Q0], (up @ down).double(), **NEAR)
    exact = summed(adapters, (0.7, -0.3))[Q0]
    error = float(((up @ down).double() - exact).norm() / exact.norm())
    assert found.table.set_index("tensor").loc[f"{Q0}.weight", "error"] == pytest.approx(error, rel=1e-5)
    with pytest.raises(ArgumentError, match="have the ranks 4, 4, 2"):
        merge_adapters(three, tmp_path / "out", method="linear")


def trimmed(product, density):
    kept = product.abs().flatten().topk(int(density * product.numel())).indices
    return product * torch.zeros(product.numel()).index_fill_(0, kept, 1).view(product.shape)


def elected(deltas, weights):
    """peft's disjoint merge."""
    sign = torch.where(sum(deltas) >= 0, 1, -1)
    agree = [delta.sign() == sign for delta in deltas]
    total = sum(w * delta * m for w, delta, m in zip(weights, deltas, agree, strict=True))
    return total / sum(m.double() for m in agree).clamp(min=1)


def test_products_are_trimmed_and_elected_as_peft_does(base, three, tmp_path):
    merge_adapters(three, tmp_path / "ties", method="ties_svd", weights=WEIGHTS, density=0.4, rank=16, progress=False)
    merge_adapters(
        three, tmp_path / "prune", method="magnitude_prune_svd", weights=WEIGHTS, density=0.4, rank=16, progress=False
    )
    deltas = [trimmed(products(adapter)[Q0], 0.4) for adapter in three]
    torch.testing.assert_close(products(tmp_path / "ties")[Q0], elected(deltas, WEIGHTS), **NEAR)
    total = sum(w * delta for w, delta in zip(WEIGHTS, deltas, strict=True))
    torch.testing.assert_close(products(tmp_path / "prune")[Q0], total, **NEAR)


@pytest.mark.parametrize(
    ("method", "recipe", "settings"),
    [("ties_svd", "ties", {}), ("dare_linear_svd", "dare_linear", {}), ("dare_ties_svd", "dare_ties", {})],
)
def test_merged_products_are_those_of_merged_models(base, tmp_path, method, recipe, settings):
    adapters = [make_adapter(tmp_path / x, base, modules(Q, DOWN), seed=i) for i, x in enumerate("ab")]
    weights = {"election": "weighted", "weights": (0.7, 0.4), "density": 0.5, "seed": 7}
    merge_adapters(adapters, tmp_path / "lora", method=method, rank=16, dtype="float32", progress=False, **weights)
    models = [
        {"model": f"{base}+{adapter}", "parameters": {"weight": weight, "density": 0.5}}
        for adapter, weight in zip(adapters, (0.7, 0.4), strict=True)
    ]
    whole = {"merge_method": recipe, "base_model": str(base), "models": models, "random_seed": 7, **settings}
    merged = read_tensors(nbmerge.merge(whole, tmp_path / "whole", progress=False).path)
    made = read_tensors(nbmerge.merge(passed_through(base, tmp_path / "lora"), tmp_path / "made", progress=False).path)
    for module in modules(Q, DOWN):
        torch.testing.assert_close(made[f"{module}.weight"], merged[f"{module}.weight"], rtol=0, atol=2e-6)


def test_plain_elections_are_those_of_merged_models_where_all_weights_are_one(base, tmp_path):
    adapters = [make_adapter(tmp_path / x, base, modules(Q), seed=i) for i, x in enumerate("ab")]
    merge_adapters(adapters, tmp_path / "lora", method="ties_svd", density=0.5, rank=16, progress=False)
    models = [f"{base}+{adapter}" for adapter in adapters]
    whole = {
        "merge_method": "ties", "base_model": str(base), "models": models, "parameters": {"weight": 1.0, "density": 0.5},
    }  # fmt: skip
    merged = read_tensors(nbmerge.merge(whole, tmp_path / "whole", progress=False).path)
    delta = merged[f"{Q0}.weight"].double() - read_tensors(base)[f"{Q0}.weight"].double()
    torch.testing.assert_close(products(tmp_path / "lora")[Q0], delta, rtol=0, atol=2e-6)


def test_large_products_are_sketched_close_to_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(combine, "WHOLE", 0)
    base = make_model(tmp_path / "base", layers=1, hidden=160, intermediate=224)
    adapters = [make_adapter(tmp_path / x, base, modules(Q, layers=1), seed=i, rank=8) for i, x in enumerate("ab")]
    merge_adapters(adapters, tmp_path / "out", method="ties_svd", density=0.3, rank=8, progress=False)
    whole = elected([trimmed(products(adapter)[Q0], 0.3) for adapter in adapters], (1, 1))
    reached = (whole - products(tmp_path / "out")[Q0]).norm() / whole.norm()
    assert reached < 1.01 * (whole - best(whole, 8)).norm() / whole.norm()


def test_saved_modules_and_biases_are_merged_relative_to_the_model(tmp_path):
    base = make_model(tmp_path / "qwen", architecture="qwen2")
    before = read_tensors(base)
    bias, norm, shift = f"{Q0}.bias", "model.norm.weight", f"{Q0}.lora_B.bias"
    own = [{bias: before[bias] + 1, norm: before[norm] + i, shift: torch.full((16,), 1.0 + i)} for i in range(2)]
    how = {"bias": "all", "modules_to_save": ["norm"], "lora_bias": True}
    one, other = (make_adapter(tmp_path / x, base, [Q0], seed=i, extra=own[i], **how) for i, x in enumerate("ab"))
    with pytest.raises(ArgumentError, match=r"save model.layers.0.self_attn.q_proj.bias whole.*base=MODEL"):
        merge_adapters([one, other], tmp_path / "out")
    merge_adapters([one, other], tmp_path / "out", weights=(0.5, 0.25), base=base, progress=False)
    made = read_tensors(nbmerge.merge(passed_through(base, tmp_path / "out"), tmp_path / "made", progress=False).path)
    torch.testing.assert_close(made[norm], before[norm] + 0.25)
    torch.testing.assert_close(made[bias], before[bias] + 0.75 + 2 * (0.5 * 1 + 0.25 * 2))
    assert nbmerge.verify(tmp_path / "out")
    without = make_adapter(tmp_path / "c", base, modules(Q))
    with pytest.raises(CheckpointError, match=r"none of the adapters has one for model\.layers\.1"):
        merge_adapters([one, without], tmp_path / "mixed", base=base)


def test_a_module_that_one_adapter_saves_is_copied(base, three, tmp_path):
    head = {"lm_head.weight": torch.randn(32, 16)}
    saving = make_adapter(tmp_path / "s", base, modules(Q), extra=head, modules_to_save=["lm_head"], rank=2)
    found = merge_adapters([three[0], saving], tmp_path / "out", weights=(0.5, 1), progress=False)
    stored = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert torch.equal(stored["base_model.model.lm_head.weight"], head["lm_head.weight"])
    assert found.table.set_index("tensor").loc["lm_head.weight", "way"] == "saved"
    with pytest.raises(ArgumentError, match="base=MODEL"):
        merge_adapters([three[0], saving], tmp_path / "half", weights=0.5)


def test_bytes_are_the_same_after_a_stop_and_with_other_threads(three, tmp_path):
    stop, how = threading.Event(), {"method": "dare_ties_svd", "density": 0.5, "seed": 4}

    def listen(event):
        if event.tensors_done == 5:
            stop.set()

    with pytest.raises(MergeStopped):
        merge_adapters(three, tmp_path / "one", threads=1, progress=listen, cancel=stop, **how)
    assert not (tmp_path / "one").exists()
    planned = []
    found = merge_adapters(three, tmp_path / "one", progress=planned.append, **how)
    assert planned[0].tensors < len(found.tensors)  # the others are kept
    merge_adapters(three, tmp_path / "two", threads=3, progress=False, **how)
    names = ["README.md", "adapter_config.json", "adapter_model.safetensors", "nbmerge_checksums.json"]
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    merge_adapters(three, tmp_path / "other", progress=False, **how | {"seed": 5})
    weights = [tmp_path / x / "adapter_model.safetensors" for x in ("one", "other")]
    assert weights[0].read_bytes() != weights[1].read_bytes()


def test_a_convolution_keeps_its_kernels(tmp_path):
    recorded = CASES / "convolutions"
    adapter, base = recorded / "adapter0", recorded / "base"
    found = merge_adapters([adapter, adapter], tmp_path / "out", weights=(0.25, 0.75), progress=False)
    assert found.error < 1e-6
    stored = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert stored["base_model.model.model.encoder.conv1.lora_A.weight"].shape == (2, 4, 3)
    made = read_tensors(nbmerge.merge(passed_through(base, tmp_path / "out"), tmp_path / "made", progress=False).path)
    for name, tensor in load_file(recorded / "merged.safetensors").items():
        torch.testing.assert_close(made[name], tensor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", [{"method": "cat"}, {"method": "ties_svd", "density": 1.0, "rank": 8}], ids=str)
def test_what_was_taken_from_the_base_is_taken_from_the_merge(tmp_path, how):
    recorded = CASES / "trained_beside_pissa"
    base = make_model(tmp_path / "base", **json.loads((recorded / "model.json").read_text())["model"])
    merge_adapters([recorded / "adapter0"], tmp_path / "out", progress=False, **how)
    made = read_tensors(nbmerge.merge(passed_through(base, tmp_path / "out"), tmp_path / "made", progress=False).path)
    for name, tensor in load_file(recorded / "merged.safetensors").items():
        torch.testing.assert_close(made[name], tensor, rtol=1e-5, atol=1e-6)
    with pytest.raises(ArgumentError, match="difference of two products"):
        merge_adapters([recorded / "adapter0"], tmp_path / "linear", method="linear")


def test_weights_may_be_numbers_of_numpy():
    assert check_weights(np.array([0.5, 2.0], np.float32), 2) == (0.5, 2.0)
    assert check_weights(np.float32(0.5), 3) == (0.5,) * 3
    assert check_seed(np.int64(3)) == 3


def test_what_cannot_be_merged_is_refused(base, three, tmp_path):
    one = three[0]

    def refuse(error, match, adapters=three, **how):
        with pytest.raises(error, match=match):
            merge_adapters(adapters, tmp_path / "out", **how)
        assert not list(tmp_path.glob("*out*"))

    refuse(ArgumentError, "Did you mean 'ties_svd'", method="tie_svd", density=0.5)
    refuse(ArgumentError, "pass density", method="ties_svd")
    refuse(ArgumentError, "density has no effect", density=0.5)
    refuse(ArgumentError, "density is the share", method="ties_svd", density=50)
    refuse(ArgumentError, "length 2, and there are 3 adapters", weights=(1, 2))
    refuse(ArgumentError, "finite numbers", weights=(1, 2, float("nan")))
    refuse(ArgumentError, "all weights are 0", weights=0)
    refuse(ArgumentError, "weights is a number, or a list", weights=None)
    refuse(ArgumentError, "unknown combination type", method=["svd"])
    refuse(ArgumentError, "no matrix of the adapters has more than 16", rank=17)
    refuse(ArgumentError, "rank is a whole number", rank=0)
    refuse(ArgumentError, "cat keeps the ranks", method="cat", rank=4)
    refuse(ArgumentError, "dtype must be", dtype="int8")
    refuse(ArgumentError, "consensus must be one of", method="ties_svd", density=0.5, consensus="mean")
    refuse(ArgumentError, "a list of folders", adapters=str(one))
    refuse(CheckpointError, "is not an adapter", adapters=[one, base])
    refuse(CheckpointError, "cancel with these weights", adapters=[one, one], weights=(1, -1))
    dora = make_adapter(tmp_path / "dora", base, modules(Q), dora=True)
    refuse(CheckpointError, "is a DoRA.*Name the model: base=MODEL", adapters=[one, dora])
    broken = make_model(tmp_path / "broken", base=base, replace={f"{Q0}.weight": torch.full((16, 16), torch.nan)})
    refuse(CheckpointError, "merged change of .* contains NaN", adapters=[dora], base=broken)
    refuse(ArgumentError, "it is a DoRA. Choose svd,", adapters=[one, dora], base=base, method="cat")
    experts = [CASES / f"experts_{model}" / "adapter0" for model in ("qwen3", "mixtral")]
    refuse(CheckpointError, "different models: their changes of .*down_proj are 3×8×6 and", adapters=experts)
    wide = make_adapter(tmp_path / "wide", make_model(tmp_path / "w", hidden=32), modules(Q))
    refuse(CheckpointError, "different models: their changes of .* are 16×16 and 32×32", adapters=[one, wide])
    twins = [make_adapter(tmp_path / x / "lora", base, modules(Q), seed=i) for i, x in enumerate(("i", "ii"))]
    assert merge_adapters(twins, tmp_path / "twins", progress=False).adapters == ("i/lora", "ii/lora")
    named = [make_adapter(tmp_path / x, base, modules(Q), base_model_name_or_path=f"org/{x}") for x in ("this", "that")]
    refuse(CheckpointError, "made for org/this, and .* for org/that", adapters=named)
    merge_adapters(named, tmp_path / "named", base=base, progress=False)
    refuse(CheckpointError, "another model", adapters=named, base=make_model(tmp_path / "narrow", hidden=32))
    nan = make_adapter(
        tmp_path / "nan", base, modules(Q), extra={f"{Q0}.lora_A.weight": torch.full((4, 16), torch.nan)}
    )
    refuse(CheckpointError, "NaN", adapters=[one, nan])
    refuse(CheckpointError, "NaN", adapters=[one, nan], method="ties_svd", density=0.5)


def test_results_are_shown(three, tmp_path):
    found = merge_adapters(three, tmp_path / "lora", weights=WEIGHTS, rank=3, progress=False)
    assert "rank 2 to 3 in 10 modules" in repr(found)
    html = found._repr_html_()
    assert "a + b + c" in html
    for what in ("rank", "error"):
        assert to_png(found.plot(what)).startswith(b"\x89PNG")
    assert found.summary.loc[0, "attention"] > 0.1
    card = (tmp_path / "lora" / "README.md").read_text()
    assert "`svd`" in card
    assert "- `b`, weight -0.3" in card


@pytest.mark.slow
def test_extracted_adapters_are_merged_into_what_their_models_would_be(tmp_path):
    family = make_family(tmp_path)
    adapters = [tmp_path / "one", tmp_path / "two"]
    for model, adapter in zip((family.ft1, family.ft2), adapters, strict=True):
        nbmerge.extract_lora(model, family.base, adapter, rank=16, dtype="float32", progress=False)
    both = merge_adapters(adapters, tmp_path / "both", weights=0.5, rank=16, base=family.base, progress=False)
    assert both.error < 1e-6
    recipe = {
        "merge_method": "task_arithmetic", "base_model": str(family.base), "parameters": {"weight": 0.5},
        "models": [str(family.ft1), str(family.ft2)],
    }  # fmt: skip
    wanted = read_tensors(nbmerge.merge(recipe, tmp_path / "wanted", progress=False).path)
    made = passed_through(family.base, tmp_path / "both")
    for name, tensor in read_tensors(nbmerge.merge(made, tmp_path / "made", progress=False).path).items():
        torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=2e-6)


@pytest.mark.slow
def test_a_dora_is_merged_by_all_that_it_changes(base, tmp_path):
    adapters = [
        make_adapter(tmp_path / "dora", base, modules(Q), seed=1, dora=True),
        make_adapter(tmp_path / "lora", base, modules(Q), seed=2),
    ]
    found = merge_adapters(adapters, tmp_path / "out", weights=(0.7, 0.5), rank=9, base=base, progress=False)
    weight = read_tensors(base)[f"{Q0}.weight"].double()
    magnitude = load_file(adapters[0] / "adapter_model.safetensors")[f"base_model.model.{Q0}.lora_magnitude_vector"]
    directions = weight + products(adapters[0])[Q0]
    scaled = magnitude.double()[:, None] * directions / directions.norm(dim=1, keepdim=True)
    wanted = 0.7 * (scaled - weight) + 0.5 * products(adapters[1])[Q0]
    torch.testing.assert_close(products(tmp_path / "out")[Q0], best(wanted, 9), rtol=0, atol=5e-6)
    row = found.table.set_index("tensor").loc[f"{Q0}.weight"]
    assert row["error"] == pytest.approx(float((wanted - best(wanted, 9)).norm() / wanted.norm()), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        "dora", "gpt2_dora", "embedding_dora", "embeddings", "convolutions_dora", "experts_in_one_tensor", "experts_qwen3",
        "experts_mixtral",
    ],
)  # fmt: skip
def test_halves_of_what_peft_trained_are_together_what_peft_computes(case, tmp_path):
    told = json.loads((CASES / case / "model.json").read_text())
    base = CASES / case / "base" if "model" not in told else make_model(tmp_path / "base", **told["model"])
    adapter = CASES / case / "adapter0"
    for method, settings in {"svd": {}, "magnitude_prune_svd": {"density": 1}}.items():
        out = tmp_path / method
        merge_adapters(
            [adapter, adapter], out, method=method, weights=0.5, energy=1.0, base=base, progress=False, **settings
        )
        made = nbmerge.compute_tensors(passed_through(base, out))
        for name, tensor in load_file(CASES / case / "merged.safetensors").items():
            torch.testing.assert_close(made[name], tensor, rtol=1e-5, atol=5e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["svd", "cat", "linear", "ties_svd"])
def test_experts_are_merged_one_by_one_and_share_a_rank(method, tmp_path):
    settings = {"density": 0.5} if method == "ties_svd" else {} if method != "svd" else {"rank": 3}
    adapter = CASES / "experts_in_one_tensor" / "adapter0"
    names = [f"model.layers.0.mlp.experts.{part}" for part in ("gate_up_proj", "down_proj")]
    other = tmp_path / "other"
    shutil.copytree(adapter, other)
    factors = load_file(adapter / "adapter_model.safetensors")
    draw = torch.Generator().manual_seed(3)
    save_file(
        {n: torch.randn(t.shape, generator=draw) for n, t in factors.items()}, other / "adapter_model.safetensors"
    )
    found = merge_adapters(
        [adapter, other], tmp_path / "out", method=method, weights=(0.7, -0.4), progress=False, **settings
    )
    read = [open_adapter(a).experts for a in (adapter, other, tmp_path / "out")]
    for name in names:
        one, two, both = (expert_products(own[name]) for own in read)
        assert found.ranks[name] == read[2][name].rank
        exact = 0.7 * one - 0.4 * two
        if method == "cat":
            torch.testing.assert_close(both, exact, rtol=1e-5, atol=1e-5)
        elif method == "svd":
            torch.testing.assert_close(both, torch.stack([best(e, 3) for e in exact]), rtol=1e-5, atol=1e-5)
        row = found.table.set_index("tensor").loc[name]
        if method != "ties_svd":
            assert row["norm"] == pytest.approx(float(exact.norm()), rel=1e-5)
            assert row["error"] == pytest.approx(float((both - exact).norm() / exact.norm()), abs=1e-5)


def expert_products(change):
    """s·BA of every expert, in float64."""
    with InputFiles() as files:
        workspace = Workspace(files)
        factors = (workspace.stored(0, t, 0, t.count).view(t.shape).double() for t in (change.down, change.up))
        down, up = factors
    down, up = down.view(change.experts, change.rank, -1), up.view(-1, change.rank, change.experts).permute(2, 0, 1)
    return change.scale * up @ down
