"""Adapters out of fine-tunes, against decompositions in float64, and as recipes read them."""

import json
import threading

import numpy as np
import pytest
import torch

import nbmerge
from nbmerge.adapters import extract, extract_lora
from nbmerge.errors import ArgumentError, CheckpointError, MergeStopped, OutputError
from nbmerge.plots import to_png
from tests.adapters import passed_through
from tests.models import make_family, make_model, read_tensors

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return make_family(tmp_path_factory.mktemp("family"))


def adapted(base, adapter, folder):
    """The tensors of a base with an adapter, as a recipe merges them."""
    return read_tensors(nbmerge.merge(passed_through(base, adapter), folder, progress=False).path)


def changes(base, model):
    one, other = read_tensors(base), read_tensors(model)
    return {name: other[name].double() - one[name].double() for name in one}


@pytest.mark.parametrize(
    "kind", [{}, {"tied": True}, {"architecture": "qwen2", "dtype": "bfloat16"}, {"architecture": "gpt2"}]
)
@pytest.mark.rest_is_slow(keep=2)
def test_full_ranks_give_the_fine_tune(kind, tmp_path):
    base = make_model(tmp_path / "base", **kind)
    model = make_model(tmp_path / "ft", base=base, seed=1, dtype=kind.get("dtype", "float32"))
    found = extract_lora(model, base, tmp_path / "lora", dtype="float32")
    assert found.error < 1e-6
    made, wanted = adapted(base, tmp_path / "lora", tmp_path / "merged"), read_tensors(model)
    for name, tensor in wanted.items():
        assert torch.allclose(made[name].float(), tensor.float(), atol=1e-6), name
    if kind.get("tied"):  # the adapter changes both, so the result has a head of its own
        assert torch.equal(made["lm_head.weight"], wanted["model.embed_tokens.weight"])
    assert nbmerge.verify(tmp_path / "lora")


def test_each_module_holds_the_best_of_its_rank(family, tmp_path):
    found = extract_lora(family.ft1, family.base, tmp_path / "lora", rank=5)
    made, deltas = adapted(family.base, tmp_path / "lora", tmp_path / "merged"), changes(family.base, family.ft1)
    base = read_tensors(family.base)
    rows = found.table.set_index("tensor")
    factors = rows[rows["way"] == "lora"]
    assert len(factors) == 7 * 3
    for name, row in factors.iterrows():
        squares = torch.linalg.svdvals(deltas[name]) ** 2
        best = float(squares[:5].sum() / squares.sum())
        assert row["kept"] == pytest.approx(best, abs=1e-6)
        lost = (made[name].double() - base[name].double() - deltas[name]).norm() / deltas[name].norm()
        assert row["error"] == pytest.approx(float(lost), rel=1e-5)
        assert row["rank for 90 %"] is None or squares[: row["rank for 90 %"]].sum() >= 0.9 * squares.sum()
    assert set(rows.drop(factors.index)["way"]) == {"saved"}
    assert found.kept().loc["all", 4] < found.kept([5]).loc["all", 5] < found.kept().loc["all", 8]


@pytest.mark.slow
def test_large_matrices_are_sketched_close_to_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "WHOLE", 0)
    family = make_family(tmp_path, layers=1, hidden=160, intermediate=224)
    found = extract_lora(family.ft1, family.base, tmp_path / "lora", rank=8)
    deltas = changes(family.base, family.ft1)
    for t in found.tensors:
        if t.way == "lora":
            squares = (torch.linalg.svdvals(deltas[t.spectrum.tensor]) ** 2).numpy()
            best = squares[:8].sum() / squares.sum()
            assert 0.99 * best < t.kept <= best * (1 + 1e-6)  # of noise, the hardest case
            assert best <= t.kept + t.spectrum.kept_error(8) + 1e-6


@pytest.mark.slow
def test_ranks_follow_the_energy(family, tmp_path):
    found = extract_lora(family.ft1, family.base, tmp_path / "lora", energy=0.8)
    for name, delta in changes(family.base, family.ft1).items():
        if name in found.ranks:
            shares = (torch.linalg.svdvals(delta) ** 2).cumsum(0) / delta.square().sum()
            assert found.ranks[name] == int(np.searchsorted(shares.numpy(), 0.8)) + 1
    config = json.loads((tmp_path / "lora" / "adapter_config.json").read_text())
    own = {name.removesuffix(".weight"): rank for name, rank in found.ranks.items()}
    assert {m: config["rank_pattern"].get(m, config["r"]) for m in own} == own
    assert config["alpha_pattern"] == config["rank_pattern"]
    assert config["lora_alpha"] == config["r"]
    assert min(t.kept for t in found.tensors) >= 0.8
    adapted(family.base, tmp_path / "lora", tmp_path / "merged")  # the reader compares ranks with the config
    capped = extract_lora(family.ft1, family.base, tmp_path / "capped", energy=0.8, rank=3)
    assert set(capped.ranks.values()) == {3}


