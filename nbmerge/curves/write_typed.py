"""Typed values written to a recipe, and a curve written as the shortest text that gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from nbmerge.checkpoints import GROUPS
from nbmerge.curves.knots import Knot, Knots, knots_to_value, map_knots, spread_knots, values_at_layers
from nbmerge.curves.read_back import Line, read_knots
from nbmerge.curves.rounding import round_value
from nbmerge.curves.tracks import Track, read_curve
from nbmerge.curves.typed import Assignment, parse_typed
from nbmerge.curves.write_back import write_knots, write_layers, write_targets
from nbmerge.engine.planning import Plan, TensorPlan, read_numbers
from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe


def write_typed(recipe: Recipe, plan: Plan, track: Track, text: str, group: str | None = None) -> Recipe:
    """The recipe with one track set as a text says, such as ``8-15 mlp: 0.3``; see `parse_typed`.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
        Of that recipe.
    track : Track
    text : str
    group : str, optional
        A group of `nbmerge.checkpoints.GROUPS` that is meant where the text names no part; default all of them.

    Raises
    ------
    RecipeError
        With line and column of what was not understood, and for values that the method does not accept.
    """
    parsed = parse_typed(text, plan.depth)
    parsed = [_without_name(a, track) for a in parsed]
    single = all(map(_is_single, parsed[1:])) and not (parsed[1:] and parsed[0].part)
    if _is_whole(parsed[0]) and single:
        return _write_whole(recipe, plan, track, parsed[0], parsed[0].part or group, parsed[1:])
    values = _Values(plan, track)
    for assignment in parsed:
        values.assign(assignment, group)
    return write_targets(recipe, plan, track, values.changed())


def format_curve(plan: Plan, track: Track, group: str | None = None) -> str:
    """The shortest text that `write_typed` turns into a track's curve again, such as ``0.3; mlp: 0, 1``.

    Parameters
    ----------
    plan : Plan
    track : Track
    group : str, optional
        A group of `nbmerge.checkpoints.GROUPS`; default all of them.
    """
    line = read_knots(plan, track, group)
    if line.exact or group is not None:
        return format_line(line, plan.depth)
    groups = {name: read_knots(plan, track, name) for name in read_curve(plan, track).layers}
    if not all(each.exact and not each.alone for each in groups.values()):
        return format_line(line, plan.depth)
    texts = {name: format_line(each, plan.depth) for name, each in groups.items()}
    common, _ = Counter(texts.values()).most_common(1)[0]
    return "; ".join([common, *(f"{name}: {text}" for name, text in texts.items() if text != common)])


def format_line(line: Line, depth: int) -> str:
    """The shortest text that `write_typed` turns into a line again.

    Examples
    --------
    >>> from nbmerge.curves import Knot, Line, spread_knots
    >>> format_line(Line(spread_knots([0, 0.5, 1], 32), alone=(Knot(5, 0.9),)), 32)
    '0, 0.5, 1; 5: 0.9'
    >>> format_line(Line((Knot(0, 0.2), Knot(12, 0.8))), 32)
    '{0: 0.2, 12: 0.8}'
    """
    value = knots_to_value(line.knots, depth)
    if isinstance(value, dict):
        written = "{" + ", ".join(f"{layer:g}: {_say(v)}" for layer, v in value.items()) + "}"
    else:
        written = ", ".join(map(_say, value if isinstance(value, list) else [value]))
    return "; ".join([written, *(f"{k.layer:g}: {_say(k.value)}" for k in line.alone)])


def _say(value: float) -> str:
    return f"{round_value(value):.6g}"


def _without_name(assignment: Assignment, track: Track) -> Assignment:
    """Without the name of the parameter, which a line of a recipe begins with: ``weight: 0.3``."""
    if assignment.part != track.parameter.name:
        return assignment
    return Assignment(assignment.layers, assignment.values, assignment.how)


def _is_whole(assignment: Assignment) -> bool:
    """Whether it is for every layer of a group, or of all."""
    return assignment.layers is None and not assignment.end and (not assignment.part or assignment.part in GROUPS)


def _is_single(assignment: Assignment) -> bool:
    """Whether it sets single layers of what is meant without a part."""
    return assignment.layers is not None and assignment.how == "set" and not assignment.part


def _write_whole(
    recipe: Recipe, plan: Plan, track: Track, assignment: Assignment, group: str | None, single: Sequence[Assignment]
) -> Recipe:
    """A curve as it was typed, or the knots of the present one with other values; then single layers."""
    alone: Knots = ()
    if assignment.knots:
        knots: Knots = tuple(Knot(*k) for k in assignment.knots)
    elif assignment.how == "set":
        knots = spread_knots(assignment.values, plan.depth)
    else:
        line = read_knots(plan, track, group)
        if not line.exact or len(assignment.values) > 1:
            values = _Values(plan, track)
            for each in (assignment, *single):
                values.assign(each, group)
            return write_targets(recipe, plan, track, values.changed())
        knots, alone = (
            map_knots(some, lambda v: _change(v, assignment, assignment.values[0])) for some in (line.knots, line.alone)
        )
    own = {int(k.layer): k.value for k in alone}
    for each in single:
        layers = each.layers or ()
        own |= zip(layers, values_at_layers(spread_knots(each.values, len(layers)), len(layers)), strict=True)
    alone = tuple(Knot(float(i), v) for i, v in sorted(own.items()))
    _refuse(track, [k.value for k in (*knots, *alone)])
    if assignment.how == "set" and len(assignment.values) == plan.depth > 1 and not alone:
        return write_layers(recipe, plan, track, dict(enumerate(assignment.values)), group)
    return write_knots(recipe, plan, track, knots, group, alone)


class _Values:
    """The value of every tensor of a track, changed by one assignment after another."""

    def __init__(self, plan: Plan, track: Track):
        self.plan = plan
        self.track = track
        pairs = list(read_numbers(plan, track.parameter, track.model))
        self.tensors = [tensor for tensor, _ in pairs]
        self.before = {tensor.name: value for tensor, value in pairs}
        self.now = dict(self.before)
        self.ends: set[str] = set()

    def assign(self, assignment: Assignment, group: str | None) -> None:
        """Change the values that an assignment is for."""
        depth = self.plan.depth
        layers = assignment.layers if assignment.layers is not None else tuple(range(depth))
        if assignment.end:
            self.ends.add(assignment.end)
        chosen = [t for t in self.tensors if self._is_meant(t, assignment, group)]
        if not chosen:
            raise _no_tensor(self.tensors, assignment)
        if not any(t.layer is None or t.layer in layers for t in chosen):
            raise _no_layer(chosen, assignment)
        if assignment.knots:
            given = values_at_layers([Knot(*k) for k in assignment.knots], depth)
        else:
            given = values_at_layers(spread_knots(assignment.values, len(layers)), len(layers))
        numbers = dict(zip(layers, given, strict=True))
        for tensor in chosen:
            if tensor.layer is None or tensor.layer in numbers:
                number = numbers[tensor.layer] if tensor.layer is not None else assignment.values[0]
                self.now[tensor.name] = _change(self.now[tensor.name], assignment, number)
        _refuse(self.track, self.now.values())

    def changed(self) -> dict[str, float]:
        """The values that are other than before; ends that had their neighbouring layer's value follow it."""
        curve = read_curve(self.plan, self.track)
        values = {name: value for name, value in self.now.items() if value != self.before[name]}
        for tensor in self.tensors:
            role = tensor.kind
            if tensor.layer is not None or role not in curve.ends or role in self.ends or not curve.is_tied(role):
                continue
            layer = 0 if role == "embedding" else self.plan.depth - 1
            near = [
                self.now[t.name] for t in self.tensors if (t.layer, t.kind, t.stack) == (layer, "rest", self.plan.stack)
            ]
            if near and len(set(near)) == 1 and near[0] != self.before[tensor.name]:
                values[tensor.name] = near[0]
        return values

    def _is_meant(self, tensor: TensorPlan, assignment: Assignment, group: str | None) -> bool:
        if assignment.end:
            return tensor.layer is None and tensor.kind == assignment.end
        if tensor.layer is None or tensor.stack != self.plan.stack:
            return False
        part = assignment.part or group
        return part is None or part == tensor.kind or (part not in GROUPS and part in tensor.name)


