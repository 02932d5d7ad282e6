"""How many threads a model is evaluated with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

TINY = 20_000_000
"""Parameters up to which a second thread costs more in waiting than it gains in work."""


@contextmanager
def limit_threads(model: nn.Module) -> Iterator[None]:
    """Evaluate a tiny model with one thread of torch; larger models keep theirs.

    Threads synchronise after every small operation. Where another program occupies one of the processors, each
    synchronisation waits for it: measured on two busy processors, a model of 0.6 million parameters generates 20 times
    as fast with one thread.
    """
    import torch

    before = torch.get_num_threads()
    tiny = before > 1 and sum(p.numel() for p in model.parameters()) <= TINY
    if tiny:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if tiny:
            torch.set_num_threads(before)
