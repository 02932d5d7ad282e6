"""Models with adapters on them as inputs: the formulas, by hand in float64 and as peft recorded them."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.compute import read_lora as engine
from nbmerge.engine.verify import verify
from tests.adapters import DOWN, Q, V, make_adapter, modules, passed_through
from tests.models import make_model, read_tensors

RECORDED = Path(__file__).parents[2] / "cases" / "adapters"
SAME = {"rtol": 0, "atol": 2e-7}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("adapted") / "base", seed=5)


def merged(recipe, out) -> dict[str, torch.Tensor]:
    nbm.merge(recipe, out)
    return read_tensors(out)


def by_hand(stored: torch.Tensor, folder: Path, module: str, scale: float, transposed: bool = False) -> torch.Tensor:
    """W + s·BA, and m·W′/‖W′‖, in float64."""
    own = {
        k.removeprefix(f"base_model.model.{module}."): t.double()
        for k, t in load_file(folder / "adapter_model.safetensors").items()
        if k.startswith(f"base_model.model.{module}.")
    }
    down, up = (own.get(f"lora_{x}.weight", own.get(f"lora_embedding_{x}")) for x in "AB")
    weight = stored.double().T if transposed else stored.double()
    weight = weight + scale * up @ down
    if "lora_magnitude_vector" in own:
        weight = own["lora_magnitude_vector"][:, None] * weight / weight.norm(dim=1, keepdim=True)
    return weight.T if transposed else weight


@pytest.mark.parametrize(
    ("options", "scale"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 8 / math.sqrt(4)),
        ({"rank": 3, "lora_alpha": 5}, 5 / 3),
        ({"dora": True}, 2.0),
        ({"dora": True, "use_rslora": True}, 4.0),
        ({"dtype": torch.bfloat16}, 2.0),
    ],
    ids=str,
)
@pytest.mark.rest_is_slow(keep=3)
def test_layers(base, tmp_path, options, scale):
    names = modules(Q, V, DOWN)
    adapter = make_adapter(tmp_path / "a", base, names, **options)
    got, before = merged(passed_through(base, adapter), tmp_path / "out"), read_tensors(base)
    for name, stored in before.items():
        module = name.removesuffix(".weight")
        if module in names:
            assert not torch.equal(got[name], stored)
            torch.testing.assert_close(got[name].double(), by_hand(stored, adapter, module, scale), **SAME)
        else:
            assert torch.equal(got[name], stored)


@pytest.mark.parametrize("dora", [False, True])
def test_an_embedding(base, tmp_path, dora):
    names = ["model.embed_tokens"]
    adapter = make_adapter(tmp_path / "a", base, embeddings=names, dora=dora)
    got = merged(passed_through(base, adapter), tmp_path / "out")["model.embed_tokens.weight"]
    stored = read_tensors(base)["model.embed_tokens.weight"]
    torch.testing.assert_close(got.double(), by_hand(stored, adapter, names[0], 2.0, transposed=True), **SAME)


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("said", [False, True])
def test_layers_stored_as_inputs_by_outputs(tmp_path, dora, said):
    gpt2 = make_model(tmp_path / "gpt2", architecture="gpt2")
    names = modules("attn.c_attn", "attn.c_proj", stack="transformer.h")  # the second is square
    adapter = make_adapter(tmp_path / "a", gpt2, names, transposed=True, dora=dora, fan_in_fan_out=said)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"] = ["c_attn", "attn.c_proj"]
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    got, before = merged(passed_through(gpt2, adapter), tmp_path / "out"), read_tensors(gpt2)
    for module in names:
        name = f"{module}.weight"
        torch.testing.assert_close(got[name].double(), by_hand(before[name], adapter, module, 2.0, True), **SAME)


def test_square_layers_beside_a_head_follow_the_biases(tmp_path):
    """Of (inputs, outputs) and (outputs, inputs) neither shape nor config tells; peft writes here what its last layer was."""
    gpt2 = make_model(tmp_path / "gpt2", architecture="gpt2")
    names = modules("attn.c_proj", stack="transformer.h")
    head = {"lm_head.lora_A.weight": torch.randn(4, 16), "lm_head.lora_B.weight": torch.randn(32, 4)}
    adapter = make_adapter(tmp_path / "a", gpt2, names, transposed=True, extra=head, exclude_modules=["mlp.c_proj"])
    got, before = merged(passed_through(gpt2, adapter), tmp_path / "out"), read_tensors(gpt2)
    for module in names:
        name = f"{module}.weight"
        torch.testing.assert_close(got[name].double(), by_hand(before[name], adapter, module, 2.0, True), **SAME)


def test_several_follow_one_another(base, tmp_path):
    first = make_adapter(tmp_path / "a", base, modules(Q), seed=1)
    second = make_adapter(tmp_path / "b", base, modules(Q, V), seed=2, dora=True, rank=2)
    got, before = merged(passed_through(base, first, second), tmp_path / "out"), read_tensors(base)
    for module in modules(Q):
        once = by_hand(before[f"{module}.weight"], first, module, 2.0)
        twice = by_hand(once, second, module, 4.0)
        torch.testing.assert_close(got[f"{module}.weight"].double(), twice, **SAME)
    turned = merged(passed_through(base, second, first), tmp_path / "turned")
    assert not torch.equal(turned[f"{module}.weight"], got[f"{module}.weight"])


def test_ranks_and_alphas_by_pattern(base, tmp_path):
    first, other = "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"
    extra = {f"{other}.lora_A.weight": torch.randn(2, 16), f"{other}.lora_B.weight": torch.randn(16, 2)}
    patterns = {"rank_pattern": {"layers.1.self_attn.q_proj": 2}, "alpha_pattern": {r"^model\.layers\.0\..*q_proj": 32}}
    adapter = make_adapter(tmp_path / "a", base, modules(Q), extra=extra, **patterns)
    steps = {
        n: t.steps[0].scale for n, t in Checkpoint.open(f"{base}+{adapter}").tensors.items() if hasattr(t, "steps")
    }
    assert steps == {f"{first}.weight": 8.0, f"{other}.weight": 4.0, "model.layers.2.self_attn.q_proj.weight": 2.0}


def test_modules_to_save_stand_in_place_of_the_base(base, tmp_path):
    whole = {"lm_head.weight": torch.randn(32, 16), "model.norm.weight": torch.ones(16)}
    adapter = make_adapter(tmp_path / "a", base, modules(Q), extra=whole, modules_to_save=["lm_head", "norm"])
    got = merged(passed_through(base, adapter), tmp_path / "out")
    assert all(torch.equal(got[n], t) for n, t in whole.items())


def test_an_adapter_with_more_tokens_brings_its_tokenizer(base, tmp_path):
    whole = {"lm_head.weight": torch.randn(34, 16), "model.embed_tokens.weight": torch.randn(34, 16)}
    adapter = make_adapter(tmp_path / "a", base, modules(Q), extra=whole, modules_to_save=["lm_head", "embed_tokens"])
    for had in (False, True):
        if had:
            (adapter / "tokenizer.json").write_text((base / "tokenizer.json").read_text() + " ")
        checkpoint = Checkpoint.open(f"{base}+{adapter}")
        assert (checkpoint.vocabulary, checkpoint.path) == (34, adapter if had else base)
        assert set(checkpoint.folders) == {base, adapter}
    got = merged(passed_through(base, adapter), tmp_path / "out")
    assert got["lm_head.weight"].shape == (34, 16)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["vocab_size"] == 34
    assert (tmp_path / "out" / "tokenizer.json").read_text().endswith(" ")


def test_biases(tmp_path):
    qwen = make_model(tmp_path / "qwen", architecture="qwen2")
    bias, added = "model.layers.0.self_attn.q_proj.bias", torch.randn(16)
    extra = {bias: torch.ones(16), "model.layers.1.self_attn.q_proj.lora_B.bias": added}
    adapter = make_adapter(tmp_path / "a", qwen, modules(Q), extra=extra, bias="lora_only", lora_bias=True)
    got, before = merged(passed_through(qwen, adapter), tmp_path / "out"), read_tensors(qwen)
    assert torch.equal(got[bias], torch.ones(16))
    other = "model.layers.1.self_attn.q_proj.bias"
    torch.testing.assert_close(got[other], before[other] + 2 * added, **SAME)


@pytest.mark.parametrize("side", ["head", "embedding"])
def test_one_of_two_tied_tensors(tmp_path, side):
    """The other keeps the base's weights, as in the adapted model when it runs."""
    tied = make_model(tmp_path / "tied", tied=True)
    stored = read_tensors(tied)["model.embed_tokens.weight"]
    if side == "head":
        extra = {"lm_head.lora_A.weight": torch.randn(4, 16), "lm_head.lora_B.weight": torch.randn(32, 4)}
        adapter = make_adapter(tmp_path / "a", tied, modules(Q), extra=extra)
    else:
        adapter = make_adapter(tmp_path / "a", tied, modules(Q), embeddings=["model.embed_tokens"])
    got = merged(passed_through(tied, adapter), tmp_path / "out")
    assert torch.equal(got["lm_head.weight"], stored) == (side == "embedding")
    assert torch.equal(got["model.embed_tokens.weight"], stored) == (side == "head")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False


