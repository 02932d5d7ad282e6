"""Adapters that do not fit or are of another kind are refused before anything is read, with what to do."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError
from tests.adapters import DOWN, Q, V, make_adapter, modules
from tests.limits import processor_seconds
from tests.models import make_model

FIRST = "model.layers.0.self_attn.q_proj"


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("adapter") / "base")


def refused(base, adapter) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open({"path": str(base), "lora": str(adapter)})
    assert len(str(caught.value)) < 1500
    return str(caught.value)


@pytest.mark.parametrize("kind", ["IA3", "LOHA", "LOKR", "PREFIX_TUNING", "PROMPT_TUNING", "ADALORA", "OFT", None, 3])
def test_other_adapter_types_are_refused(base, tmp_path, kind):
    said = refused(base, make_adapter(tmp_path / "a", base, modules(Q), peft_type=kind))
    assert str(kind) in said
    assert "merge_and_unload" in said


@pytest.mark.parametrize(
    "setting",
    [
        {"use_qalora": True}, {"alora_invocation_tokens": [1, 2]}, {"layer_replication": [[0, 2], [1, 3]]},
        {"megatron_config": {"a": 1}}, {"kasa_config": {"beta": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_variants_that_are_not_weighted_sums_are_refused(base, tmp_path, setting):
    said = refused(base, make_adapter(tmp_path / "a", base, modules(Q), **setting))
    assert next(iter(setting)) in said


@pytest.mark.parametrize("start", ["pissa", "pissa_niter_16", "olora", "corda", "lora_ga"])
def test_adapters_beside_a_changed_base(base, tmp_path, start):
    adapter = make_adapter(tmp_path / "a", base, modules(Q), init_lora_weights=start)
    assert "convert it to a plain LoRA" in refused(base, adapter)
    kind = start.removesuffix("_niter_16")
    initial = make_adapter(tmp_path / f"{kind}_init", base, modules(Q), seed=2, rank=2, lora_alpha=6)
    steps = Checkpoint.open(f"{base}+{adapter}").tensors[f"{FIRST}.weight"].steps
    assert [step.scale for step in steps] == [2.0, -3.0]
    make_adapter(initial, base, modules(V))
    assert "do not belong to it: they have no factors" in refused(base, adapter)


@pytest.mark.parametrize("start", [True, False, "gaussian", "eva", "orthogonal", "loftq"])
def test_other_beginnings_do_not_matter(base, tmp_path, start):
    adapter = make_adapter(tmp_path / "a", base, modules(Q), init_lora_weights=start)
    assert Checkpoint.open(f"{base}+{adapter}").adapters == (adapter,)


def test_a_base_of_other_sizes(base, tmp_path):
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    said = refused(make_model(tmp_path / "wide", hidden=32), adapter)
    assert "another model" in said
    assert "16×16" in said
    assert "32×32" in said


def test_a_base_with_fewer_layers(base, tmp_path):
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    assert "model.layers.2" in refused(make_model(tmp_path / "low", layers=2), adapter)


def test_layers_without_an_adapter_are_named(base, tmp_path):
    """As PEFT has it: they stay the model's, and that is said."""
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    deep = make_model(tmp_path / "deep", layers=4)
    opened = Checkpoint.open(f"{deep}+{adapter}")
    assert ["model.layers.3" in note and "1 modules" in note for note in opened.notes] == [True]
    assert [hasattr(opened.tensors[f"{n}.weight"], "steps") for n in modules(Q, layers=4)] == [True] * 3 + [False]
    recipe = {"merge_method": "passthrough", "models": [{"model": f"{deep}+{adapter}"}]}
    said = next(p for p in nbm.check(recipe).problems if "has no weights for" in p.what)
    assert (said.severity, said.place) == ("warning", "models[0].model")
    assert not Checkpoint.open(f"{base}+{adapter}").notes


def test_some_layers_only_where_the_config_says_so(base, tmp_path):
    adapter = make_adapter(tmp_path / "a", base, [FIRST], layers_to_transform=[0])
    assert [n for n, t in Checkpoint.open(f"{base}+{adapter}").tensors.items() if hasattr(t, "steps")] == [
        f"{FIRST}.weight"
    ]


def test_another_architecture(base, tmp_path):
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    assert "which the model does not have" in refused(make_model(tmp_path / "g", architecture="gpt2"), adapter)


