"""Evaluate several merges of the same parents side by side, layer by layer.

Merges that agree in all layers so far share one hidden state, and merges that agree in a layer share its weights: an
ablation computes the layers below its change once, and a sweep reads each layer of the parents once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from nbmerge.analysis.memory import TOGETHER, TOKENS, check_memory, find_room
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import MergeStopped, VirtualError
from nbmerge.progress import Listener, Reporter
from nbmerge.sampling.likelihood import Window

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

LOGIT_TOKENS = 512
"""Most tokens whose logits are computed together."""

Receive = Callable[[Sequence[int], int, torch.Tensor], None]
"""Called with the merges that share a result, the number of a window, and its logits, shape (tokens, vocabulary)."""


@dataclass
class Branch:
    """Merges that agree in all layers so far.

    Parameters
    ----------
    points : list of int
        Numbers of the merges.
    hidden : dict of int to Tensor
        For each length of windows, their hidden states, shape (windows, tokens, width).
    """

    points: list[int]
    hidden: dict[int, torch.Tensor] = field(default_factory=dict)


def require_same_tensors(plans: Sequence[Plan]) -> None:
    """Raise a `VirtualError` unless all plans have the same tensors and config."""
    first = plans[0]
    shapes = [(t.name, t.shape, t.dtype) for t in first.tensors]
    for plan in plans[1:]:
        if plan.config != first.config or [(t.name, t.shape, t.dtype) for t in plan.tensors] != shapes:
            raise VirtualError("The merges differ in more than numbers: in their config or in the shapes of tensors.")


def group_by_length(windows: Sequence[Window]) -> dict[int, list[int]]:
    """The numbers of the windows of each length, which are evaluated together."""
    found: dict[int, list[int]] = {}
    for i, window in enumerate(windows):
        found.setdefault(len(window.ids), []).append(i)
    return found


def evaluate_side_by_side(
    model: LayeredModel,
    plans: Sequence[Plan],
    windows: Sequence[Window],
    receive: Receive,
    *,
    extra: int = 0,
    progress: Listener | None = None,
    cancel: StopSignal | None = None,
) -> None:
    """Compute the logits of some windows for several merges.

    Parameters
    ----------
    model : LayeredModel
    plans : sequence of Plan
        See `require_same_tensors`.
    windows : sequence of Window
    receive : callable
        See `Receive`. Results that include merge 0 come first for each window.
    extra : int
        Bytes that the caller keeps of the results.
    progress, cancel
        As in `nbmerge.merge`; one step is a layer.

    Raises
    ------
    TooLargeError
        When hidden states and one layer do not fit into memory, before anything is allocated.
    MergeStopped
        When `cancel` was set.
    """
    needed = check_memory(model, plans, windows, extra=extra)
    room = find_room(model, plans, needed)
    model.fetch(plans, progress, cancel)
    report = Reporter(progress, model.depth + 2, 0)
    report.tell("planned")
    try:
        with torch.no_grad():
            _evaluate(_Run(model, plans, windows, cancel, room), receive, report)
    except MergeStopped:
        report.tell("stopped", error="stopped")
        raise MergeStopped("It was stopped before all layers were evaluated. Run it again for a result.") from None
    except BaseException as error:
        report.tell("failed", error=str(error))
        raise
    report.tell("finished")


def _evaluate(run: _Run, receive: Receive, report: Reporter) -> None:
    parts = [list(run.model.parts(plan)) for plan in run.plans]
    last = len(parts[0]) - 1
    branches = run.enter([part[0] for part in parts])
    report.tell("tensor", "embedding")
    for i in range(1, last):
        branches = run.pass_layer(i - 1, branches, [part[i] for part in parts])
        report.tell("tensor", f"layer {i - 1}")
    run.leave(branches, [part[last] for part in parts], receive)
    report.tell("tensor", "head")
    run.model.unload()


@dataclass
class _Run:
    """One evaluation."""

    model: LayeredModel
    plans: Sequence[Plan]
    windows: Sequence[Window]
    cancel: StopSignal | None
    room: int = 0
    """Bytes for weights of several versions of a part."""

    def __post_init__(self) -> None:
        self.by_length = group_by_length(self.windows)

    def enter(self, parts: Sequence[list[TensorPlan]]) -> list[Branch]:
        """Embed the windows: one branch for each embedding."""
        made = []
        for _, points in self._load_each(parts):
            ids = {n: self._ids(which) for n, which in self.by_length.items()}
            made.append(Branch(points, {n: self.model.enter(rows) for n, rows in ids.items()}))
        return made

    def _ids(self, which: Sequence[int]) -> torch.Tensor:
        return torch.tensor([self.windows[i].ids for i in which], device=self.model.device)

    def pass_layer(self, layer: int, branches: list[Branch], parts: Sequence[list[TensorPlan]]) -> list[Branch]:
        """Apply a layer: branches whose merges differ in it are divided."""
        made = []
        for _, points in self._load_each(parts):
            own = _restrict(branches, points)
            for length in self.by_length:
                rows = torch.cat([old.hidden[length] for old, _ in own])
                size = max(1, TOKENS // length)
                after = [self._run_layer(layer, piece) for piece in rows.split(size)]
                counts = [len(old.hidden[length]) for old, _ in own]
                for (_, new), hidden in zip(own, torch.cat(after).split(counts), strict=True):
                    new.hidden[length] = hidden
            made += [new for _, new in own]
        return made

    def leave(self, branches: list[Branch], parts: Sequence[list[TensorPlan]], receive: Receive) -> None:
        """Compute logits and hand them on."""
        for _, points in self._load_each(parts):
            for old, new in _restrict(branches, points):
                for length, which in self.by_length.items():
                    size = max(1, LOGIT_TOKENS // length)
                    for start in range(0, len(which), size):
                        self._check()
                        logits = self.model.leave(old.hidden[length][start : start + size])
                        for window, rows in zip(which[start : start + size], logits, strict=True):
                            receive(new.points, window, rows)

    def _run_layer(self, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        self._check()
        return self.model.run_layer(layer, hidden)

    def _check(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise MergeStopped("Stopped.")

    def _load_each(self, parts: Sequence[list[TensorPlan]]) -> Iterator[tuple[list[TensorPlan], list[int]]]:
        """Load each version of a part, and yield it with the merges that have it."""
        self.model.unload(keep=parts[0])
        groups = _group(parts)
        count = min(TOGETHER, 1 + self.room // max(1, sum(t.nbytes for t in parts[0])))
        for start in range(0, len(groups), count):
            together = groups[start : start + count]
            self._check()
            if len(together) > 1:
                self.model.prepare([tensors for tensors, _ in together], self.cancel)
            for tensors, points in together:
                self._check()
                self.model.load(tensors, self.cancel)
                yield tensors, points


def _group(parts: Sequence[list[TensorPlan]]) -> list[tuple[list[TensorPlan], list[int]]]:
    """The different versions of a part, each with the merges that have it; the one of merge 0 first."""
    groups: list[tuple[list[TensorPlan], list[int]]] = []
    for point, tensors in enumerate(parts):
        known = next((points for other, points in groups if other == tensors), None)
        if known is None:
            groups.append((tensors, [point]))
        else:
            known.append(point)
    return groups


def _restrict(branches: Sequence[Branch], points: Sequence[int]) -> list[tuple[Branch, Branch]]:
    """Branches that have some of these merges, each with an empty one for those."""
    wanted = set(points)
    pairs = [(branch, Branch([p for p in branch.points if p in wanted])) for branch in branches]
    return [(old, new) for old, new in pairs if new.points]
