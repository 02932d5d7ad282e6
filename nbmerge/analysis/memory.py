"""The memory that an evaluation layer by layer needs, compared with what is free before any is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbmerge.engine.cost import find_spare_memory, require_memory, worker_bytes
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.planning import Plan
from nbmerge.sampling.likelihood import Window
from nbmerge.sizes import human

TOKENS = 2048
"""Most tokens that a layer is applied to together."""
ACTIVATIONS = 16
"""Numbers inside a layer for each number of its hidden state: about what a Llama has at once."""
LOGITS = 3
"""Copies of a window's logits in float32: as computed, as log-probabilities, and those that they are compared with."""
TOGETHER = 4
"""Most versions of a part whose weights are computed in one pass over the parents."""
MOST_ROOM = 500_000_000
"""Most bytes that weights of such versions may take, besides those of one."""


def find_room(model: LayeredModel, plans: Sequence[Plan], needed: int) -> int:
    """Bytes for weights of several versions of a part, from what is free besides what an evaluation needs."""
    largest = max(sum(t.nbytes for t in tensors) for tensors in model.parts(plans[0]))
    wanted = min((min(TOGETHER, len(plans)) - 1) * largest, MOST_ROOM)
    return 0 if model.device is not None else min(wanted, find_spare_memory(needed))


def check_memory(model: LayeredModel, plans: Sequence[Plan], windows: Sequence[Window], *, extra: int = 0) -> int:
    """Bytes that an evaluation needs besides the page cache; on a device, it needs one part of them on the CPU as well.

    Parameters
    ----------
    model : LayeredModel
    plans : sequence of Plan
    windows : sequence of Window
    extra : int
        Bytes that the caller needs in addition.

    Raises
    ------
    TooLargeError
        When they are not free.
    """
    config: Any = model.model.config.get_text_config()
    tokens, longest = sum(len(w.ids) for w in windows), max(len(w.ids) for w in windows)
    part = max(sum(t.nbytes for t in tensors) for tensors in model.parts(plans[0]))
    packed = max(t.nbytes for t in plans[0].tensors)  # libraries copy a matrix into another order to multiply with it
    width = config.hidden_size * model.model.dtype.itemsize
    states = 2 * len(plans) * tokens * width
    inside = ACTIVATIONS * min(len(plans) * tokens, max(TOKENS, longest)) * width
    buffers = model.threads * max(worker_bytes(t) for t in plans[0].tensors)
    buffers += model.loop_bytes(plans)
    needed = part + packed + states + inside + LOGITS * 4 * longest * config.vocab_size + extra
    if model.free_bytes is None:
        needed += buffers
    what = f"Evaluating {len(plans)} merges on {tokens} tokens, with {human(states)} of hidden states,"
    require_memory(needed, what, "Use fewer points or shorter texts.", model.free_bytes)
    return needed
