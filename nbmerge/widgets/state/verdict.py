"""One verdict on the recipe, for everything that shows one: the status line, the table of models, the merge button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nbmerge.widgets.state.names import tell_apart
from nbmerge.widgets.state.studio_state import StudioState

FIRST = "Add a base model and one that was fine-tuned from it: press +."
LETTERS = 32
"""Letters of a model's name."""
SECOND = "Add a model that was fine-tuned from it: press +."


@dataclass(frozen=True)
class Verdict:
    """How the recipe stands.

    Parameters
    ----------
    kind : "ready", "warning", "bad" or "idle"
        Ready to merge, ready with warnings, not ready, or not a recipe yet.
    text : str
        In one sentence.
    """

    kind: Literal["ready", "warning", "bad", "idle"]
    text: str


def judge(state: StudioState) -> Verdict:
    """The verdict on what a state shows."""
    if state.refused:
        return Verdict("bad", "The edited text is not applied: it is not a valid recipe. Correct it, or revert it.")
    if state.recipe is None:
        return Verdict("idle", SECOND if state.base else FIRST)
    groups = state.groups
    errors = [g for g in groups if g.severity == "error"]
    if errors or state.plan is None:
        count = len(errors)
        return Verdict("bad", f"{count} {'problem' if count == 1 else 'problems'} to solve before this can be merged.")
    plan = state.plan
    layers = f"{plan.depth} {'layer' if plan.depth == 1 else 'layers'}"
    text = f"{plan.method.title} of {', '.join(tell_apart(plan.parents, LETTERS))}; {layers}"
    if groups:
        return Verdict("warning", f"{text}; {len(groups)} {'warning' if len(groups) == 1 else 'warnings'}.")
    return Verdict("ready", f"{text}.")
