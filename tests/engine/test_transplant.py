from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from nbmerge.cli.transplant import transplant as command
from nbmerge.engine.transplant import transplant, transplant_recipe
from nbmerge.engine.verify import verify
from nbmerge.tokenizers.pursuit import pursue
from tests.tokenizers.makers import CORPUS, KINDS, OTHER_CORPUS, model, rows, train

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    own = model(folder / "own", train("BPE", (*CORPUS, *OTHER_CORPUS), 80), hidden=16, seed=1)
    donor = model(folder / "donor", train("Unigram", (*OTHER_CORPUS, *CORPUS), 90), hidden=8, heads=2, seed=2)
    return own, donor


@pytest.mark.parametrize("way", ["pieces", "pursuit"])
def test_shared_rows_are_exact_and_the_others_approximated(pair, tmp_path, way):
    own, donor = pair
    done = transplant(own, donor, tmp_path / "out", way=way)
    theirs, mine = (json.loads((f / "tokenizer.json").read_text())["model"]["vocab"] for f in (donor, own))
    got, before = rows(done.path), rows(own)
    shared = [(i, mine[t]) for i, (t, _) in enumerate(theirs) if t in mine]
    assert len(shared) > 20
    for i, j in shared:
        assert torch.equal(got[i], before[j])
    assert len(got) == len(theirs)
    assert got.isfinite().all()
    assert got.abs().sum(1).min() > 0
    for fate in done.rows:
        assert (fate.own, fate.zero) == (len(shared), 0)
        assert fate.own + fate.mixed + fate.mean == len(theirs)
    assert f"{len(shared)} exact" in str(done)
    assert verify(done.path, derive=True)


@pytest.mark.slow
def test_the_two_ways_differ_and_both_models_generate(pair, tmp_path):
    from nbmerge.sampling import sample

    folders = [transplant(*pair, tmp_path / way, way=way).path for way in ("pieces", "pursuit")]
    assert not torch.equal(rows(folders[0], HEAD), rows(folders[1], HEAD))
    for folder in folders:
        assert len(sample(folder, "the cat", max_new_tokens=3)[0].tokens) > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.rest_is_slow(keep=2)
def test_every_kind_of_donor(tmp_path, kind):
    own = model(tmp_path / "own", train("byte-level BPE"), seed=1)
    donor = model(tmp_path / "donor", train(kind, OTHER_CORPUS, 70), seed=2)
    done = transplant(own, donor, tmp_path / "out", way="pursuit")
    assert sum(f.zero for f in done.rows) == 0
    assert (done.path / "tokenizer.json").read_bytes() == (donor / "tokenizer.json").read_bytes()


def test_pursuit_finds_the_combination_of_a_row():
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((30, 12)).astype(np.float32)
    targets = np.stack([2 * atoms[3], 0.5 * atoms[1] - 3 * atoms[20], np.zeros(12)])
    found = pursue(atoms, targets, 4)
    assert found[0] == [(3, pytest.approx(2))]
    sums = np.stack([sum((c * atoms[a] for a, c in f), np.zeros(12)) for f in found])
    np.testing.assert_allclose(sums, targets, atol=1e-4)
    assert found[2] == []


def test_a_sparser_sum_is_farther_off():
    rng = np.random.default_rng(1)
    atoms, targets = rng.standard_normal((40, 16)), rng.standard_normal((5, 16))
    errors = []
    for k in (1, 4, 16):
        sums = np.stack([sum(c * atoms[a] for a, c in f) for f in pursue(atoms, targets, k)])
        errors.append(np.linalg.norm(sums - targets))
    assert errors[0] > errors[1] > errors[2]


def test_an_unknown_way_is_refused(pair):
    with pytest.raises(ValueError, match="pieces, pursuit"):
        transplant_recipe(*pair, way="magic")


def test_the_transplant_command_writes_a_model(pair, tmp_path):
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [*map(str, pair), str(tmp_path / "out"), "--way", "pursuit"])
    assert done.exit_code == 0, done.output
    assert "exact" in done.output
    assert CliRunner().invoke(app, [*map(str, pair), str(tmp_path / "o"), "--way", "magic"]).exit_code == 2
