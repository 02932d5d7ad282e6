"""The Text panel: how likely each token of a text is under the merge and its parents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.sampling import Perplexity
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.analysis.work import AnalysisWork
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.analyses import list_prompts
from nbmerge.widgets.state.studio_state import StudioState

if TYPE_CHECKING:
    from nbmerge.analysis import TokenComparison

SHOWN = 600
"""Most tokens on screen."""
DIGITS = 4
"""Digits of a log-probability that the browser gets."""


class TextView(View):
    """The drawing of the Text panel."""

    script = "text"
    large = True


class TextPanel(Panel):
    """Which parent the merge is closest to at each token, and where it departs from all of them.

    Attributes
    ----------
    text : str
        What was compared last, or is suggested.
    """

    title = "Text"

    def _build(self) -> list[ipywidgets.Widget]:
        self.text = ""
        self._work = AnalysisWork(self, "compare tokens")
        self.view = TextView({"compare": self.compare, "stop": self._work.stop}, self.errors)
        return [self.view]

    # --- screen to state ---

    def compare(self, text: str) -> None:
        """Compute the log-probabilities of a text's tokens, in the background."""
        if not text.strip():
            raise NbmergeError("Type a text.")

        def work(plan: Plan, progress: Any, cancel: Any) -> TokenComparison:
            from nbmerge.analysis import compare_tokens

            return compare_tokens(plan, text, progress=progress, cancel=cancel)

        self._work.compute(work)
        self.text = text

    # --- state to screen ---

    def _refresh(self) -> None:
        self._draw()

    def _draw(self) -> None:
        plan = self.state.plan
        found = None if plan is None else self._work.find(plan)
        stale = plan is not None and found is not None and self._work.is_stale(plan)
        self.view.show({
            "suggested": self.text or suggest_text(self.state), "ready": plan is not None,
            "progress": self._work.progress, "stale": stale,
            "note": "Out of date: of an earlier recipe." if stale else "",
            "result": None if found is None or plan is None else _describe(found, plan),
        })  # fmt: skip


def suggest_text(state: StudioState) -> str:
    """The text of a score, else the prompts."""
    texts = [score.text for score in state.notes.scores.scores.values() if isinstance(score, Perplexity)]
    return texts[0] if texts else "\n".join(list_prompts(state))


def _describe(found: TokenComparison, plan: Plan) -> dict[str, Any]:
    labels, colours = list(found.parents), model_colours(plan)
    rows = [found.merge, *found.parents.values()]
    return {
        "models": [{"label": "the merge", "colour": ""}, *({"label": p, "colour": colours.get(p, "")} for p in labels)],
        "perplexity": [plain_number(found.perplexity(label), DIGITS) for label in ("merge", *labels)],
        "start": found.start, "tokens": list(found.tokens[:SHOWN]), "hidden": max(len(found.tokens) - SHOWN, 0),
        "logs": [_numbers(row) for row in rows], "outside": _numbers(found.outside),
        "closest": [1 + labels.index(label) for label in found.closest[:SHOWN]],
        "remarks": [*([f"Computed by live updates: {found.fallback}"] if found.fallback else []), *found.notes],
    }  # fmt: skip


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [plain_number(value, DIGITS) for value in list(values)[:SHOWN]]