def _change(old: float, assignment: Assignment, number: float) -> float:
    if assignment.how == "set":
        return number
    return round_value(old + number if assignment.how == "add" else old * number)


def _refuse(track: Track, values: Iterable[float]) -> None:
    """Refuse values that the method does not accept, before they get into the recipe."""
    for value in values:
        if fault := track.parameter.fault(value):
            raise RecipeError([Problem("error", (), fault, kind="range")])


def _no_layer(tensors: Sequence[TensorPlan], assignment: Assignment) -> RecipeError:
    have = sorted({t.layer for t in tensors if t.layer is not None})
    what = f"at column {assignment.column}, these layers do not come from this model."
    return RecipeError(
        [Problem("error", (), what, f"It gives layers {have[0]} to {have[-1]}.", assignment.line or None)]
    )


def _no_tensor(tensors: Sequence[TensorPlan], assignment: Assignment) -> RecipeError:
    meant = assignment.end or assignment.part
    parts = dict.fromkeys(t.name.split(f".{t.layer}.", 1)[-1].rsplit(".", 1)[0] for t in tensors if t.layer is not None)
    what = f"at column {assignment.column}, no tensor's name contains '{meant:.60}'."
    return RecipeError([Problem("error", (), what, f"Parts here: {', '.join(parts)}.", assignment.line or None)])
