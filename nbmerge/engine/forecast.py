"""What a merge will cost, before it starts."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nbmerge.engine.plan import Plan

PROCESS = 330_000_000
"""Resident memory of Python with torch imported, in bytes (measured, torch 2.13, Linux)."""
BLOCK_BYTES = (1 << 18) * 8
"""Buffer of one block at its widest (float64)."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Cost of a merge.

    Parameters
    ----------
    bytes_read, bytes_written : int
        Weights; inputs count twice where a method looks before it mixes.
    memory_bytes : int
        Peak of the process's memory, the interpreter and torch included.
    """

    bytes_read: int
    bytes_written: int
    memory_bytes: int

    def __str__(self) -> str:
        read, written, memory = (x / 1e6 for x in (self.bytes_read, self.bytes_written, self.memory_bytes))
        return f"reads {read:,.1f} MB, writes {written:,.1f} MB, needs about {memory:,.0f} MB of memory"


def forecast(plan: Plan, threads: int | None = None) -> Forecast:
    """Cost of a plan with a number of workers (default: as many as a merge would use)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    inputs = max((len(t.inputs) for t in plan.tensors), default=0)
    buffers = (threads or min(allowed, 8)) * (3 * inputs + 6) * BLOCK_BYTES
    return Forecast(plan.bytes_read, plan.bytes_written, PROCESS + buffers)