@pytest.mark.parametrize("begin", ["", "transformer."])
def test_names_that_begin_otherwise_than_in_the_files(tmp_path, begin):
    """GPT-2's first files have no 'transformer.' before their names, which the model in memory has."""
    gpt2 = make_model(tmp_path / "g", architecture="gpt2")
    names = modules("attn.c_attn", stack="transformer.h")
    adapter = make_adapter(tmp_path / "a", gpt2, names, transposed=True)
    if not begin:
        from safetensors.torch import load_file, save_file

        tensors = load_file(gpt2 / "model.safetensors")
        save_file({n.removeprefix("transformer."): t for n, t in tensors.items()}, gpt2 / "model.safetensors")
    found = Checkpoint.open(f"{gpt2}+{adapter}").tensors
    assert hasattr(found[f"{begin}h.0.attn.c_attn.weight"], "steps")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({f"{FIRST}.lora_B.weight": None}, "has no lora_B"),
        ({f"{FIRST}.lora_A.weight": torch.ones(3, 16)}, "cannot be multiplied"),
        ({f"{FIRST}.lora_A.weight": torch.ones(3, 16), f"{FIRST}.lora_B.weight": torch.ones(16, 3)}, "have rank 3"),
        ({f"{FIRST}.lora_A.weight": torch.ones(4, 16, 1, 1)}, "have the shapes"),
        (
            {f"{FIRST}.lora_A.weight": torch.ones(4, 16, 3), f"{FIRST}.lora_B.weight": torch.ones(16, 2, 1)},
            "a grouped convolution",
        ),
        (
            {f"{FIRST}.lora_A.weight": torch.ones(4, 16, 3), f"{FIRST}.lora_B.weight": torch.ones(16, 4, 1)},
            "is 16×16×3, but the tensor is 16×16",
        ),
        ({f"{FIRST}.lora_A.weight": torch.ones(4, 16, dtype=torch.int8)}, "int8"),
        ({f"{FIRST}.lora_E": torch.ones(4, 1)}, "not a tensor of a supported LoRA"),
        ({f"{FIRST}.lora_magnitude_vector": torch.ones(3)}, "magnitudes"),
        ({"score.weight": torch.ones(2, 16)}, "another task"),
        ({"model.norm.weight": torch.ones(32)}, "another model"),
        ({"lm_head.weight": torch.ones(32, 17)}, "another model"),
        ({"model.embed_tokens.weight": torch.ones(34, 16)}, "lm_head.weight has 32"),
        ({"lm_head.weight": torch.ones(34, 16), "model.embed_tokens.weight": torch.ones(33, 16)}, "is incomplete"),
        ({f"{FIRST}.lora_B.bias": torch.ones(16)}, "has no bias in the model"),
        ({"model.embed_tokens.token_adapter.trainable_tokens_delta": torch.ones(2, 16)}, "trainable_token_indices"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_parts_that_lack_or_do_not_fit(base, tmp_path, extra, words):
    assert words in refused(base, make_adapter(tmp_path / "a", base, modules(Q, V), extra=extra))


EXPERTS = "model.layers.0.mlp.experts"


@pytest.mark.parametrize(
    ("extra", "targets", "words"),
    [
        ({f"{EXPERTS}.lora_A.weight": (8, 16), f"{EXPERTS}.lora_B.weight": (48, 8)}, ["experts.gate_up_proj"],
         "neither as one tensor nor as 2 experts"),
        ({f"{EXPERTS}.lora_A.weight": (6, 16), f"{EXPERTS}.lora_B.weight": (48, 6)}, ["experts.gate_up_proj"],
         "do not fit the rank 4"),
        ({f"{EXPERTS}.lora_A.weight": (8, 16), f"{EXPERTS}.lora_B.weight": (48, 8)},
         ["experts.gate_up_proj", "experts.down_proj"], "has factors for 1 parameters"),
        ({f"{EXPERTS}.lora_A.weight": (8, 16)}, ["experts.gate_up_proj"], "has no lora_B"),
        ({f"{FIRST}.lora_A.weight": (4, 16), f"{FIRST}.lora_B.weight": (8, 4)}, ["q_proj.weight"], "is 8×16, but"),
    ],
)  # fmt: skip
def test_parameters_that_lack_or_do_not_fit(base, tmp_path, extra, targets, words):
    factors = {name: torch.ones(shape) for name, shape in extra.items()}
    names = modules(Q) if FIRST not in str(extra) else ()
    assert words in refused(base, make_adapter(tmp_path / "a", base, names, extra=factors, target_parameters=targets))


def test_the_router_of_mixtral_has_another_name_in_files(tmp_path):
    base = Path(__file__).parents[2] / "cases" / "adapters" / "experts_mixtral" / "base"
    router = "model.layers.0.mlp.gate"
    factors = {f"{router}.lora_A.weight": torch.ones(4, 8), f"{router}.lora_B.weight": torch.ones(3, 4)}
    adapter = make_adapter(tmp_path / "a", base, extra=factors)
    changed = [n for n, t in Checkpoint.open(f"{base}+{adapter}").tensors.items() if hasattr(t, "steps")]
    assert changed == ["model.layers.0.block_sparse_moe.gate.weight"]


def test_dora_without_magnitudes(base, tmp_path):
    assert "use_dora" in refused(base, make_adapter(tmp_path / "a", base, modules(Q), use_dora=True))


def test_trained_rows_behind_the_end(base, tmp_path):
    extra = {"model.embed_tokens.token_adapter.trainable_tokens_delta": torch.ones(2, 16)}
    adapter = make_adapter(
        tmp_path / "a", base, modules(Q), extra=extra, trainable_token_indices={"embed_tokens": [3, 32]}
    )
    assert "up to index 32" in refused(base, adapter)


@pytest.mark.parametrize(
    "setting",
    [
        {"lora_alpha": None}, {"lora_alpha": "8"}, {"lora_alpha": float("inf")}, {"lora_alpha": True}, {"r": 0}, {"r": None},
        {"rank_pattern": ["a"]}, {"alpha_pattern": {"q_proj": "high"}}, {"alpha_pattern": {"(": 1}},
        {"alpha_pattern": {"((a+)+)+b": 1}}, {"alpha_pattern": {"a" * 300: 1}}, {"alpha_pattern": {".*.*.*.*.*x": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_mean_nothing(base, tmp_path, setting):
    with processor_seconds(2):
        assert next(iter(setting)) in refused(base, make_adapter(tmp_path / "a", base, modules(Q), **setting))


def test_other_folders_are_refused_as_adapters(base, tmp_path):
    assert "not an adapter" in refused(base, base)
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    (adapter / "adapter_model.safetensors").write_bytes(b"12")
    assert "adapter_model.safetensors" in refused(base, adapter)
    (adapter / "adapter_model.safetensors").unlink()
    assert "not a complete adapter" in refused(base, adapter)
    (adapter / "adapter_config.json").write_text("[1]")
    assert "adapter_config.json" in refused(base, adapter)


def test_check_reports_all_problems_at_once(base, tmp_path):
    other = make_adapter(tmp_path / "a", base, modules(DOWN), peft_type="IA3")
    report = nbm.check(
        {
            "merge_method": "linear",
            "models": [f"{base}+{other}", f"{base}+{tmp_path / 'no'}"],
            "parameters": {"weight": 1},
        }
    )
    assert len([p for p in report.problems if p.severity == "error"]) == 2


def test_labels_name_the_adapter(base, tmp_path):
    adapter = make_adapter(tmp_path / "pirate", base, modules(Q))
    recipe = {"merge_method": "linear", "models": [str(base), f"{base}+{adapter}"], "parameters": {"weight": 1}}
    assert nbm.plan(recipe).parents == ("base", "base+pirate")
    assert not nbm.check(recipe).problems


def test_a_changed_adapter_is_read_again(base, tmp_path):
    adapter = make_adapter(tmp_path / "a", base, modules(Q))
    scale = Checkpoint.open(f"{base}+{adapter}").tensors[f"{FIRST}.weight"].steps[0].scale
    settings = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 80}))
    assert Checkpoint.open(f"{base}+{adapter}").tensors[f"{FIRST}.weight"].steps[0].scale == 10 * scale


ODD = [
    None,
    True,
    0,
    -1,
    1e308,
    float("inf"),
    "x" * 5000,
    [],
    [[]],
    {"a": {}},
    {"(a*)*": 1},
    ["q_proj", 3],
    {"": 1},
    2**70,
]


@pytest.mark.parametrize(
    "key",
    [
        "peft_type", "r", "lora_alpha", "target_modules", "use_dora", "use_rslora", "rank_pattern", "alpha_pattern",
        "fan_in_fan_out", "init_lora_weights", "exclude_modules", "layers_to_transform", "trainable_token_indices", "target_parameters",
    ],
)  # fmt: skip
@pytest.mark.rest_is_slow(keep=6)
def test_odd_settings_end_in_an_error_of_ours_or_mean_nothing(base, tmp_path, key):
    for value in ODD:
        adapter = make_adapter(tmp_path / "a", base, modules(Q))
        settings = json.loads((adapter / "adapter_config.json").read_text()) | {key: value}
        (adapter / "adapter_config.json").write_text(json.dumps(settings))
        with suppress(CheckpointError):
            Checkpoint.open(f"{base}+{adapter}")
