"""Which way the values of the curve should move: derivatives of a score, shown beside the points of the curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nbmerge.curves import Track
from nbmerge.engine.planning import Plan
from nbmerge.statistics.plan_statistics import is_predictable
from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.panels.analysis.work import AnalysisWork, find_most
from nbmerge.widgets.panels.tracks.rows.curve import CurveRow
from nbmerge.widgets.panels.tracks.rows.row import Row
from nbmerge.widgets.state.analyses import find_score, list_scores

if TYPE_CHECKING:
    from nbmerge.analysis import Sensitivity

DIGITS = 4
"""Digits of a derivative that the browser gets."""
MIXTURE = (
    "A mixture of experts has no values over the layers, so there is none to move. Its text sets prompts and scales."
)
"""The note where the recipe is a mixture."""


class SensitivityRow(Row):
    """For each layer, whether a higher or a lower value helps a score, and how much; for the parameter on screen.

    Attributes
    ----------
    score : str
        Name of the score.
    """

    name = "sensitivity"

    def __init__(self, panel: Any):
        super().__init__(panel)
        self.score = ""
        self._work = AnalysisWork(panel, "sensitivity")

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Compute, and choose the score."""
        return {"compute": self.compute, "stop": self._work.stop, "choose": self.choose}

    # --- state to screen ---

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """What can be computed, and the derivatives for the curve on screen."""
        scores = list_scores(self.state, tokens=True)
        if self.score not in scores:
            self.score = next(iter(scores), "")
        is_possible = is_predictable(plan) and plan.recipe.experts is None
        found = self._work.find(plan) if is_possible else None
        stale = self._work.is_stale(plan)
        content: dict[str, Any] = {
            "scores": scores if plan.recipe.experts is None else [], "score": self.score, "progress": self._work.progress,
            "stale": found is not None and stale, "ready": is_possible and bool(scores) and (found is None or stale),
            "note": _explain(plan, is_possible, bool(scores)) or _describe(found, stale),
        }  # fmt: skip
        curve = self.panel.rows["curve"]
        assert isinstance(curve, CurveRow)
        track, group = curve.track, curve.group
        if found is not None and track is not None:
            content |= self._picture(found, plan, track, group)
        return content

    def _picture(self, found: Sensitivity, plan: Plan, track: Track, group: str | None) -> dict[str, Any]:
        model = None if track.model is None else plan.labels[track.model]
        sums: dict[int | str, float] = defaultdict(float)
        for d in found.derivatives:
            if (d.parameter, d.model) == (track.parameter.name, model) and (d.layer is None or group in (None, d.kind)):
                sums[d.kind if d.layer is None else d.layer] += d.derivative
        places = [c.role if c.layer is None else c.layer for c in self.panel.columns]
        slopes = [plain_number(sums[place], DIGITS) if place in sums else None for place in places]
        most = find_most(*([v for k, v in sums.items() if isinstance(k, kind)] for kind in (int, str)))
        return {"slopes": slopes, "most": most, "lower": found.lower}

    # --- screen to state ---

    def choose(self, score: str) -> None:
        """Choose the score; derivatives of another one are then out of date."""
        if score != self.score:
            self.score = score
            self.state.analyses.forget(self._work.name)
        self.panel.redraw()

    def compute(self) -> None:
        """Compute the derivatives, in the background."""
        score = find_score(self.state, self.score)

        def work(plan: Plan, progress: Any, cancel: Any) -> Sensitivity:
            from nbmerge.analysis import sensitivity

            return sensitivity(plan, score, progress=progress, cancel=cancel)

        self._work.compute(work)


def _explain(plan: Plan, is_possible: bool, has_scores: bool) -> str:
    """Why there are no derivatives; empty if there can be."""
    if plan.recipe.experts is not None:
        return MIXTURE
    if not is_possible:
        return f"{plan.method.title} is not a weighted sum of the models, so it has no derivatives here."
    return "" if has_scores else "Type a prompt in Samples, or add a text as a score, to see which way values help."


def _describe(found: Sensitivity | None, stale: bool) -> str:
    if found is None:
        return "Which way each value helps a score: up or down, and how much."
    if stale:
        return "Out of date: of an earlier recipe."
    return f"▲ a higher value helps, ▼ a lower one. Now {found.score:.4g}, {'lower' if found.lower else 'higher'} is better."


ROW = SensitivityRow
