"""Matrices of the base model that are multiplied as they are read: a few rows at a time, by several threads.

A layer is then never in memory as a whole, neither as it is stored nor in the dtype of the arithmetic. Where a matrix is divided
depends on its shape only, so the products do not depend on the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from nbmerge.engine.planning.mixtures import STREAMED_ROWS

if TYPE_CHECKING:
    from nbmerge.engine.compute.workspace import Workspace
    from nbmerge.typing import TensorInput


class StreamedProducts:
    """Multiplies states with matrices that are read meanwhile; see `streaming`."""

    def __init__(self, workspace: Workspace, threads: ThreadPoolExecutor):
        self._workspace, self._threads = workspace, threads
        self._own = threading.local()

    def linear(self, states: torch.Tensor, matrix: TensorInput, bias: torch.Tensor | None) -> torch.Tensor:
        """What `torch.nn.Linear` with this weight computes, in the dtype of the states."""
        result = states.new_empty(*states.shape[:-1], matrix.shape[0])

        def multiply(rows: slice) -> None:
            with torch.no_grad():  # which holds for one thread
                part = None if bias is None else bias[rows]
                result[..., rows] = functional.linear(states, self._read(matrix, rows, states.dtype), part)

        list(self._threads.map(multiply, divide_rows(matrix.shape[0])))  # raises what a thread raised
        return result

    def _read(self, matrix: TensorInput, rows: slice, dtype: torch.dtype) -> torch.Tensor:
        """Some rows, in memory of this thread that is used again."""
        workspace = getattr(self._own, "workspace", None)
        if workspace is None:
            torch.set_num_threads(1)
            workspace = self._own.workspace = self._workspace.nested()
        columns = matrix.shape[1]
        count = (rows.stop - rows.start) * columns
        stored = workspace.open(matrix, 0)(rows.start * columns, count)
        return workspace.scratch(dtype, 1, count)[0].copy_(stored).view(-1, columns)


@contextmanager
def streaming(workspace: Workspace) -> Iterator[StreamedProducts]:
    """Products with as many threads as the workspace may use, which end with this context."""
    with ThreadPoolExecutor(workspace.threads, thread_name_prefix="nbmerge-router") as threads:
        yield StreamedProducts(workspace, threads)


def divide_rows(count: int) -> list[slice]:
    """Parts of `STREAMED_ROWS` rows; the last one has the rest as well."""
    starts = [*range(0, max(count - STREAMED_ROWS, 0) + 1, STREAMED_ROWS)]
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], count], strict=True)]
