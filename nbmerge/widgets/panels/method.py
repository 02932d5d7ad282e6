"""The Method panel: what a merge method does, its formula, and the parameters that are the same in all layers."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Sequence
from typing import Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import RecipeError
from nbmerge.methods import Method, Parameter, methods
from nbmerge.problems import Problem
from nbmerge.widgets.controls.elements import field, text
from nbmerge.widgets.controls.lifetime import replace_children
from nbmerge.widgets.controls.parameter_controls import make_control
from nbmerge.widgets.curves.tracks import Track, is_flat, list_tracks, read_curve, read_shared_value
from nbmerge.widgets.curves.write_back import set_everywhere
from nbmerge.widgets.panels.panel import Panel


class MethodPanel(Panel):
    """Choose a method, read what it does, set its parameters."""

    title = "Method"

    def _build(self) -> list[ipywidgets.Widget]:
        options = [(m.title, name) for name, m in methods().items()]
        self.method = field(ipywidgets.Dropdown, "Method", options=options, value="task_arithmetic")
        self.method.observe(self.errors(self._chosen), "value")
        self.words = text()
        self.formula = ipywidgets.HTMLMath()
        self.formula.add_class("nbm-formula")
        self.reference = text(kind="quiet")
        self.controls = ipywidgets.VBox()
        self._form: Any = None
        return [self.method, self.words, self.formula, self.reference, self.controls]

    def _refresh(self) -> None:
        recipe, plan = self.state.recipe, self.state.plan
        method = methods().get(recipe.merge_method) if recipe else methods()[self.method.value]
        if method is None:  # the Recipe panel lists it
            self.words.value = "The recipe names an unknown merge method."
            replace_children(self.controls, ())
            self._form = None
            return
        self._busy = True
        try:
            self.method.value = method.name
            self._describe(method)
            self._show_controls(method, plan)
        finally:
            self._busy = False

    def _describe(self, method: Method) -> None:
        self.words.value = html.escape(method.words)
        formula = f"$$\\displaystyle {html.escape(method.formula)}$$"
        if self.formula.value != formula:
            self.formula.value = formula
        self.reference.value = link_addresses(method.reference)

    def _show_controls(self, method: Method, plan: Plan | None) -> None:
        drawn, own = _split_tracks(plan)
        shared = [p for p in method.parameters if plan and p.scope == "global" and p.name not in drawn]
        form = (method.name, tuple(p.name for p in shared), tuple(t.key for t in own))
        if form != self._form:
            self._form = form
            self._make_controls(shared, own, drawn)
        if plan is not None:
            self._show_values(plan, shared, own)

    def _show_values(self, plan: Plan, shared: Sequence[Parameter], own: Sequence[Track]) -> None:
        for parameter in shared:
            self._shared[parameter.name].show(read_shared_value(plan, parameter))
        for track in own:
            curve = read_curve(plan, track)
            self._own[track.key].show(curve.tied_value("embedding") if is_flat(curve) else None)

    def _make_controls(self, shared: Sequence[Parameter], own: Sequence[Track], drawn: Collection[str]) -> None:
        """Controls for parameters of the merge and of its models, and a note on those that are drawn elsewhere."""
        self._shared = {p.name: make_control(p, p.name, p.help, self.errors(self._set_shared)) for p in shared}
        last = {t.parameter.name: t for t in own}  # the explanation is shown once, below the parameter's last model
        self._own = {
            t.key: make_control(
                t.parameter, t.title, t.parameter.help if t is last[t.parameter.name] else "",
                self.errors(self._set_own), key=t.key,
            )
            for t in own
        }  # fmt: skip
        elsewhere = [text(f"<b>{n}</b> is drawn over the layers in the Tracks panel.", "quiet") for n in sorted(drawn)]
        replace_children(self.controls, [*self._own.values(), *self._shared.values(), *elsewhere])

    def _chosen(self, change: dict[str, Any]) -> None:
        if not self._busy:
            self.state.use_method(change["new"])

    def _set_shared(self, name: str, value: Any) -> None:
        if self._busy:
            return
        self._refuse(self.state.plan.method.parameter(name), value)
        self.state.edit(lambda recipe: set_everywhere(recipe, name, value), tag=("shared", name))

    def _set_own(self, key: tuple[str, str], value: float) -> None:
        if self._busy:
            return
        track: Track = next(t for t in list_tracks(self.state.plan) if t.key == key)
        self._refuse(track.parameter, value)
        self.state.edit(
            lambda recipe: set_everywhere(recipe, track.parameter.name, value, track.model), tag=("own", key)
        )

    def _refuse(self, parameter: Parameter, value: Any) -> None:
        """Refuse a value that the method does not accept, before it gets into the recipe."""
        fault = parameter.fault(value)
        if fault:
            self._refresh()
            raise RecipeError([Problem("error", (), fault)])


def _split_tracks(plan: Plan | None) -> tuple[set[str], list[Track]]:
    """Names of the parameters of the merge that are drawn over the layers, and the tracks of its models."""
    tracks = list_tracks(plan) if plan else []
    return {t.parameter.name for t in tracks if t.model is None}, [t for t in tracks if t.model is not None]


def link_addresses(reference: str) -> str:
    """A reference with its address as a link."""
    escaped = html.escape(reference)
    return re.sub(r"https?://\S+", lambda m: f"<a href='{m[0]}' target='_blank' rel='noopener'>{m[0]}</a>", escaped)
