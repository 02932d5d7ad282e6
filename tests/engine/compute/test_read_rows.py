from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from nbmerge.checkpoints.header import read_header
from nbmerge.engine.compute import blocks
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.tokenizers.alignment import extended
from nbmerge.tokenizers.table import MEAN, Table


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    generator = torch.Generator().manual_seed(0)
    tensors = {
        n: torch.randn(shape, generator=generator) for n, shape in {"a": (9, 5), "b": (11, 5), "bias": (9,)}.items()
    }
    tensors["half"] = torch.randn(9, 5, generator=generator).bfloat16()
    save_file(tensors, folder / "t.safetensors")
    return tensors, read_header(folder / "t.safetensors")[0]


def read(rows: Rows, start: int = 0, count: int | None = None) -> torch.Tensor:
    with InputFiles() as files:
        return Workspace(files).open(rows, 0)(start, rows.count if count is None else count).clone()


def table(*entries) -> Table:
    n = len(entries)
    return Table.weighted(np.full((1, n), -1), np.zeros((1, n)), dict(enumerate(entries)))


ENTRY = st.tuples(st.integers(0, 1), st.integers(0, 8), st.sampled_from([1.0, 0.5, -0.25, 2.0]))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.lists(ENTRY, max_size=3), min_size=1, max_size=14), cut=st.floats(0, 1), size=st.integers(1, 40)
)
def test_any_span_of_any_table(stored, rows, cut, size):
    tensors, headers = stored
    made = Rows.of(headers["a"], (headers["a"], headers["b"]), table(*rows))
    wanted = torch.stack([sum((w * tensors["ab"[s]][r] for s, r, w in e), torch.zeros(5)) for e in rows]).view(-1)
    start = int(cut * (made.count - 1))
    count = min(size, made.count - start)
    torch.testing.assert_close(read(made, start, count), wanted[start : start + count], rtol=1e-5, atol=1e-6)


def test_copied_rows_keep_their_bits_and_dtype(stored):
    tensors, headers = stored
    order = [8, 0, 1, 2, 5]
    made = Rows.of(headers["a"], (headers["half"],), table(*([(0, r, 1.0)] for r in order)))
    assert made.dtype == "bfloat16"
    assert torch.equal(read(made).view(5, 5), tensors["half"][order])


def test_computed_rows_and_mixed_dtypes_have_the_digits_they_need(stored):
    _, headers = stored
    assert Rows.of(headers["a"], (headers["half"],), table([(0, 0, 0.5), (0, 1, 0.5)])).dtype == "float32"
    assert (
        Rows.of(headers["a"], (headers["half"], headers["a"]), table([(0, 0, 1.0)], [(1, 1, 1.0)])).dtype == "float32"
    )


def test_sources_that_no_row_needs_are_left_out(stored):
    _, headers = stored
    made = Rows.of(headers["a"], (headers["a"], headers["b"]), table([(1, 3, 1.0)]))
    assert [s.name for s in made.leaves()] == ["b"]


def test_the_mean_is_of_all_rows_that_are_no_means(stored):
    tensors, headers = stored
    made = Rows.of(
        headers["a"],
        (headers["a"], headers["b"]),
        table([(0, 1, 1.0)], [(0, MEAN, 1.0)], [(1, 2, 0.5), (1, 3, 0.5)], []),
    )
    wanted = (tensors["a"][1] + (tensors["b"][2] + tensors["b"][3]) / 2) / 3
    torch.testing.assert_close(read(made).view(4, 5)[1], wanted)


def test_a_vector_has_rows_of_one_number(stored):
    tensors, headers = stored
    made = Rows.of(headers["bias"], (headers["bias"],), table([(0, 3, 1.0)], [], [(0, 0, 1.0)]))
    assert made.shape == (3,)
    assert read(made).tolist() == [tensors["bias"][3], 0.0, tensors["bias"][0]]


def test_blocks_smaller_than_a_row(stored, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.compute.read_rows.BLOCK", 3)
    assert blocks.BLOCK > 3
    tensors, headers = stored
    made = Rows.of(headers["a"], (headers["a"],), extended("mean", 9, 9, 10))
    torch.testing.assert_close(read(made).view(10, 5)[9], tensors["a"].mean(0))


def test_equality_is_by_contents_and_shown_in_descriptions(stored):
    _, headers = stored
    one, same, other = (Rows.of(headers["a"], (headers["a"],), table([(0, r, 1.0)])) for r in (1, 1, 2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one.described() == same.described() != other.described()
