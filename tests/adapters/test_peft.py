"""Merged adapters beside those of peft's ``add_weighted_adapter``, which also loads ours.

CI does not install peft, which needs accelerate: run this where it is installed (``pip install peft``).
"""

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("peft", reason="needs peft: pip install peft")

import peft
from transformers import AutoModelForCausalLM

from nbmerge.adapters import merge_adapters
from nbmerge.methods.numerics.random_streams import kept
from tests.adapters import DOWN, Q, V, make_adapter, modules
from tests.models import make_model

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # warnings of peft and accelerate
WEIGHTS = (0.7, -0.3, 0.5)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("peft") / "base", seed=5)


@pytest.fixture(scope="module")
def adapters(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    return (
        make_adapter(folder / "a", base, modules(Q, V, DOWN), seed=1),
        make_adapter(folder / "b", base, modules(Q, V), seed=2, lora_alpha=3, use_rslora=True),
        make_adapter(folder / "c", base, modules(Q), embeddings=["model.embed_tokens"], seed=3),
    )


def loaded(base, adapters):
    model = AutoModelForCausalLM.from_pretrained(base)
    model = peft.PeftModel.from_pretrained(model, adapters[0], adapter_name="0")
    for i, adapter in enumerate(adapters[1:], start=1):
        model.load_adapter(adapter, adapter_name=str(i))
    return model


def changes(model, name):
    return {
        key: module.get_delta_weight(name).detach()
        for key, module in model.named_modules()
        if hasattr(module, "get_delta_weight") and (name in module.lora_A or name in module.lora_embedding_A)
    }


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("svd", {}), ("svd", {"svd_rank": 3}), ("cat", {}), ("linear", {}), ("ties_svd", {}), ("ties", {}),
        ("ties_svd", {"majority_sign_method": "frequency"}), ("ties", {"majority_sign_method": "frequency"}),
        ("magnitude_prune_svd", {}), ("magnitude_prune", {}),
    ],
)  # fmt: skip
def test_the_same_changes(base, adapters, tmp_path, method, more):
    thins = {"density": 0.5} if "ties" in method or "prune" in method else {}
    model = loaded(base, adapters)
    model.add_weighted_adapter(["0", "1", "2"], list(WEIGHTS), "theirs", combination_type=method, **thins, **more)
    consensus = {"frequency": "count"}.get(more.get("majority_sign_method"), "sum")
    rank = more.get("svd_rank")
    merge_adapters(
        adapters,
        tmp_path / "out",
        method=method,
        weights=WEIGHTS,
        consensus=consensus,
        rank=rank,
        progress=False,
        **thins,
    )
    model.load_adapter(tmp_path / "out", adapter_name="ours")
    theirs, ours = changes(model, "theirs"), changes(model, "ours")
    assert ours.keys() == {key for key, change in theirs.items() if change.any()}
    for key, change in ours.items():
        torch.testing.assert_close(change, theirs[key], rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["dare_linear_svd", "dare_ties_svd"])
def test_the_same_changes_with_the_same_masks(base, adapters, tmp_path, method, monkeypatch):
    keys = iter(f"0/{i}/{module}.weight" for module in modules(Q) for i in range(2))

    def masked(tensor, density, rescale):
        return tensor * torch.from_numpy(kept(next(keys), 0, tensor.numel(), density)).view(tensor.shape) / density

    pair = [make_adapter(tmp_path / x, base, modules(Q), seed=i) for i, x in enumerate("ab")]
    monkeypatch.setattr("peft.utils.merge_utils.random_pruning", masked)
    model = loaded(base, pair)
    model.add_weighted_adapter(["0", "1"], [0.6, 0.5], "theirs", combination_type=method, density=0.5)
    merge_adapters(pair, tmp_path / "out", method=method, weights=(0.6, 0.5), density=0.5, progress=False)
    model.load_adapter(tmp_path / "out", adapter_name="ours")
    theirs, ours = changes(model, "theirs"), changes(model, "ours")
    for key, change in ours.items():
        torch.testing.assert_close(change, theirs[key], rtol=0, atol=1e-6)


def test_peft_generates_with_a_merged_adapter(base, adapters, tmp_path):
    merge_adapters(adapters, tmp_path / "out", method="cat", weights=WEIGHTS, progress=False)
    model = loaded(base, [tmp_path / "out"])
    stored = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert len(changes(model, "0")) == len(stored) // 2
    assert model.generate(torch.tensor([[1, 5, 6]]), max_new_tokens=4, do_sample=False).shape == (1, 7)
