"""The method and its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.curves.rounding import step_of
from nbmerge.curves.tracks import Track, is_flat, list_tracks, read_curve, read_shared_value
from nbmerge.curves.write_back import set_everywhere
from nbmerge.engine.planning import Plan
from nbmerge.errors import RecipeError
from nbmerge.methods import Method, Parameter, methods
from nbmerge.problems import Problem
from nbmerge.widgets.controls.formula import typeset
from nbmerge.widgets.panels.setup.form import Form, FormPanel

_ADDRESS = re.compile(r"https?://\S+")


class MethodForm(Form):
    """Choose a method, read what it does, set its parameters.

    A parameter of the models has one control for each of them; the curve over the layers is drawn in the tracks.
    """

    kind = "method"

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the browser may ask for."""
        return {"choose_method": self.choose, "set_parameter": self.set_parameter, "set_seed": self.set_seed}

    def choose(self, name: str) -> None:
        """Change the method."""
        if name not in methods():
            raise RecipeError([Problem("error", ("merge_method",), f"unknown merge method '{name}'.")])
        self.state.use_method(name)

    def set_parameter(self, key: str, value: float | bool | str) -> None:
        """Set a parameter in all layers.

        Parameters
        ----------
        key : str
            As in the content: its name, for a parameter of one model with the place of its track.
        value : number, flag or word
        """
        name, _, place = key.partition("#")
        plan = self._require_plan()
        parameter = plan.method.parameter(name)
        if parameter is None:
            raise RecipeError([Problem("error", (), f"{plan.method.name} has no parameter '{name}'.")])
        value = _as_choice(parameter, value)
        if fault := parameter.fault(value):
            raise RecipeError([Problem("error", (), fault)])
        model = _own_tracks(plan)[int(place)].model if place else None
        self.state.edit(lambda recipe: set_everywhere(recipe, name, value, model), tag=("method", key))

    def set_seed(self, value: int) -> None:
        """Set the seed of random masks."""
        self._require_plan()
        self.state.edit(lambda recipe: recipe.replace(random_seed=value), tag="random_seed")

    def content(self) -> dict[str, Any]:
        """All that the browser draws."""
        recipe, plan = self.state.recipe, self.state.plan
        method = methods().get(recipe.merge_method) if recipe is not None else methods()["task_arithmetic"]
        options = [{"name": name, "title": m.title, "ready": True} for name, m in methods().items()]
        if method is None:
            unknown = {"name": recipe.merge_method, "title": f"{recipe.merge_method} (unknown)", "ready": False}
            return _describe(None, recipe.merge_method) | {
                "options": [unknown, *options],
                "parameters": [],
                "seed": None,
            }
        seed = recipe.random_seed if recipe is not None and method.is_random else None
        return _describe(method, method.name) | {"options": options, "parameters": _list_parameters(plan), "seed": seed}

    def _require_plan(self) -> Plan:
        if self.state.plan is None:
            how = "Fix them first: the line below the setup bar lists them."
            raise RecipeError([Problem("error", (), "the recipe has errors.", how)])
        return self.state.plan


class MethodPanel(FormPanel):
    """Choose a method, read what it does, set its parameters."""

    title = "Method"
    form_class = MethodForm


def _describe(method: Method | None, name: str) -> dict[str, Any]:
    if method is None:
        return {
            "name": name,
            "words": "There is no such method.",
            "formula": None,
            "latex": "",
            "reference": "",
            "link": "",
        }
    link = _ADDRESS.search(method.reference)
    return {
        "name": name, "words": method.words, "formula": typeset(method.formula), "latex": method.formula,
        "reference": _ADDRESS.sub("", method.reference).rstrip(", "), "link": link[0].rstrip(".,)") if link else "",
    }  # fmt: skip


def _own_tracks(plan: Plan) -> list[Track]:
    """Parameters of single models."""
    return [t for t in list_tracks(plan) if t.model is not None]


def _list_parameters(plan: Plan | None) -> list[dict[str, Any]]:
    """A control for each parameter of each model, then for each parameter of the merge."""
    if plan is None:
        return []
    own = _own_tracks(plan)
    last = {t.parameter.name: t for t in own}  # a parameter is explained once, below its last model
    controls = []
    for i, track in enumerate(own):
        curve = read_curve(plan, track)
        value = curve.tied_value("embedding") if is_flat(curve) else None
        help = track.parameter.help if track is last[track.parameter.name] else ""
        controls.append(_control(track.parameter, f"{track.parameter.name}#{i}", track.title, help, value))
    for parameter in (p for p in plan.method.parameters if p.scope == "global"):
        value = read_shared_value(plan, parameter)
        controls.append(_control(parameter, parameter.name, parameter.name, parameter.help, value))
    return controls


def _control(parameter: Parameter, key: str, label: str, help: str, value: Any) -> dict[str, Any]:
    is_choice = isinstance(parameter.kind, tuple)
    shown = str(value).lower() if is_choice and isinstance(value, bool) else value
    return {
        "key": key, "label": label, "help": help, "range": parameter.range, "value": shown,
        "kind": "choice" if is_choice else parameter.kind, "slider": list(parameter.slider),
        "step": step_of(parameter.slider),
        "options": [str(c).lower() if isinstance(c, bool) else c for c in parameter.kind] if is_choice else [],
    }  # fmt: skip


def _as_choice(parameter: Parameter, value: float | bool | str) -> float | bool | str:
    """A word that the browser sent as the choice that it stands for: "true" may be a flag."""
    if isinstance(parameter.kind, tuple):
        return next((c for c in parameter.kind if (str(c).lower() if isinstance(c, bool) else c) == value), value)
    return value
