"""Each part taken from a parent scores as a separate merge with that part replaced would."""

from pathlib import Path

import pytest
import torch

import nbmerge as nbm
from nbmerge.analysis import Divergence, ablate
from nbmerge.analysis.parents import find_parent
from nbmerge.errors import ArgumentError
from nbmerge.plots import to_png
from tests.analysis.conftest import TEXT
from tests.models import read_tensors


def replaced(live, folder, layer, kind):
    """A live merge's model with one part of a parent, as a state dict would set it."""
    own = {t.name for t in live.plan.tensors if (layer in (t.layer, "any")) and kind in (t.kind, "any")}
    stored = read_tensors(folder)
    live.model.load_state_dict({name: stored[name] for name in own}, strict=False)


def logs(model):
    ids = (
        nbm.live(model).tokenizer(TEXT)["input_ids"] if isinstance(model, dict) else model.tokenizer(TEXT)["input_ids"]
    )
    return model.model(torch.tensor([ids])).logits[0, :-1].double().log_softmax(-1)


@pytest.mark.parametrize("method", ["linear", "ties"])
def test_each_part_is_scored_as_if_it_were_replaced(recipe, family, method):
    effect = ablate(recipe(0.4, method), family.ft1.name, {"text": TEXT, "kl": Divergence(TEXT)})
    assert effect.fallback == ""
    rows = {(None if str(r.layer) == "<NA>" else r.layer, r.kind): r for r in effect.table.itertuples()}
    assert {(layer, kind) for layer in range(3) for kind in ("attention", "mlp", "rest")} < set(rows)
    for part in [(1, "mlp"), (2, "attention"), (None, "embedding"), (None, "head")]:
        live = nbm.live(recipe(0.4, method))
        before = logs(live)
        replaced(live, family.ft1, *part)
        after = logs(live)
        assert rows[part].text == pytest.approx(nbm.perplexity(live, TEXT), rel=1e-5)
        expected = (before.exp() * (before - after)).sum(-1).mean().item()
        assert rows[part].kl == pytest.approx(expected, rel=1e-3, abs=1e-8)
    assert effect.merge["kl"] == 0


def test_by_layer_or_by_kind_from_the_base(recipe, family):
    by_layer = ablate(recipe(0.4, "ties"), "base", TEXT, by="layer")
    assert by_layer.table["layer"].dropna().tolist() == [0, 1, 2]
    live = nbm.live(recipe(0.4, "ties"))
    replaced(live, family.base, 2, "any")
    assert by_layer.values["perplexity"][3] == pytest.approx(nbm.perplexity(live, TEXT), rel=1e-5)
    by_kind = ablate(recipe(0.4, "ties"), "base", TEXT, by="kind")
    live = nbm.live(recipe(0.4, "ties"))
    replaced(live, family.base, "any", "mlp")
    row = by_kind.table.set_index("kind").loc["mlp"]
    assert row["perplexity"] == pytest.approx(nbm.perplexity(live, TEXT), rel=1e-5)
    assert row["change[perplexity]"] == row["perplexity"] - by_kind.merge["perplexity"]
    assert all(to_png(effect.plot()) for effect in (by_layer, by_kind))
    assert "base" in by_kind._repr_html_()


def test_a_parent_that_is_not_an_input_everywhere(recipe, family):
    """A slerp does not read the base; its tensors are taken by name."""
    merged = recipe(0.3, "slerp").plain() | {"config_source": str(family.base)}
    effect = ablate(merged, str(family.base), TEXT, by="layer")
    live = nbm.live(merged)
    replaced(live, family.base, 0, "any")
    assert effect.table.set_index("layer")["perplexity"][0] == pytest.approx(nbm.perplexity(live, TEXT), rel=1e-5)


def test_layers_below_a_change_are_computed_once(recipe, monkeypatch):
    from nbmerge.engine.live import LayeredModel

    runs = []
    original = LayeredModel.run_layer

    def counted(self, layer, hidden):
        runs.append((layer, len(hidden)))
        return original(self, layer, hidden)

    monkeypatch.setattr(LayeredModel, "run_layer", counted)
    ablate(recipe(0.4), "ft1", TEXT, by="layer")
    rows = [sum(n for layer, n in runs if layer == i) for i in range(3)]
    assert rows == [3, 4, 5]  # the merge and the changed embedding; then one more for each layer


def test_impossible_ablations_are_refused(recipe):
    with pytest.raises(ArgumentError, match="'nobody' is not a model of this merge"):
        ablate(recipe(0.4), Path("nobody"), TEXT)
    model = recipe(0.4).models[0].model
    assert find_parent(nbm.plan(recipe(0.4)), Path(model.path)) == model
    with pytest.raises(ArgumentError, match="by must be"):
        ablate(recipe(0.4), "ft1", TEXT, by="block")
