"""The memory that an evaluation layer by layer needs, compared with what is free before any is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbmerge.engine.compute import estimate_loop_bytes
from nbmerge.engine.cost import require_memory, worker_bytes
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.live.workers import UPDATES
from nbmerge.engine.planning import Plan
from nbmerge.sampling.likelihood import Window
from nbmerge.sizes import human

TOKENS = 2048
"""Most tokens that a layer is applied to together."""
ACTIVATIONS = 16
"""Numbers inside a layer for each number of its hidden state: about what a Llama has at once."""
LOGITS = 3
"""Copies of a window's logits in float32: as computed, as log-probabilities, and those that they are compared with."""


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
    packed = max(
        t.nbytes for t in plans[0].tensors
    )  # libraries arrange the numbers of a matrix anew to multiply with it
    width = config.hidden_size * model.model.dtype.itemsize
    states = 2 * len(plans) * tokens * width
    inside = ACTIVATIONS * min(len(plans) * tokens, max(TOKENS, longest)) * width
    buffers = model.threads * max(worker_bytes(t) for t in plans[0].tensors)
    buffers += estimate_loop_bytes((t for plan in plans for t in plan.tensors), UPDATES)
    needed = part + packed + states + inside + LOGITS * 4 * longest * config.vocab_size + extra
    if model.free_bytes is None:
        needed += buffers
    what = f"Evaluating {len(plans)} merges on {tokens} tokens, with {human(states)} of hidden states,"
    require_memory(needed, what, "Use fewer points or shorter texts.", model.free_bytes)
    return needed
