"""Tracks: the parameters that can be drawn over the layers, read from a plan.

A track is one number that may differ from layer to layer: slerp's t, or one model's weight. Its curve holds what the
plan resolved, so that any recipe, however it was written, shows its true values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbmerge.curves.rounding import round_value
from nbmerge.engine.planning import Plan, mean_value, read_layers, read_numbers
from nbmerge.methods import REQUIRED, Combination, Parameter
from nbmerge.recipe import ModelRef


@dataclass(frozen=True)
class Track:
    """One number over the layers.

    Parameters
    ----------
    parameter : Parameter
    model : ModelRef or None
        The model it belongs to; None for a parameter of the whole merge.
    title : str
        "weight of pirate".
    ends : (str, str)
        What 0 and 1 mean, with the models' names; empty where they mean nothing in particular.
    """

    parameter: Parameter
    model: ModelRef | None
    title: str
    ends: tuple[str, str] = ("", "")

    @property
    def key(self) -> tuple[str, str]:
        """Identity across plans."""
        return self.parameter.name, str(self.model or "")


@dataclass(frozen=True)
class Curve:
    """A track's values.

    Parameters
    ----------
    layers : dict of str to tuple of float
        For each group of `nbmerge.checkpoints.GROUPS` that the model has, one value per layer; the mean where the
        recipe is finer than the group.
    spread : dict of str to tuple of (float, float)
        Smallest and largest value per layer.
    ends : dict of str to float
        Values outside the layers, for the roles the model has.
    """

    layers: Mapping[str, tuple[float, ...]]
    spread: Mapping[str, tuple[tuple[float, float], ...]]
    ends: Mapping[str, float]

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(next(iter(self.layers.values()), ()))

    @property
    def varies_by_group(self) -> bool:
        """Whether the groups differ anywhere."""
        return len(set(self.layers.values())) > 1 or any(a != b for s in self.spread.values() for a, b in s)

    def tied_value(self, role: str) -> float:
        """The value of an end that is not set: that of the nearest layer, by the last rule."""
        rest = self.layers.get("rest") or next(iter(self.layers.values()))
        return rest[0] if role == "embedding" else rest[-1]

    def is_tied(self, role: str) -> bool:
        """Whether an end has its neighbouring layer's value."""
        return round_value(self.ends[role]) == round_value(self.tied_value(role))

    def with_layers(self, group: str | None, values: Sequence[float]) -> Curve:
        """Other values for one group, or for all (None). Ends that were tied to the layers stay tied."""
        return self.with_some(group, dict(enumerate(values)))

    def with_some(self, group: str | None, values: Mapping[int, float]) -> Curve:
        """Other values for some layers of one group, or of all (None). Ends that were tied to the layers stay tied."""
        layers, spread = dict(self.layers), dict(self.spread)
        for g in layers if group is None else (group,):
            layers[g] = tuple(float(values.get(i, old)) for i, old in enumerate(layers[g]))
            spread[g] = tuple((layers[g][i],) * 2 if i in values else old for i, old in enumerate(spread[g]))
        curve = replace(self, layers=layers, spread=spread)
        return replace(curve, ends={r: curve.tied_value(r) if self.is_tied(r) else v for r, v in self.ends.items()})

    def with_end(self, role: str, value: float) -> Curve:
        """Another value for one end."""
        return replace(self, ends={**self.ends, role: float(value)})


def list_tracks(plan: Plan) -> list[Track]:
    """Everything of a plan that is drawn over the layers, in the method's order."""
    tracks = []
    for parameter in plan.method.parameters:
        if parameter.kind != "number":
            continue
        if parameter.scope == "input":
            tracks += [_of_model(plan, parameter, ref) for ref in _inputs(plan)]
        elif parameter.default is REQUIRED or len({v for _, v in read_numbers(plan, parameter)}) > 1:
            tracks.append(_of_merge(plan, parameter))
    return tracks


def read_curve(plan: Plan, track: Track) -> Curve:
    """What a plan resolved for one track."""
    key = "curve", track.key
    if key not in plan.derived:
        plan.derived[key] = _read_curve(plan, track)
    curve: Curve = plan.derived[key]
    return curve


def _read_curve(plan: Plan, track: Track) -> Curve:
    groups, ends = read_layers(plan, track.parameter, track.model)
    everywhere = [[v for values in groups.values() for v in values.get(i, ())] for i in range(plan.depth)]
    layers = {g: [values.get(i) or everywhere[i] or [0.0] for i in range(plan.depth)] for g, values in groups.items()}
    return Curve(
        layers={g: tuple(map(mean_value, values)) for g, values in layers.items()},
        spread={g: tuple(map(_range, values)) for g, values in layers.items()},
        ends=ends,
    )


def can_separate_groups(plan: Plan, track: Track) -> bool:
    """Whether filters can tell attention and MLP from the rest of a layer by the tensors' names."""
    layout = plan.checkpoints[track.model or plan.donor].layout
    return all(layout.filters(g) for g in ("attention", "mlp"))


def _inputs(plan: Plan) -> list[ModelRef]:
    """Models with parameters of their own: all inputs but the base that differences are taken from."""
    skip = plan.recipe.base_model if plan.method.base == "required" else None
    return [r for r in dict.fromkeys(s.model for p in plan.recipe.pieces for s in p.sources) if r != skip]


def _of_model(plan: Plan, parameter: Parameter, ref: ModelRef) -> Track:
    name = plan.labels[ref]
    ends = {
        "weight": (f"0 = nothing of {name}", f"1 = all of {name}"),
        "density": (f"0 = no change of {name} is kept", f"1 = every change of {name} is kept"),
        "scale": (f"0 = {name} removed", f"1 = {name} unchanged"),
    }
    return Track(parameter, ref, f"{parameter.name} of {name}", ends.get(parameter.name, ("", "")))


def _of_merge(plan: Plan, parameter: Parameter) -> Track:
    blend = isinstance(plan.method, Combination) and plan.method.inputs == (2, 2)
    if not blend:
        return Track(parameter, None, parameter.name)
    pairs = [t.models for t in plan.tensors if t.method == plan.method.name and len(t.models) == 2]
    first, second = (" or ".join(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
    return Track(parameter, None, parameter.name, (f"0 = all {first}", f"1 = all {second}"))


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def is_flat(drawn: Curve) -> bool:
    """Whether a curve is one number, ends included."""
    inside = {v for layer in drawn.layers.values() for v in layer}
    return len(inside | set(drawn.ends.values())) == 1 and not drawn.varies_by_group


def read_shared_value(plan: Plan, parameter: Parameter) -> Any:
    """The one value of a parameter of the whole merge, None where tensors differ."""
    values = {t.values.shared[parameter.name] for t in plan.tensors if parameter.name in t.values.shared}
    return values.pop() if len(values) == 1 else None
