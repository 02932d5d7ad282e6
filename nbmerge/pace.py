"""How fast work goes, and how long it will still take: no number before it means something."""

from __future__ import annotations

from collections import deque

from nbmerge.progress import Event

WINDOW = 5.0
"""Seconds over which the speed is taken."""
SHARE, SECONDS = 0.05, 2.0
"""Share of the work, and time, before which the time left is not estimated."""


class Pace:
    """Speed and time left of one piece of work.

    The time left is a mean of two estimates, from the whole time and from the last seconds: the first is steady, the second
    notices that the large tensors are done.
    """

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()
        self._began: float | None = None
        self._kind = ""
        self.share: float | None = None
        """Share of the work that is done, None where it is not known."""

    def note(self, event: Event, now: float) -> None:
        """Take an event into account; downloading and merging are timed separately."""
        phase = "fetching" if event.kind == "fetching" else ""
        done, total = (event.bytes_done, event.bytes) if event.bytes else (event.tensors_done, event.tensors)
        if self._began is None or phase != self._kind:
            self._kind, self._began, self._first = phase, now, float(done)
            self._points.clear()
        self._total = float(total)
        self._points.append((now, float(done)))
        while len(self._points) > 2 and self._points[1][0] < now - WINDOW:
            self._points.popleft()
        self.share = done / total if total else None

    @property
    def speed(self) -> float | None:
        """Bytes (or tensors, where bytes are not known) per second in the last seconds; None before `SECONDS`."""
        if not self._is_known:
            return None
        (start, before), (end, after) = self._points[0], self._points[-1]
        return (after - before) / (end - start) if end > start else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate; None before `SHARE` of the work and `SECONDS` are over."""
        if not self._is_known or self.share is None or self.share < SHARE or self._began is None:
            return None
        end, done = self._points[-1]
        overall = (done - self._first) / max(end - self._began, 1e-9)
        speeds = [s for s in (overall, self.speed) if s]
        left = self._total - done
        return sum(left / s for s in speeds) / len(speeds) if speeds else None

    @property
    def _is_known(self) -> bool:
        return self._began is not None and self._points[-1][0] - self._began >= SECONDS


def format_seconds(number: float) -> str:
    """A span of time, no more precise than it is known."""
    if number < 1:
        return f"{max(number, 0.1):.1f} s"
    if number < 90:
        return f"{number:.0f} s"
    if number < 3600:
        return f"{number / 60:.0f} min"
    return f"{number / 3600:.1f} h"
