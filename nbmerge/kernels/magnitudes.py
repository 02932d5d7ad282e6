"""What searches for the largest magnitudes of a task vector ask, answered by compiled loops."""

from __future__ import annotations

import numpy as np
import torch

from nbmerge.kernels.counting import build_collection, build_comparison
from nbmerge.kernels.operands import KINDS
from nbmerge.methods.numerics.selection import Comparison, Request


def survey(request: Request, start: int, base: torch.Tensor, own: torch.Tensor) -> None:
    """Fill a request from the blocks that begin at `start`, as they are stored."""
    kinds, places = (KINDS[base.dtype], KINDS[own.dtype]), (base.numel(), base.data_ptr(), own.data_ptr())
    if isinstance(request, Comparison):
        values = np.array(request.values, np.float32)
        counts = np.zeros((values.size, 2), np.int64)
        build_comparison(*kinds)(*places, values, counts)
        request.take(start, counts.tolist())
    else:
        inside = np.empty(base.numel(), np.float32)
        above, held = build_collection(*kinds)(*places, np.float32(request.low), np.float32(request.high), inside)
        request.take(start, above, inside[:held].copy())
