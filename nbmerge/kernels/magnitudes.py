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
    compared = request if isinstance(request, Comparison) else request.frequent
    values = np.array(compared.values, np.float32)
    counts = np.zeros((values.size, 2), np.int64)
    if isinstance(request, Comparison) or request.is_too_large:
        build_comparison(*kinds)(*places, values, counts)
    else:
        inside, interval = np.empty(base.numel(), np.float32), (np.float32(request.low), np.float32(request.high))
        above, held = build_collection(*kinds)(*places, *interval, values, counts, inside)
        request.take(start, above, inside[:held].copy())
    compared.take(start, counts.tolist())
