"""Writing the merged model: the output folder, what stands in the way, what it costs, and what a stopped merge keeps."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait
from traitlets import Bool, HasTraits, Int, Unicode

from nbmerge.engine.cost import Forecast, forecast
from nbmerge.engine.output import UnfinishedMerge, check_output, discard_unfinished, find_unfinished, propose_output
from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError, OutputError
from nbmerge.widgets.state.activities import Activities
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.job import DONE, STOPPED, Job

if TYPE_CHECKING:
    from nbmerge.engine.merge import MergeResult

NAME = "merge"
"""Of the job."""
FRESH = 1.0
"""Seconds for which it is believed that nothing has appeared at the output folder."""
DELAY = 1.5
"""Seconds after the first plan before this machine is measured: not while a page is being drawn."""


class Merging(HasTraits):
    """Merges to disk, for one state.

    Parameters
    ----------
    job : Job
    activities : Activities

    Attributes
    ----------
    out : str
        The output folder, at first a name that is free.
    overwrite : bool
        Whether a model that is there is replaced.
    result : MergeResult or None
        Of the last merge.
    kept : UnfinishedMerge or None
        What the last merge left when it was stopped.
    revision : int
        Counts changes of anything here.
    """

    out = Unicode()
    overwrite = Bool(False)
    result = AnyTrait(None, allow_none=True)
    kept = AnyTrait(None, allow_none=True)
    revision = Int(0)

    def __init__(self, job: Job, activities: Activities):
        super().__init__(out=str(propose_output(Path("merged"))))
        self.job = job
        self._seconds: dict[Any, float | None] = {}
        self._cost: tuple[Any, Forecast, Any] | None = None
        self._obstacle: tuple[Any, str, float] = (None, "", 0.0)
        self._runner = DebouncedRunner(lambda error: None, "forecast", activities)
        self._timer: threading.Timer | None = None
        self._is_closed = False
        job.observe(lambda change: self._take_end(), "status")

    @property
    def folder(self) -> Path:
        """The output folder.

        Raises
        ------
        OutputError
            When none is named.
        """
        name = self.out.strip()
        if not name:
            raise OutputError("Enter an output folder.")
        return Path(name).expanduser()

    @property
    def is_running(self) -> bool:
        """Whether a merge is being written."""
        return self.job.running and self.job.name == NAME

    @property
    def exists(self) -> bool:
        """Whether something is at the output folder."""
        return bool(self.out.strip()) and propose_output(self.folder) != self.folder

    def find_obstacle(self, plan: Plan) -> str:
        """Why the plan cannot be merged into the output folder; empty where it can."""
        asked = (plan.family, self.out, self.overwrite, self.revision)
        if self._obstacle[0] != asked or time.monotonic() > self._obstacle[2]:  # a slider asks many times a second
            self._obstacle = asked, self._check(plan), time.monotonic() + FRESH
        return self._obstacle[1]

    def _check(self, plan: Plan) -> str:
        try:
            check_output(plan, self.folder, self.overwrite)
        except NbmergeError as error:
            hint = "pass overwrite=True (--overwrite) to replace it"
            return str(error).replace(hint, "choose to replace it")
        return ""

    # --- changes ---

    def set_out(self, path: str) -> None:
        """Choose the output folder."""
        self.out, self.overwrite = path.strip(), False
        self.revision += 1

    def set_overwrite(self, overwrite: bool) -> None:
        """Choose whether a model that is there is replaced."""
        self.overwrite = overwrite
        self.revision += 1

    def propose(self) -> None:
        """Take a free name in place of one that is taken."""
        self.set_out(str(propose_output(self.folder)))

    def start(self, plan: Plan) -> None:
        """Write the merged model; resumes what an earlier merge of the same plan left."""
        from nbmerge.engine.merge import merge

        out, overwrite = self.folder, self.overwrite
        check_output(plan, out, overwrite)
        self._begun = out
        self.result = self.kept = None

        def work(progress: Any, cancel: threading.Event) -> MergeResult:
            return merge(plan, out, overwrite=overwrite, progress=progress, cancel=cancel)

        self.job.start(NAME, work)
        self.revision += 1

    def discard(self) -> None:
        """Remove what the stopped merge left."""
        if self.kept is not None:
            discard_unfinished(self.kept.out)
            self.kept = None
            self.revision += 1

    def dismiss(self) -> None:
        """Forget how the last merge ended; what it left stays."""
        self.result = self.kept = None
        self.revision += 1

    def _take_end(self) -> None:
        if self.job.name != NAME:
            return
        if self.job.status == DONE:
            self.result = self.job.result
            self.out, self.overwrite = str(propose_output(self._begun)), False  # ready for the next one
        elif self.job.status == STOPPED:
            self.kept = find_unfinished(self._begun) or UnfinishedMerge(self._begun, 0)
        self.revision += 1

    # --- cost ---

    def forecast(self, plan: Plan) -> tuple[Forecast, float | None]:
        """The cost of a plan, and its seconds once this machine was measured; the first call begins to measure it."""
        if self._cost is None or self._cost[0] is not plan.family:
            self._cost = plan.family, forecast(plan), _speed_key(plan)
        _, cost, key = self._cost
        if key not in self._seconds and not self._is_closed:
            self._seconds[key] = None
            self._timer = threading.Timer(DELAY, self._measure, (plan, key))
            self._timer.name, self._timer.daemon = "nbmerge forecast", True
            self._timer.start()
        return cost, self._seconds.get(key)

    def _measure(self, plan: Plan, key: Any) -> None:
        if self._is_closed or self.job.running:  # other work would falsify it
            self._seconds.pop(key, None)
            return

        def work(cancel: threading.Event) -> None:
            self._seconds[key] = forecast(plan).seconds
            self.revision += 1

        self._runner.submit(work)

    def close(self) -> None:
        """Measure nothing any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._cost = None
        self._runner.stop()

    def reopen(self) -> None:
        """Measure again where that is needed."""
        self._is_closed = False


def _speed_key(plan: Plan) -> Any:
    """What the time of a merge depends on: the work, not the numbers that sliders change."""
    kinds = {(t.method, t.dtype, tuple(i.output_dtype for i in t.inputs)) for t in plan.tensors}
    return plan.bytes_read, plan.bytes_written, frozenset(kinds)