def test_tied_tensors_stay_tied_where_an_adapter_leaves_them_alone(tmp_path):
    tied = make_model(tmp_path / "tied", tied=True)
    adapter = make_adapter(tmp_path / "a", tied, modules(Q))
    assert "lm_head.weight" not in merged(passed_through(tied, adapter), tmp_path / "out")


@pytest.mark.parametrize("case", sorted(p.name for p in RECORDED.iterdir()) if RECORDED.is_dir() else [])
@pytest.mark.rest_is_slow(keep=10)
def test_outputs_recorded_from_peft_are_met(case, tmp_path):
    """Adapters that peft 0.21.2 wrote, and the weights of its merge_and_unload in float32."""
    folder = RECORDED / case
    told = json.loads((folder / "model.json").read_text())
    own = folder / "base"  # of architectures that make_model does not know
    base = own if own.is_dir() else make_model(tmp_path / "base", **told["model"])
    got = merged(passed_through(base, *(folder / a for a in told["adapters"])), tmp_path / "out")
    before = read_tensors(base)
    wanted = load_file(folder / "merged.safetensors")
    assert {n for n, t in got.items() if not torch.equal(t, before.get(n))} == set(wanted)
    for name, tensor in wanted.items():
        torch.testing.assert_close(got[name], tensor, rtol=1e-6, atol=5e-7)


