"""The setup bar: the whole setup in one line of chips, problems with their remedies below it, and the merge button."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning import Plan
from nbmerge.engine.remedies import ProblemGroup
from nbmerge.errors import CheckpointError
from nbmerge.methods import methods
from nbmerge.sizes import count_in_words
from nbmerge.widgets.controls.bench import BenchView
from nbmerge.widgets.controls.python_code import write_code
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.panels.setup.form import Form
from nbmerge.widgets.panels.setup.merge import MergeForm
from nbmerge.widgets.panels.setup.method import MethodForm
from nbmerge.widgets.panels.setup.models import ModelsForm, list_rows
from nbmerge.widgets.panels.setup.vocabulary import VocabularyForm
from nbmerge.widgets.state.studio_state import StudioState
from nbmerge.widgets.state.verdict import judge

FORMS = {"statistics": ("Gather statistics from texts …", "Gather")}
"""Problems that no change of the recipe alone solves: a button, and the tab of the drawer that it opens."""
SHOWN = ("name", "path", "colour", "role", "fit")
"""What a chip shows of a model."""


class SetupBar(Panel):
    """Models, method, vocabulary and output of a merge, each behind a chip; undo; problems with their remedies.

    Attributes
    ----------
    models, method, vocabulary, merge : Form
    """

    title = "Setup"

    def _build(self) -> list[ipywidgets.Widget]:
        state, guard = self.state, self.errors
        self.method, self.models = MethodForm(state), ModelsForm(state)
        self.vocabulary, self.merge = VocabularyForm(state), MergeForm(state)
        self._forms: dict[str, Form] = {
            "method": self.method, "models": self.models, "vocabulary": self.vocabulary, "merge": self.merge,
        }  # fmt: skip
        actions: dict[str, Callable[..., Any]] = {
            "undo": state.undo, "redo": state.redo, "remedy": self._apply_remedy, "open": self._open_panel,
            "show": self._show_tab,
        }  # fmt: skip
        for form in self._forms.values():
            actions |= form.actions
            form.on_change, form.on_error = guard(self._refresh), guard.show
            self.at_close(form.close)
        self.view = BenchView("bar", actions, guard)
        self._open_tab: Callable[[str], Any] | None = None
        self._tabs: tuple[str, ...] = ()
        self._open_name = ""
        redraw = guard(lambda change: self._refresh())
        self.watch(state.merging, redraw, "revision")
        self.watch(state.job, redraw, "status")
        self.watch(state.job, guard(lambda change: self._refresh() if state.merging.is_running else None), "event")
        return [self.view]

    def connect(self, open_tab: Callable[[str], Any], tabs: tuple[str, ...]) -> None:
        """Offer buttons for tabs of a drawer.

        Parameters
        ----------
        open_tab : callable
            ``(name)``
        tabs : tuple of str
            Those that there are.
        """
        self._open_tab, self._tabs = open_tab, tabs
        self._refresh()

    # --- screen to state ---

    def _apply_remedy(self, group: int, remedy: int) -> None:
        """Apply a remedy, or open the tab with the form that solves the problem."""
        groups = self.state.groups
        if group < len(groups) and remedy == len(groups[group].remedies) and (form := self._find_form(groups[group])):
            self._show_tab(form[1])
        else:
            self.state.apply_remedy(group, remedy)

    def _find_form(self, group: ProblemGroup) -> tuple[str, str] | None:
        """The button and the tab for a group of problems, where the drawer has it."""
        form = FORMS.get(group.problems[0].kind)
        return form if form is not None and form[1] in self._tabs else None

    def _open_panel(self, panel: str) -> None:
        """Note which popover is open: only its content is sent."""
        self._open_name = panel
        if panel in self._forms:
            self._forms[panel].open()
        self._refresh()

    def _show_tab(self, tab: str) -> None:
        if self._open_tab is not None:
            self._open_tab(tab)

    # --- state to screen ---

    def _refresh(self) -> None:
        with self.state.lock:  # threads draw too: what is drawn last must be the newest
            self.view.draw(self._describe())

    def _describe(self) -> dict[str, Any]:
        """All that the browser draws."""
        state = self.state
        verdict = judge(state)
        return {
            "method": _name_method(state), "chips": [{k: row[k] for k in SHOWN} for row in list_rows(state)],
            "facts": describe_facts(state), "canUndo": state.can_undo, "canRedo": state.can_redo,
            "status": {"kind": verdict.kind, "text": verdict.text}, "problems": self._list_problems(),
            "merge": self._describe_merge(), "panels": self._describe_panel(), "tabs": list(self._tabs),
        }  # fmt: skip

    def _list_problems(self) -> list[Mapping[str, Any]]:
        """Groups of problems; single problems are details where there are several."""
        return [
            {
                "severity": group.severity, "title": group.title, "advice": group.advice,
                "details": [str(p) for p in group.problems] if len(group.problems) > 1 else [],
                "remedies": [*(r.title for r in group.remedies), *([form[0]] if (form := self._find_form(group)) else [])],
            }
            for group in self.state.groups
        ]  # fmt: skip

    def _describe_panel(self) -> dict[str, Any]:
        """The content of the popover that is open."""
        if self._open_name == "save":
            text, recipe = self.state.text, self.state.recipe
            mergekit = "" if recipe is None else recipe.to_mergekit().text
            return {"save": {"yaml": text, "python": write_code(text, self.state.merging.out), "mergekit": mergekit}}
        form = self._forms.get(self._open_name)
        return {} if form is None else {self._open_name: form.content()}

    def _describe_merge(self) -> dict[str, Any]:
        plan, merging = self.state.plan, self.state.merging
        why = "Solve the problems first" if plan is None else merging.find_obstacle(plan)
        if merging.is_running:
            title = f"Writing {merging.out}; open to stop it"
            return {"label": self.merge.describe_progress(), "ready": True, "title": title}
        return {"label": self.merge.describe_button(), "ready": not why, "title": why or f"Merge into {merging.out}"}


def _name_method(state: StudioState) -> str:
    if state.recipe is None:
        return "Method"
    method = methods().get(state.recipe.merge_method)
    return method.title if method is not None else state.recipe.merge_method


def describe_facts(state: StudioState) -> str:
    """What the result is: "32 layers · 8.03 B · bfloat16"."""
    plan = state.plan
    if plan is not None:
        return plan.once("facts", lambda: _describe_result(plan))
    try:
        return f"{Checkpoint.open(state.base, ask=False).depth} layers" if state.base else ""
    except CheckpointError:
        return ""


def _describe_result(plan: Plan) -> str:
    sizes: Counter[str] = Counter()
    for tensor in plan.tensors:
        sizes[tensor.dtype] += tensor.count
    dtype = sizes.most_common(1)[0][0] if sizes else ""
    layers = f"{plan.depth} {'layer' if plan.depth == 1 else 'layers'}"
    return " · ".join((layers, count_in_words(sizes.total()), dtype))
