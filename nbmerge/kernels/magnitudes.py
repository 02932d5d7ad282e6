"""What searches for the largest magnitudes of a task vector ask, answered by compiled loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from nbmerge.kernels.counting import build_collection, build_comparison
from nbmerge.methods.numerics.selection import Collection, Comparison, Request

Survey = Callable[[Request, int, torch.Tensor, torch.Tensor], None]
"""``(request, start, base, own)``: fills a request from blocks as they are stored."""


def fuse(kind: int) -> Survey:
    """The loops for numbers that are stored in one way."""

    def survey(request: Request, start: int, base: torch.Tensor, own: torch.Tensor) -> None:
        if isinstance(request, Comparison):
            _compare(request, start, base, own)
        else:
            _collect(request, start, base, own)

    def _compare(request: Comparison, start: int, base: torch.Tensor, own: torch.Tensor) -> None:
        values = np.array(request.values, np.float32)
        counts = np.empty((values.size, 2), np.int64)
        build_comparison(kind)(base.numel(), base.data_ptr(), own.data_ptr(), values, counts)
        request.take(start, counts.tolist())

    def _collect(request: Collection, start: int, base: torch.Tensor, own: torch.Tensor) -> None:
        inside = np.empty(base.numel() + 1, np.float32)
        low, high = np.float32(request.low), np.float32(request.high)
        above, held = build_collection(kind)(base.numel(), base.data_ptr(), own.data_ptr(), low, high, inside)
        request.take(start, above, inside[:held].copy())

    return survey