# --- as an input of merges ---


def test_the_dtype_stays_the_bases_and_is_rounded_once(tmp_path):
    base = make_model(tmp_path / "base", dtype="bfloat16")
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    name = f"{modules(Q)[0]}.weight"
    exact = by_hand(read_tensors(base)[name], adapter, modules(Q)[0], 2.0)
    assert torch.equal(merged(passed_through(base, adapter), tmp_path / "out")[name], exact.float().bfloat16())
    halves = {"merge_method": "linear", "models": [f"{base}+{adapter}", str(base)], "parameters": {"weight": 0.5}}
    half = (exact + read_tensors(base)[name].double()) / 2
    assert torch.equal(merged(halves, tmp_path / "half")[name], half.float().bfloat16())
    assert Checkpoint.open(f"{base}+{adapter}").dtype == "bfloat16"


def test_an_adapter_is_accepted_by_every_function(family, tmp_path):
    adapter = make_adapter(tmp_path / "a", family.base, modules(Q, DOWN), dora=True)
    recipe = nbm.Recipe.load(
        {
            "merge_method": "ties",
            "base_model": str(family.base),
            "models": [
                {"model": f"{family.base}+{adapter}", "parameters": {"weight": [0.2, 1.0], "density": 0.5}},
                {"model": str(family.ft1), "parameters": {"weight": 0.5, "density": 0.5}},
            ],
        }
    )
    assert nbm.check(recipe).ok
    assert nbm.Recipe.load(recipe.to_yaml()).fingerprint == recipe.fingerprint
    nbm.merge(recipe, tmp_path / "out", threads=1)
    nbm.merge(recipe, tmp_path / "again", threads=3)
    one, other = (read_tensors(tmp_path / x) for x in ("out", "again"))
    assert all(torch.equal(t, other[n]) for n, t in one.items())
    assert verify(tmp_path / "out", derive=True).ok
    live = nbm.live(recipe)
    assert all(torch.equal(t, live.model.state_dict()[n]) for n, t in one.items())


