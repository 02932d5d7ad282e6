"""A Studio's recipe as a page, with the texts and scores of its merges. Without widgets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nbmerge.engine.planning import Plan, examine, revise_plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.state.sampling_session import MERGE, PIN, ModelOutput
from nbmerge.widgets.state.studio_state import StudioState

if TYPE_CHECKING:
    from nbmerge.pages import Records
    from nbmerge.pages.contents import Texts
    from nbmerge.typing import ProgressLike, StopSignal

PRESENT = "this recipe"


class PageMaker:
    """Makes the page of what is on screen now; the work itself may then be done in another thread.

    Parameters
    ----------
    state : StudioState
    outputs : iterable of ModelOutput
        What was generated last; texts of an earlier recipe are left out.
    title : str

    Raises
    ------
    NbmergeError
        When there is no valid recipe.
    """

    def __init__(self, state: StudioState, outputs: Iterable[ModelOutput] = (), title: str = ""):
        if state.plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        self.plan: Plan = state.plan
        self._state, self._title, self._text = state, title, state.text
        self._records = collect_records(state, self.plan, outputs)

    def make(self, progress: ProgressLike = None, cancel: StopSignal | None = None) -> bytes:
        """The page; what is not known about its models is measured, and noted in the state."""
        from nbmerge.pages import make_page
        from nbmerge.statistics.plan_statistics import measure_plan

        measurements = self._state.measurements
        known = measurements.find_exact(self.plan)
        if known is None:
            measured = (*measure_plan(self.plan, progress=progress, cancel=cancel), self.plan)
            measurements.take(measured)
            known = measurements.find_exact(self.plan) or measured[1]
        return make_page(self.plan, known, self._records, self._title, self._text)


def collect_records(state: StudioState, plan: Plan, outputs: Iterable[ModelOutput]) -> Records:
    """Texts of the merge, of pinned merges and of parents, and the scores and curves of pinned and named steps."""
    from nbmerge.pages import Records

    pins, scores = {}, {}
    with state.lock:
        steps = list(state.history)
    for step in steps:
        present = step.recipe == plan.recipe
        name = PRESENT if present else ", ".join(step.pins) or step.name
        if name and step.scores:
            scores[name] = dict(step.scores)
        if step.pins and not present and (pinned := revise_plan(plan, step.recipe) or examine(step.recipe)[0]):
            pins[", ".join(step.pins)] = pinned
    return Records(_collect_texts(plan, outputs), scores, pins)


def _collect_texts(plan: Plan, outputs: Iterable[ModelOutput]) -> Texts:
    found = {}
    for output in outputs:
        texts = {c.prompt: c.text for c in output.continuations if c.status == "done"}
        if texts and (output.kind != MERGE or output.fingerprint == plan.recipe.fingerprint):
            found[{MERGE: PRESENT, PIN: f"pinned {output.name}"}.get(output.kind, output.name)] = texts
    return found
