"""The Gradients panel: parameters over the layers, as a curve to draw and a slider for each layer."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.checkpoints import GROUPS
from nbmerge.engine.planning import Plan
from nbmerge.errors import RecipeError
from nbmerge.plots.curve import Line
from nbmerge.plots.theme import DASHES
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.curve_editor import CurveEditor
from nbmerge.widgets.controls.elements import button, field, row, set_visible, text
from nbmerge.widgets.controls.sliders import SliderRow
from nbmerge.widgets.curves.presets import PRESETS, draw_preset, parse_values
from nbmerge.widgets.curves.rounding import round_value, step_of, widen_range
from nbmerge.widgets.curves.slots import Slots
from nbmerge.widgets.curves.tracks import Curve, Track, can_separate_groups, list_tracks, read_curve
from nbmerge.widgets.curves.write_back import write_curve
from nbmerge.widgets.panels.panel import Panel

GROUP_NAMES = {"attention": "attention", "mlp": "MLP", "rest": "everything else"}
TIED_NOTE = "Outside the layers, the embeddings take the first layer's value, final norm and head the last layer's."
TIE_HINT = "Embeddings take the first layer's value, final norm and head the last layer's"


class GradientsPanel(Panel):
    """A curve over the layers for every parameter that may differ between them, with a slider per layer."""

    title = "Gradients"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self._tracks: list[Track] = []
        self._spans: dict[tuple[str, str], tuple[float, float]] = {}
        self.hint = text(kind="hint")
        self.which = ipywidgets.ToggleButtons(options=[], style={"button_width": "auto"})
        self.apart = ipywidgets.Checkbox(
            description="separate attention and MLP", indent=False, layout=Layout(width="auto")
        )
        self.group = ipywidgets.ToggleButtons(options=[], style={"button_width": "auto"})
        self.meaning = text(kind="quiet")
        self.legend = text(kind="legend")
        self.editor = CurveEditor(self._moved, guard)
        self.sliders = SliderRow(guard(self._moved))
        canvas = ipywidgets.VBox([self.editor, self.sliders])
        canvas.add_class("nbm-canvas")
        self.below_curve = ipywidgets.VBox()  # for other panels: what should be visible while a curve is moved
        self.ends = text(kind="quiet")
        self.tie_ends = button("Tie ends to layers", guard(lambda _: self._tie_ends_to_layers()), hint=TIE_HINT)
        self.body = ipywidgets.VBox(
            [
                row(self.which, kind="choice"),
                row(self.apart, self.group, kind="choice"),
                self.meaning,
                self.legend,
                canvas,
                self.below_curve,
                row(self.ends, self.tie_ends),
                self._shapes(),
                self._fields(),
            ]
        )
        self.body.add_class("nbm-stack")
        self.apart.observe(guard(self._toggled), "value")
        for choice in (self.which, self.group, self.slot):
            choice.observe(guard(lambda change: None if self._busy else self._refresh()), "value")
        return [self.hint, self.body]

    def _shapes(self) -> ipywidgets.Widget:
        self.first = field(ipywidgets.FloatText, "from", "104px", value=0.0, step=0.1)
        self.second = field(ipywidgets.FloatText, "to", "86px", value=1.0, step=0.1)
        buttons = [
            button(name, self.errors(lambda _, name=name: self._draw_preset(name)), hint=hint)
            for name, (_, hint) in PRESETS.items()
        ]
        return row(text("Shape", "label"), *buttons, ipywidgets.HBox([self.first, self.second]))

    def _fields(self) -> ipywidgets.Widget:
        self.slot = field(ipywidgets.Dropdown, "Set")
        self.value = field(ipywidgets.FloatText, "to", "100px", step=0.01)
        self.typed = field(ipywidgets.Text, "All layers", continuous_update=False, placeholder="0, 0.25, 0.5, ...")
        self.typed.add_class("nbm-grow")
        self.value.observe(self.errors(self._typed_one), "value")
        self.typed.observe(self.errors(self._typed_all), "value")
        return row(self.slot, self.value, self.typed)

    @property
    def track(self) -> Track | None:
        """The selected track."""
        return next((t for t in self._tracks if t.key == self.which.value), None)

    @property
    def _group(self) -> str | None:
        return self.group.value if self.apart.value else None

    # --- state to screen ---

    def _refresh(self) -> None:
        plan = self.state.plan
        self._busy = True
        try:
            self._tracks = list_tracks(plan) if plan else []
            self._offer()
            track = self.track
            self.hint.value = "" if track else _why_empty(self.state, plan)
            set_visible(self.hint, track is None)
            set_visible(self.body, track is not None)
            if plan is not None and track is not None:
                self._show_curve(plan, track, read_curve(plan, track))
        finally:
            self._busy = False

    def _offer(self) -> None:
        """List the tracks, keeping the one that is chosen."""
        if not self._tracks:  # while a recipe is broken, remember what was chosen
            return
        set_options(self.which, [(t.title, t.key) for t in self._tracks])
        set_visible(self.which, len(self._tracks) > 1)

    def _show_curve(self, plan: Plan, track: Track, drawn: Curve) -> None:
        can = can_separate_groups(plan, track)
        self.apart.disabled = not can
        self.apart.value = can and (self.apart.value or len(set(drawn.layers.values())) > 1)
        set_options(self.group, [(GROUP_NAMES[g], g) for g in drawn.layers])
        set_visible(self.group, self.apart.value)
        self.meaning.value = html.escape(track.parameter.help)
        slots, lines = Slots(drawn, self._group), self._lines(plan, track, drawn)
        span = self._span(plan, track, lines)
        labels = [f"{name}, {track.title}" for name in slots.long_names]
        self.editor.draw(lines, slots.names, span, track.ends, labels, step_of(span))
        colour = next(line.colour for line in lines if line.selected)
        self.sliders.show(slots.names, slots.values, span, slots.long_names, colour)
        self.legend.value = _legend(lines)
        set_visible(self.legend, len(lines) > 1)
        self._show_numbers(slots)

    def _show_numbers(self, slots: Slots) -> None:
        set_options(self.slot, [(name, i) for i, name in enumerate(slots.long_names)])
        self.value.value = round_value(slots.values[self.slot.value])
        self.typed.value = ", ".join(f"{v:.6g}" for v in slots.layers)
        own = [role for role in slots.curve.ends if not slots.curve.is_tied(role)]
        self.ends.value = f"Not tied to the layers: {', '.join(own)}." if own else TIED_NOTE
        set_visible(self.tie_ends, bool(own))

    def _lines(self, plan: Plan, chosen: Track, drawn: Curve) -> list[Line]:
        """The chosen curve, its other groups, and the same parameter of the other models."""
        colours = model_colours(plan)
        lines = []
        for track in self._tracks:
            if track.parameter != chosen.parameter:
                continue
            here = track.key == chosen.key
            other = drawn if here else read_curve(plan, track)
            label = plan.labels.get(track.model) if track.model is not None else None
            colour = colours.get(label or "", next(iter(colours.values())))
            for group in other.layers if self.apart.value and here else [self._group]:
                slots, selected = Slots(other, group if group in other.layers else None), here and group == self._group
                title = f"{track.title}, {GROUP_NAMES[group]}" if group else track.title
                dash = DASHES[GROUPS.index(group)] if group and here else "solid"
                lines.append(
                    Line(tuple(slots.values), title, colour, selected, dash, slots.spread if selected else None)
                )
        return lines

    def _span(self, plan: Plan, track: Track, lines: list[Line]) -> tuple[float, float]:
        """Ends of sliders and axis: the usual range and whatever lies beyond; it grows and never shrinks."""
        key = plan.method.name, track.parameter.name
        usual = self._spans.get(key, track.parameter.slider)
        self._spans[key] = widen_range(usual, [v for line in lines for v in line.values if v is not None])
        return self._spans[key]

    # --- screen to state ---

    def _change(self, make: Callable[[Curve], Curve], tag: Any = None) -> None:
        """Replace the selected curve by what `make` returns for it."""
        plan, track = self.state.plan, self.track
        if plan is None or track is None:
            return

        def change(recipe: Recipe) -> Recipe:
            return write_curve(recipe, plan, track, make(read_curve(plan, track)))

        self.state.edit(change, None if tag is None else (track.key, self._group, tag))

    def _moved(self, slot: int, value: float) -> None:
        """Apply the move of a slider or a point, or a typed number."""
        self._refuse(value)
        self._busy, busy = True, self._busy
        self.slot.value = slot  # the number field shows what is moved
        self._busy = busy
        group = self._group
        self._change(lambda drawn: Slots(drawn, group).with_value(slot, value), tag=slot)

    def _refuse(self, *values: float) -> None:
        """Refuse a value that the method does not accept, before it gets into the recipe."""
        track = self.track
        fault = next((f for v in values if track and (f := track.parameter.fault(v))), None)
        if fault:
            self._refresh()
            raise RecipeError([Problem("error", (), fault)])

    def _set_layers(self, make: Callable[[int], list[float]]) -> None:
        plan, track = self.state.plan, self.track
        if plan is None or track is None:
            return
        values = make(read_curve(plan, track).depth)
        self._refuse(*values)
        group = self._group
        self._change(lambda drawn: drawn.with_layers(group, values))

    def _draw_preset(self, name: str) -> None:
        self._set_layers(lambda depth: draw_preset(name, depth, self.first.value, self.second.value))

    def _typed_one(self, change: dict[str, Any]) -> None:
        if not self._busy:
            self._moved(self.slot.value, change["new"])

    def _typed_all(self, change: dict[str, Any]) -> None:
        if not self._busy:
            self._set_layers(lambda depth: parse_values(change["new"], depth))

    def _tie_ends_to_layers(self) -> None:
        def change(drawn: Curve) -> Curve:
            for role in drawn.ends:
                drawn = drawn.with_end(role, drawn.tied_value(role))
            return drawn

        self._change(change)

    def _toggled(self, change: dict[str, Any]) -> None:
        if self._busy:
            return
        if not change["new"]:  # joined again: all groups take the values that were on screen
            group = self.group.value
            self._change(lambda drawn: drawn.with_layers(None, drawn.layers[group]))
        self._refresh()


def set_options(widget: Any, options: list[tuple[str, Any]]) -> None:
    """Replace the options of a choice, keeping its value where that is still among them."""
    if list(widget.options) == options:
        return
    chosen, values = widget.value, [v for _, v in options]
    widget.options = options
    widget.value = chosen if chosen in values else values[0] if values else None


def _why_empty(state: Any, plan: Plan | None) -> str:
    if plan is not None:
        return f"{html.escape(plan.method.title)} has no parameter that can differ between layers."
    if state.recipe is None:
        return "Choose models in the Models panel first."
    return "Fix the errors in the recipe to see the curve. The Recipe panel lists them."


def _legend(lines: list[Line]) -> str:
    styles = dict(zip(map(str, DASHES), ("solid", "dashed", "dotted"), strict=True))
    items = []
    for line in lines:
        sample = f"<i style='border-top:3px {styles.get(str(line.dash), 'solid')} {line.colour}'></i>"
        kind = "nbm-strong" if line.selected else "nbm-weak"
        items.append(f"<span class='{kind}'>{sample}{html.escape(line.label)}</span>")
    return "".join(items)
