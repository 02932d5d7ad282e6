"""Matrices that are multiplied as they are read: what torch's linear layers compute, with any number of threads."""

import threading

import pytest
import torch
from safetensors.torch import save_file

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.routers.streamed_linear import divide_rows, streaming
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.planning.mixtures import STREAMED_ROWS
from nbmerge.errors import MergeStopped
from tests.models import make_model


@pytest.fixture
def stored(tmp_path):
    """A matrix of bfloat16 in a file, of several parts and a rest, and the same in memory."""
    folder = make_model(tmp_path / "model")
    matrix = torch.randn(2 * STREAMED_ROWS + 77, 96, dtype=torch.bfloat16)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    save_file({"wide": matrix}, folder / "model.safetensors", metadata={"format": "pt"})
    return Checkpoint.open(folder).tensors["wide"], matrix


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_are_those_of_a_linear_layer_and_the_same_with_any_threads(stored, dtype):
    source, matrix = stored
    layer = torch.nn.Linear(*matrix.shape[::-1]).to(dtype)
    layer.weight.data.copy_(matrix)
    states = torch.randn(3, 5, 96, dtype=dtype)
    found = []
    for threads in (1, 3):
        with InputFiles() as files, streaming(Workspace(files, threads=threads)) as products:
            found += [products.linear(states, source, bias) for bias in (layer.bias, None)]
    torch.testing.assert_close(found[0], layer(states), check_layout=False)
    torch.testing.assert_close(found[1], layer(states) - layer.bias, rtol=1e-5, atol=1e-5)
    assert not found[0].requires_grad
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])


def test_a_stop_ends_a_product(stored):
    stop = threading.Event()
    stop.set()
    with InputFiles() as files, streaming(Workspace(files, stop, threads=2)) as products, pytest.raises(MergeStopped):
        products.linear(torch.zeros(1, 96), stored[0], None)


def test_parts_cover_all_rows_and_none_is_small():
    for count in (1, STREAMED_ROWS - 1, STREAMED_ROWS, STREAMED_ROWS + 1, 5 * STREAMED_ROWS - 1):
        parts = divide_rows(count)
        assert [i for part in parts for i in range(count)[part]] == list(range(count))
        assert min(p.stop - p.start for p in parts) >= min(count, STREAMED_ROWS)