def test_only_what_changed_is_in_the_adapter(family, tmp_path):
    base = read_tensors(family.base)
    u, v = torch.randn(24, 2), torch.randn(2, 16)
    model = make_model(tmp_path / "ft", replace=base | {UP: base[UP] + 0.01 * u @ v})
    found = extract_lora(model, family.base, tmp_path / "lora", rank=8)
    assert found.ranks == {UP: 2} or found.ranks[UP] < 8  # the sum is rounded to float32
    config = json.loads((tmp_path / "lora" / "adapter_config.json").read_text())
    assert config["target_modules"] == ["model.layers.1.mlp.up_proj"]
    assert config["modules_to_save"] is None
    assert set(found.table.set_index("tensor").drop(UP)["way"]) == {"unchanged"}
    made = adapted(family.base, tmp_path / "lora", tmp_path / "merged")
    assert all(torch.equal(made[name], tensor) for name, tensor in base.items() if name != UP)


@pytest.mark.slow
def test_bytes_are_the_same_after_a_stop_and_with_other_threads(family, tmp_path):
    stop = threading.Event()

    def listen(event):
        if event.tensors_done == 5:
            stop.set()

    with pytest.raises(MergeStopped):
        extract_lora(family.ft1, family.base, tmp_path / "one", rank=4, threads=1, progress=listen, cancel=stop)
    assert not (tmp_path / "one").exists()
    planned = []
    extract_lora(family.ft1, family.base, tmp_path / "one", rank=4, progress=planned.append)
    assert planned[0].tensors < len(read_tensors(family.base))  # the others are kept
    extract_lora(family.ft1, family.base, tmp_path / "two", rank=4, threads=3)
    names = ["README.md", "adapter_config.json", "adapter_model.safetensors", "nbmerge_checksums.json"]
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_what_cannot_be_extracted_is_refused(family, tmp_path):
    def refuse(error, match, model=family.ft1, base=family.base, **how):
        with pytest.raises(error, match=match):
            extract_lora(model, base, tmp_path / "out", **how)
        assert not list(tmp_path.glob("*out*"))

    refuse(ArgumentError, "no matrix of .* has more than 16", rank=17)
    refuse(ArgumentError, "rank is a whole number", rank=0)
    refuse(ArgumentError, "energy is the share", energy=90)
    refuse(ArgumentError, "dtype must be", dtype="int8")
    refuse(ArgumentError, "both the fine-tune and the base", base=family.ft1)
    refuse(CheckpointError, "is not a fine-tune of", model=make_model(tmp_path / "stranger", seed=9))
    refuse(CheckpointError, "have the same weights", model=make_model(tmp_path / "copy"))
    refuse(CheckpointError, "33 tokens", model=make_model(tmp_path / "more", vocab=33))
    refuse(CheckpointError, "different numbers of layers", model=make_model(tmp_path / "deep", layers=4))
    tensors = read_tensors(family.base)
    embedding = {"model.embed_tokens.weight": tensors["model.embed_tokens.weight"] + 1e-3}
    refuse(CheckpointError, "changed no matrix .* only embedding", model=make_model(tmp_path / "e", replace=embedding))
    nan = {UP: tensors[UP] * torch.nan}
    refuse(CheckpointError, "NaN", model=make_model(tmp_path / "nan", replace=nan))


def test_only_models_and_adapters_are_replaced(family, tmp_path):
    out = tmp_path / "lora"
    extract_lora(family.ft1, family.base, out, rank=2)
    with pytest.raises(OutputError, match="overwrite"):
        extract_lora(family.ft1, family.base, out, rank=3)
    assert set(extract_lora(family.ft1, family.base, out, rank=3, overwrite=True).ranks.values()) == {3}
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        extract_lora(family.ft1, family.base, out, rank=2, overwrite=True)
    with pytest.raises(CheckpointError, match="has no recipe"):
        nbmerge.verify(out, derive=True)
    (out / "adapter_model.safetensors").write_bytes((out / "adapter_model.safetensors").read_bytes()[:-1] + b"x")
    assert not nbmerge.verify(out)


@pytest.mark.slow
def test_results_are_shown(family, tmp_path):
    found = extract_lora(family.ft1, family.base, tmp_path / "lora", rank=4)
    assert "rank 4 in 21 modules" in repr(found)
    html = found._repr_html_()
    assert "ft1 as an adapter of base" in html
    for what in ("rank", "error"):
        assert to_png(found.plot(what)).startswith(b"\x89PNG")
    assert [text.get_text() for text in found.plot().axes[0].texts] == ["written: rank 4"]
    with pytest.raises(ArgumentError, match="what must be one of"):
        found.plot("values")
    outside = found.plot("error").axes[0].collections[-1].get_array()
    assert float(outside[0, 0]) == 0.0  # the head is saved whole, and drawn so
    assert found.summary.loc[0, "mlp"] > 0.1