def test_statistics_tell_a_model_from_the_same_with_an_adapter(family, tmp_path):
    adapter = make_adapter(tmp_path / "a", family.base, modules(Q, DOWN))
    models = [str(family.base), f"{family.base}+{adapter}", str(family.ft1)]
    recipe = {"merge_method": "linear", "models": models, "parameters": {"weight": 0.4}}
    predicted, measured = (
        nbm.measure_models(*models).predict(nbm.Recipe.load(recipe)).table,
        nbm.measure_merge(recipe).table,
    )
    for column in (f"{what}[{parent}]" for what in ("distance", "cosine") for parent in ("base", "base+a", "ft1")):
        own, other = (torch.tensor(t[column].to_numpy()) for t in (predicted, measured))
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_a_changed_adapter_is_another_merge(base, tmp_path):
    from nbmerge.engine.output.journal import identity

    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    before = identity(nbm.plan(passed_through(base, adapter)).tensors, 1, {})
    assert before == identity(nbm.plan(passed_through(base, adapter)).tensors, 1, {})
    make_adapter(adapter, base, modules(Q), seed=9)
    assert before != identity(nbm.plan(passed_through(base, adapter)).tensors, 1, {})
    make_adapter(adapter, base, modules(Q), seed=9, lora_alpha=9)
    scaled = identity(nbm.plan(passed_through(base, adapter)).tensors, 1, {})
    assert scaled != before


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("embedding", [False, True])
def test_a_numbers_bytes_do_not_depend_on_the_block_that_asks(base, tmp_path, monkeypatch, dora, embedding):
    from nbmerge.engine.compute.input_files import InputFiles
    from nbmerge.engine.compute.workspace import Workspace

    monkeypatch.setattr(engine, "BLOCK", 48)  # tiles of three rows, which nothing is a multiple of
    names = ["model.embed_tokens"] if embedding else modules(Q)
    adapter = make_adapter(
        tmp_path / "a", base, () if embedding else names, embeddings=names if embedding else (), dora=dora
    )
    tensor = Checkpoint.open(f"{base}+{adapter}").tensors[f"{names[0]}.weight"]
    with InputFiles() as files:
        whole = Workspace(files).open(tensor, 0)(0, tensor.count).clone()
        read = Workspace(files).open(tensor, 0)
        for start, count in [(200, 56), (0, 7), (7, 41), (48, 48), (47, 50), (0, 256), (255, 1), (5, 0)]:
            assert torch.equal(read(start, count), whole[start : start + count])


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("experts_in_one_tensor", "model.layers.0.mlp.experts.gate_up_proj"),
        ("experts_mixtral", "model.layers.0.block_sparse_moe.experts.1.w3.weight"),
        ("convolutions_dora", "model.encoder.conv2.weight"),
        ("trained_beside_pissa", "model.layers.0.mlp.down_proj.weight"),
    ],
)
def test_nor_do_those_of_experts_and_convolutions(case, name, tmp_path, monkeypatch):
    from nbmerge.engine.compute.input_files import InputFiles
    from nbmerge.engine.compute.workspace import Workspace

    monkeypatch.setattr(engine, "BLOCK", 48)
    folder = RECORDED / case
    told = json.loads((folder / "model.json").read_text())
    base = folder / "base" if "model" not in told else make_model(tmp_path / "base", **told["model"])
    tensor = Checkpoint.open(f"{base}+{folder / 'adapter0'}").tensors[name]
    wanted = load_file(folder / "merged.safetensors")[name]
    with InputFiles() as files:
        read = Workspace(files).open(tensor, 0)
        for start in range(0, tensor.count, 7):  # of no row, and of no expert
            count = min(7, tensor.count - start)
            torch.testing.assert_close(
                read(start, count), wanted.flatten()[start : start + count], rtol=1e-6, atol=5e-7
            )


def test_it_travels_to_other_processes(base, tmp_path):
    import pickle

    adapter = make_adapter(tmp_path / "a", base, modules(Q), dora=True)
    tensors = nbm.plan(passed_through(base, adapter)).tensors
    assert pickle.loads(pickle.dumps(tensors)) == tensors


def test_the_forecast_knows_what_it_holds(base, tmp_path):
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    plain, more = (nbm.check(passed_through(base, *a)).forecast for a in ((), (adapter,)))
    assert more.memory_bytes > plain.memory_bytes
    assert more.bytes_read - plain.bytes_read == 3 * 4 * 4 * (16 + 16)
    assert more.bytes_written == plain.bytes_written


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_ties", "della", "sce"])
@pytest.mark.parametrize("form", ["models", "slices"])
@pytest.mark.rest_is_slow(keep=4)
def test_an_adapter_is_baked_in_by_a_merge_of_its_model_alone(base, tmp_path, method, form):
    adapter = make_adapter(tmp_path / "a", base, modules(Q, DOWN))
    name = f"{base}+{adapter}"
    expected = merged(passed_through(base, adapter), tmp_path / "expected")
    weight = {} if method == "sce" else {"parameters": {"weight": 1.0}}
    models = {
        "models": [{"model": name, **weight}],
        "slices": [{"sources": [{"model": name, "layer_range": [0, 3], **weight}]}],
    }
    alone = merged({"merge_method": method, "base_model": name, form: models[form]}, tmp_path / "alone")
    assert all(torch.equal(t, alone[n]) for n, t in expected.items())
    added = merged({"merge_method": method, "base_model": str(base), form: models[form]}, tmp_path / "added")
    assert all(torch.allclose(t, added[n], rtol=0, atol=1e-6) for n, t in expected.items())
