"""What each part of the merge does: the effect on a score of taking it from one parent, by layer and kind of tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints import GROUPS
from nbmerge.curves.columns import name_group
from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.model_ref import ModelRef
from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.panels.analysis.work import AnalysisWork, find_most
from nbmerge.widgets.panels.tracks.rows.row import Row
from nbmerge.widgets.state.analyses import NEXT_TOKENS, find_score, list_prompts, list_scores

if TYPE_CHECKING:
    from nbmerge.analysis import Ablation

DIGITS = 5
"""Digits of a number that the browser gets."""
MIXTURE = "Each part of a mixture is a copy from one model, so none can be taken from another here. Structure shows what its routers do."
"""The note where the recipe is a mixture of experts."""


class AblationRow(Row):
    """Cells by layer and kind: what becomes of a score if that part comes from one parent. A click takes it from there.

    Attributes
    ----------
    source : str
        Label of the parent that parts are taken from.
    score : str
        Name of the score.
    """

    name = "ablation"

    def __init__(self, panel: Any):
        super().__init__(panel)
        self.source, self.score = "", NEXT_TOKENS
        self._work = AnalysisWork(panel, "ablate")

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Compute, choose over what, and take a part."""
        return {"compute": self.compute, "stop": self._work.stop, "choose": self.choose, "take": self.take}

    # --- state to screen ---

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """What can be computed, and the effects that are known."""
        if plan.recipe.experts is not None:
            return {
                "sources": [], "source": "", "scores": [], "score": "", "progress": "", "stale": False, "ready": False,
                "note": MIXTURE,
            }  # fmt: skip
        scores = self._scores()
        if self.source not in plan.parents:
            self.source = plan.parents[0]
        if self.score not in scores:
            self.score = next(iter(scores), "")
        found, stale = self._work.find(plan), self._work.is_stale(plan)
        content: dict[str, Any] = {
            "sources": list(plan.parents), "source": self.source, "scores": scores, "score": self.score,
            "progress": self._work.progress, "stale": found is not None and stale,
            "note": _describe(found, stale, bool(scores)),
            "ready": bool(scores) and (found is None or stale or (found.source, *found.values) != (self.source, self.score)),
        }  # fmt: skip
        return content | (self._picture(found, plan) if found is not None else {})

    def _scores(self) -> list[str]:
        return [*([NEXT_TOKENS] if list_prompts(self.state) else []), *list_scores(self.state)]

    def _picture(self, found: Ablation, plan: Plan) -> dict[str, Any]:
        ((name, values),) = found.values.items()
        changes = {part: value - found.merge[name] for part, value in zip(found.parts, values, strict=True)}
        columns = self.panel.columns
        kinds = [kind for kind in GROUPS if any(kind == own for layer, own in changes if layer is not None)]
        return {
            "kinds": [{"key": kind, "label": name_group(plan, kind)} for kind in kinds],
            "cells": [[plain_number(changes.get((c.layer, kind)), DIGITS) for c in columns] for kind in kinds],
            "outside": [plain_number(changes.get((c.layer, c.role)), DIGITS) for c in columns],
            "most": find_most(*([v for (layer, _), v in changes.items() if (layer is None) == out] for out in (False, True))),
            "roles": [c.role for c in columns], "lower": found.lower[name],
            "of": found.source, "measured": name,
        }  # fmt: skip

    # --- screen to state ---

    def choose(self, source: str | None, score: str | None) -> None:
        """Choose the parent, or the score; None leaves what is chosen."""
        self.source = self.source if source is None else source
        self.score = self.score if score is None else score
        self.panel.redraw()

    def compute(self) -> None:
        """Replace each part, in the background."""
        parent, name, score = self._reference(self.source), self.score, find_score(self.state, self.score)

        def work(plan: Plan, progress: Any, cancel: Any) -> Ablation:
            from nbmerge.analysis import ablate

            return ablate(plan, parent, {name: score}, progress=progress, cancel=cancel)

        self._work.compute(work)

    def take(self, layer: int | None, kind: str) -> None:
        """Take a part from the parent of the effects on screen; one step of the history."""
        from nbmerge.analysis.proposals import take_part

        plan = self._work.plan
        found = self._work.find(plan)
        if found is None:
            raise NbmergeError("These effects are of other models. Compute them again.")
        self.state.set_recipe(take_part(plan, self._reference(found.source), layer, kind))

    def _reference(self, label: str) -> ModelRef:
        references = {label: ref for ref, label in self._work.plan.labels.items()}
        if label not in references:
            raise NbmergeError(f"'{label:.60}' is not a model of this merge.")
        return references[label]


def _describe(found: Ablation | None, stale: bool, is_possible: bool) -> str:
    if not is_possible:
        return "Type a prompt in Samples, or add a score, to see what each part does."
    if found is None:
        return "What each part does: it is replaced by that of one model, and the merge is scored."
    if stale:
        return "Out of date: of an earlier recipe."
    (value,) = found.merge.values()
    now = f"Now {value:.4g}. " if value else ""  # of a divergence from the merge itself, 0
    return f"{now}Click a cell to take that part.{f' {found.fallback}' if found.fallback else ''}"


ROW = AblationRow
