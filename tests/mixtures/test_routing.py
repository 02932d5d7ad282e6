"""Which experts tokens go to, against a computation by hand."""

import numpy as np
import pytest
import torch
import transformers

import nbmerge as nbm
from nbmerge.errors import ArgumentError, SampleError
from nbmerge.plots import to_png
from tests.mixtures import mixture
from tests.models import make_model

TEXTS = ["hello world", "abc, abc"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("routing")
    base = make_model(folder / "base", layers=2, architecture="qwen3")
    models = [make_model(folder / f"ft{i}", base=base, seed=i) for i in range(3)]
    return nbm.moe(mixture(base, models), folder / "out", progress=False).path


def by_hand(folder, text):
    """Weights of the layer's two best experts, from what its router gets."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = {}
    for i, layer in enumerate(model.model.layers):
        layer.mlp.register_forward_pre_hook(lambda module, args, i=i: given.update({i: args[0][0]}))
    with torch.no_grad():
        model(**tokenizer(text, return_tensors="pt"))
    found = []
    for i, layer in enumerate(model.model.layers):
        weights = (given[i] @ layer.mlp.gate.weight.T).softmax(-1)[1:].detach().double().numpy()
        weights[np.arange(len(weights)), weights.argmin(1)] = 0  # two of three
        found.append((weights / weights.sum(1, keepdims=True)).mean(0))
    return np.stack(found)


def test_weights_are_those_that_the_layers_use(folder):
    found = nbm.measure_routing(folder, TEXTS)
    assert found.experts == ("ft0", "ft1", "ft2")
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(found.weights[i], by_hand(folder, text), rtol=1e-5, atol=1e-6)
    table = found.table
    assert len(table) == 2 * 2 * 3
    np.testing.assert_allclose(table.groupby(["text", "layer"])["weight"].sum(), 1)
    np.testing.assert_allclose(table.groupby(["text", "layer"])["chosen"].sum(), found.per_token)
    for what in ("weight", "chosen"):
        assert to_png(found.plot(what)).startswith(b"\x89PNG")
    assert {tuple(axes.get_yticks()) for axes in found.plot().axes} == {(0, 25, 50, 75, 100)}
    assert "ft2" in found._repr_html_()
    assert found.tokens == (10, 7)


def test_what_cannot_be_measured_is_refused(folder):
    base = folder.parent / "base"
    with pytest.raises(ArgumentError, match="Qwen3ForCausalLM is not a mixture of experts"):
        nbm.measure_routing(base, "abc")
    with pytest.raises(ArgumentError, match="text is empty"):
        nbm.measure_routing(folder, [])
    with pytest.raises(SampleError, match="two"):
        nbm.measure_routing(folder, "a")
    with pytest.raises(ArgumentError, match="what must be"):
        nbm.measure_routing(folder, "abc").plot("share")
