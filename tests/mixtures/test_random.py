"""Random routers and noise: numbers that belong to their places."""

import numpy as np
import torch

from nbmerge.checkpoints.header import StoredTensor
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.planning.mixtures import Noisy, RandomRouter
from nbmerge.methods.numerics.random_streams import normal


def test_normal_numbers_do_not_depend_on_the_pieces_in_which_they_are_read():
    whole = normal("key", 0, 100_000)
    pieces = [normal("key", start, min(777, 100_000 - start)) for start in range(0, 100_000, 777)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert abs(whole.mean()) < 0.01
    assert abs(whole.std() - 1) < 0.01
    assert abs((np.abs(whole) < 1).mean() - 0.6827) < 0.005
    assert np.isfinite(whole).all()
    assert abs(np.corrcoef(whole[:-1], whole[1:])[0, 1]) < 0.01


def test_uniform_routers_are_within_the_bounds_of_a_linear_layer():
    with InputFiles() as files:
        numbers = Workspace(files).open(RandomRouter("router", (400, 64), "uniform", "key"), 0)(0, 400 * 64)
    assert numbers.dtype is torch.float32
    assert float(numbers.abs().max()) <= 1 / 8
    assert float(numbers.min()) < -0.124
    assert abs(float(numbers.mean())) < 0.002


def test_noise_is_added_in_the_dtype_of_the_arithmetic(tmp_path):
    values = torch.linspace(-1, 1, 1000).bfloat16()
    (tmp_path / "weights").write_bytes(values.view(torch.uint8).numpy().tobytes())
    stored = StoredTensor("weight", "bfloat16", (1000,), tmp_path / "weights", 0)
    noisy = Noisy(stored, 0.5, "key")
    with InputFiles() as files:
        found = Workspace(files).open(noisy, 0)(100, 300)
    expected = values[100:400].double() + 0.5 * torch.from_numpy(normal("key", 100, 300))
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)
    assert (noisy.dtype, noisy.output_dtype) == ("float32", "bfloat16")
