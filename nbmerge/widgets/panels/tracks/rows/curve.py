"""The curve: one parameter of one model over the layers, with its knots, beside the same parameter of the other models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from nbmerge.checkpoints import GROUPS
from nbmerge.curves import (
    PRESETS,
    Knot,
    Preset,
    Track,
    export_presets,
    format_curve,
    list_presets,
    list_tracks,
    map_knots,
    preset_of_knots,
    read_curve,
    read_knots,
    save_preset,
    write_curve,
    write_knots,
    write_presets_text,
    write_typed,
)
from nbmerge.curves.columns import list_columns, mean_of, name_group, read_columns
from nbmerge.curves.rounding import round_value, step_of, widen_range
from nbmerge.curves.tracks import can_separate_groups
from nbmerge.engine.planning import Plan, examine, revise_plan
from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.panels.tracks.rows.row import Row
from nbmerge.widgets.state.history import Step

ALL = "all"
OVERLAY_DASH = [6, 3]
SAMPLES = 13
"""Points of the little picture of a shape."""


class CurveRow(Row):
    """Draws the chosen parameter of the chosen model; edits write the recipe in the form that it has.

    Attributes
    ----------
    track : Track or None
        What is chosen; None where no parameter can differ between layers.
    group : str or None
        The part of the layers that is chosen, of `nbmerge.checkpoints.GROUPS`; None for all of them.
    """

    name = "curve"

    def __init__(self, panel: Any):
        super().__init__(panel)
        self._tracks: list[Track] = []
        self._chosen: tuple[str, str] = ("", "")
        self._family: frozenset[Any] = frozenset()
        self._spans: dict[tuple[str, str], tuple[float, float]] = {}
        self._overlaid: set[str] = set()
        self._pinned: dict[int, Plan | None] = {}  # by the step
        self._pins_seen: list[tuple[int, tuple[str, ...]]] = []
        panel.watch(panel.state.notes, panel.errors(lambda change: self._follow_pins()), "revision")
        self.track: Track | None = None
        self.group: str | None = None

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Choose a track, and change it."""
        return {
            "choose": self.choose, "set_knots": self.set_knots, "set_values": self.set_values,
            "type_values": self.type_values, "draw_shape": self.draw_shape, "overlay": self.overlay,
            "save_shape": self.save_shape, "write_shapes": self.write_shapes,
        }  # fmt: skip

    # --- state to screen ---

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """The chosen curve and those beside it."""
        self._tracks = list_tracks(plan)
        self._follow(plan)
        track = self.track
        if track is None:
            return None
        columns = self.panel.columns
        tensors = read_columns(plan, track, self.group, columns)
        beside = [t for t in self._tracks if t.parameter == track.parameter and t.key != track.key]
        chosen = self._line(plan, track, [mean_of(values) for values in tensors])
        others = [self._line(plan, t, [mean_of(v) for v in read_columns(plan, t, None, columns)]) for t in beside]
        others += self._overlays(plan, track)
        span = self._span(plan, track, [v for values in tensors for v in values] + _given(others))
        line, curve = read_knots(plan, track, self.group), read_curve(plan, track)
        return {
            **self._choices(plan, track),
            "title": f"{track.title}, {name_group(plan, self.group)}" if self.group else track.title,
            "help": track.parameter.help,
            "span": list(span), "step": step_of(span), "limits": [track.parameter.low, track.parameter.high],
            "marks": [{"value": i, "text": end.partition(" = ")[2]} for i, end in enumerate(track.ends) if end],
            "chosen": chosen, "others": others, "pins": self._pins(plan, track),
            "tied": [bool(c.role) and c.role in curve.ends and curve.is_tied(c.role) for c in columns],
            "dots": [sorted(set(values)) if len(set(values)) > 1 else [] for values in tensors],
            "knots": [{"layer": k.layer, "value": round_value(k.value)} for k in line.knots],
            "alone": [k.layer for k in line.alone],
            "text": format_curve(plan, track, self.group),
            **_describe_shapes(_list_shapes()),
        }  # fmt: skip

    def _follow(self, plan: Plan) -> None:
        """Keep what is chosen, if there still is such a track; other models are looked at as a whole first."""
        family = frozenset(plan.checkpoints)
        if not family & self._family:
            self.group = None
            self._spans.clear()
        self._family = family
        keys = {t.key: t for t in self._tracks}
        near = [t for t in self._tracks if t.parameter.name == self._chosen[0]] or self._tracks
        self.track = keys.get(self._chosen) or next(iter(near), None)
        if self.track is not None:
            self._chosen = self.track.key
            if self.group is not None and self.group not in self._groups(plan, self.track):
                self.group = None

    def _groups(self, plan: Plan, track: Track) -> list[str]:
        """Parts of the layers that can have a curve of their own."""
        kinds = plan.once("kinds in layers", lambda: {t.kind for t in plan.tensors if t.layer is not None})
        return [g for g in GROUPS if g in kinds] if can_separate_groups(plan, track) else []

    def _choices(self, plan: Plan, track: Track) -> dict[str, Any]:
        colours = model_colours(plan)
        parameters = {t.parameter.name: t.parameter for t in self._tracks}
        models = [t for t in self._tracks if t.parameter == track.parameter and t.model is not None]
        groups = self._groups(plan, track)
        labels = {t.key: plan.labels[t.model] for t in models if t.model is not None}
        return {
            "parameters": [{"key": name, "label": name, "hint": p.help} for name, p in parameters.items()],
            "models": [{"key": k[1], "label": label, "colour": colours[label]} for k, label in labels.items()],
            "parts": [{"key": ALL, "label": ALL}, *({"key": g, "label": name_group(plan, g)} for g in groups)] if groups else [],
            "overlaid": sorted(self._overlaid & (parameters.keys() - {track.parameter.name})),
            "parameter": track.key[0], "model": track.key[1], "part": self.group or ALL,
        }  # fmt: skip

    def _line(self, plan: Plan, track: Track, values: list[float | None]) -> dict[str, Any]:
        label = plan.labels[track.model] if track.model is not None else track.parameter.name
        colours = model_colours(plan)
        return {
            "key": " ".join(track.key), "label": label, "colour": colours.get(label, next(iter(colours.values()))),
            "values": values, "dash": [], "parameter": track.key[0], "model": track.key[1],
        }  # fmt: skip

    def _overlays(self, plan: Plan, track: Track) -> list[dict[str, Any]]:
        """Other parameters of the same model that are to be seen with the chosen one."""
        others = [t for t in self._tracks if t.parameter.name in self._overlaid - {track.parameter.name}]
        lines = []
        for other in (t for t in others if t.model in (track.model, None)):
            values = [mean_of(v) for v in read_columns(plan, other, self.group, self.panel.columns)]
            own = {"dash": OVERLAY_DASH, "label": other.title}
            lines.append(self._line(plan, other, values) | own)
        return lines

    def _pins(self, plan: Plan, track: Track) -> list[dict[str, Any]]:
        """The same track in pinned merges that have the same columns."""
        lines = []
        for step in self.state.history:
            pinned = self._plan_of(step, plan) if step.pins and step.recipe is not plan.recipe else None
            same = next((t for t in list_tracks(pinned) if t.key == track.key), None) if pinned is not None else None
            if pinned is not None and same is not None and list_columns(pinned) == self.panel.columns:
                values = [mean_of(v) for v in read_columns(pinned, same, self.group, self.panel.columns)]
                name = ", ".join(step.pins)
                lines.append(self._line(pinned, same, values) | {"key": f"pin {step.id}", "label": f"pinned {name}"})
        return lines

    def _follow_pins(self) -> None:
        """Draw again if pins have come or gone; names and scores of steps change as well, and often."""
        pins = [(step.id, step.pins) for step in self.state.history if step.pins]
        if pins != self._pins_seen:
            self._pins_seen = pins
            self.panel.redraw()

    def _plan_of(self, step: Step, plan: Plan) -> Plan | None:
        """The plan of a step with pins, made once; None where its models are gone."""
        if step.id not in self._pinned:
            self._pinned[step.id] = revise_plan(plan, step.recipe) or examine(step.recipe)[0]
        return self._pinned[step.id]

    def _span(self, plan: Plan, track: Track, values: list[float]) -> tuple[float, float]:
        """Ends of the axis: the usual range and whatever lies beyond; it grows and never shrinks."""
        key = plan.method.name, track.parameter.name
        usual = self._spans.get(key, track.parameter.slider)
        self._spans[key] = widen_range(usual, values) if values else usual
        return self._spans[key]

    # --- screen to state ---

    def choose(self, parameter: str | None, model: str | None, part: str | None) -> None:
        """Choose a parameter, a model, a part of the layers; None leaves what is chosen."""
        name = self._chosen[0] if parameter is None else parameter
        keys = [t.key for t in self._tracks if t.parameter.name == name]
        wanted = name, self._chosen[1] if model is None else model
        if keys:
            self._chosen = wanted if wanted in keys else keys[0]
        if part is not None:
            self.group = part if part in GROUPS else None
        self.panel.redraw()

    def overlay(self, parameter: str) -> None:
        """Show another parameter with the chosen one, or no longer."""
        self._overlaid ^= {parameter}
        self.panel.redraw()

    def set_knots(self, knots: list[list[float]], gesture: int) -> None:
        """Draw the curve by these knots: pairs of a layer and a value."""
        points = [Knot(float(layer), round_value(value)) for layer, value in sorted(knots)]
        self._refuse(*(k.value for k in points))

        def change(recipe: Recipe, plan: Plan, track: Track) -> Recipe:
            alone = read_knots(plan, track, self.group).alone
            return write_knots(recipe, plan, track, points, self.group, alone)

        self._change(change, ("knots", gesture))

    def set_values(self, values: list[list[float]], gesture: int) -> None:
        """Give columns their values: pairs of a column's number and a value."""
        columns = self.panel.columns
        given = {columns[int(i)]: round_value(value) for i, value in values if 0 <= i < len(columns)}
        self._refuse(*given.values())

        def change(recipe: Recipe, plan: Plan, track: Track) -> Recipe:
            curve = read_curve(plan, track)
            curve = curve.with_some(self.group, {c.layer: v for c, v in given.items() if c.layer is not None})
            for column, value in given.items():
                if column.role in curve.ends:
                    curve = curve.with_end(column.role, value)
            return write_curve(recipe, plan, track, curve)

        self._change(change, ("values", gesture))

    def type_values(self, text: str) -> None:
        """Apply typed values."""
        self._change(lambda recipe, plan, track: write_typed(recipe, plan, track, text, self.group), None)

    def draw_shape(self, name: str, first: float = 0.0, second: float = 1.0) -> None:
        """Replace the curve by a shape between two numbers: its 0 becomes the first, its 1 the second."""
        presets = list_presets()
        if name not in presets:
            raise RecipeError([Problem("error", (), f"there is no shape named '{name:.60}'.")])

        def change(recipe: Recipe, plan: Plan, track: Track) -> Recipe:
            knots = map_knots(presets[name].knots(plan.depth, first, second), round_value)
            self._refuse(*(k.value for k in knots))
            return write_knots(recipe, plan, track, knots, self.group)

        self._change(change, None)

    def save_shape(self, name: str) -> None:
        """Keep the chosen curve as a shape of the user's own; one of that name is replaced."""
        plan, track = self.state.plan, self.track
        if plan is not None and track is not None:
            knots = read_knots(plan, track, self.group).knots
            save_preset(preset_of_knots(name.strip(), knots, plan.depth), replace=True)
            self.panel.redraw()

    def write_shapes(self, text: str) -> None:
        """Make the shapes of a text the user's own."""
        write_presets_text(text)
        self.panel.redraw()

    def _change(self, change: Callable[[Recipe, Plan, Track], Recipe], tag: Any) -> None:
        plan, track = self.state.plan, self.track
        if plan is None or track is None:
            return
        step = None if tag is None else (track.key, self.group, *tag)
        self.state.edit(lambda recipe: change(recipe, plan, track), step)

    def _refuse(self, *values: float) -> None:
        """Refuse a value that the method does not accept, before it gets into the recipe."""
        track = self.track
        fault = next((f for v in values if track and (f := track.parameter.fault(v))), None)
        if fault:
            raise RecipeError([Problem("error", (), fault)])


def _given(lines: list[dict[str, Any]]) -> list[float]:
    return [v for line in lines for v in line["values"] if v is not None]


def _list_shapes() -> tuple[Preset, ...]:
    """All shapes; a damaged file of own ones is named where one is drawn or saved."""
    try:
        return tuple(list_presets().values())
    except RecipeError:
        return tuple(PRESETS.values())


@lru_cache(maxsize=4)  # the same with every move of a slider
def _describe_shapes(presets: tuple[Preset, ...]) -> dict[str, Any]:
    """Shapes with a little picture each, and the user's own as text."""
    own = [p for p in presets if p.own]
    return {
        "shapes": [{"name": p.name, "hint": p.help, "points": p.values(SAMPLES)} for p in presets],
        "own_shapes": export_presets(own) if own else "",
    }


ROW = CurveRow
