"""Several merges of one tensor in one pass: the bytes of each are those that it has alone."""

import pytest
import torch

import nbmerge as nbm
from nbmerge.engine.live.workers import PersistentWorkers
from tests.kernels.conftest import loops  # noqa: F401  # a fixture
from tests.models import make_family

WEIGHTS = (0.0, 0.1, 0.3, 0.6, 1.0, 0.49, 0.51, 0.8)
NAME = "model.layers.0.mlp.up_proj.weight"


def recipes(family, method):
    for w in WEIGHTS:
        models = [{"model": str(m), "parameters": {"weight": x}} for m, x in ((family.ft1, 1 - w), (family.ft2, w))]
        yield {"merge_method": method, "models": models} | (
            {"base_model": str(family.base)} if method == "task_arithmetic" else {}
        )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("method", ["linear", "task_arithmetic"])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.rest_is_slow(keep=4)
def test_versions_have_the_bytes_of_separate_merges(tmp_path, request, monkeypatch, dtype, method, compiled):
    if compiled:
        request.getfixturevalue("loops")
    else:
        monkeypatch.setenv("NBMERGE_KERNELS", "0")
    family = make_family(tmp_path, layers=1, dtype=dtype)
    tensors = [next(t for t in nbm.plan(r).tensors if t.name == NAME) for r in recipes(family, method)]

    def compute(leaders, versions):
        memory = {id(t): torch.empty(t.shape, dtype=getattr(torch, t.dtype)) for t in tensors}
        workers = PersistentWorkers(2)
        for leader in leaders:
            workers.compute_into([leader], lambda t: memory[id(t)].view(-1), versions=versions)
        workers.close()
        return [memory[id(t)] for t in tensors]

    together = compute(tensors[:1], {NAME: tensors[1:]})
    apart = compute(tensors, None)
    assert all(torch.equal(a, b) for a, b in zip(together, apart, strict=True))
    assert not torch.equal(together[1], together[2])
