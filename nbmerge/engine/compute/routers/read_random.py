"""Random numbers as inputs: routers that nothing is known for, and noise on experts. They belong to their places."""

from __future__ import annotations

import numpy as np
import torch

from nbmerge.engine.compute.workspace import Read, Workspace
from nbmerge.engine.planning.mixtures import Noisy, RandomRouter
from nbmerge.methods.numerics.random_streams import normal, uniform


def open_random_router(source: RandomRouter, workspace: Workspace, slot: int) -> Read:
    """Read a router of random numbers."""
    limit = source.shape[-1] ** -0.5

    def read(start: int, count: int) -> torch.Tensor:
        if source.distribution == "normal":
            return torch.from_numpy(normal(source.stream, start, count).astype(np.float32))
        return torch.from_numpy((uniform(source.stream, start, count) * 2 - 1) * np.float32(limit))

    return read


def open_noisy(source: Noisy, workspace: Workspace, slot: int) -> Read:
    """Read a tensor with noise."""
    inner = workspace.nested().open(source.source, 0)
    dtype = getattr(torch, source.dtype)

    def read(start: int, count: int) -> torch.Tensor:
        noise = torch.from_numpy(normal(source.stream, start, count)).to(dtype)
        return inner(start, count).to(dtype) + noise.mul_(source.scale)

    return read
