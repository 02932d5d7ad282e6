from types import SimpleNamespace

import pytest
import torch

from tests.models import make_model, read_tensors


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    """A bfloat16 base and three fine-tunes; the third has equal tensors, many equal magnitudes, and changes of rank 2."""
    folder = tmp_path_factory.mktemp("trio")
    base = make_model(folder / "base", layers=2, dtype="bfloat16")
    one, two = (make_model(folder / f"ft{i}", base=base, seed=i, noise=0.01, dtype="bfloat16") for i in (1, 2))
    changed = read_tensors(base)
    generator = torch.Generator().manual_seed(3)
    for name, tensor in changed.items():
        if "mlp.up_proj" in name:
            left, right = (torch.randn(n, 2, generator=generator) for n in tensor.shape)
            changed[name] = (tensor.float() + 0.5 * left @ right.T).bfloat16()
        elif "q_proj" in name:
            changed[name] = tensor + torch.randint(-1, 2, tensor.shape, generator=generator).bfloat16() / 8
    three = make_model(folder / "ft3", replace=changed, layers=2, dtype="bfloat16")
    return SimpleNamespace(base=base, models=(one, two, three))


@pytest.fixture(scope="module")
def task_vectors(trio):
    """By tensor, the base and the task vectors of all models, flat and in float64."""
    base, *tuned = (read_tensors(m) for m in (trio.base, *trio.models))
    return {
        name: (b.double().flatten(), torch.stack([(m[name].double() - b.double()).flatten() for m in tuned]))
        for name, b in base.items()
    }
