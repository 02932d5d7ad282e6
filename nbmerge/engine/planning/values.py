"""Parameter values of every tensor, and the place in the recipe that decides each."""

from __future__ import annotations

from typing import Any

from nbmerge.checkpoints.layout import has_inputs_first
from nbmerge.engine.planning.labels import number_repeats
from nbmerge.engine.planning.precedence import CHOICE, find_value, is_missing
from nbmerge.engine.planning.resolved import Piece, Resolved
from nbmerge.methods import Parameter, Values
from nbmerge.methods.linear import WEIGHT
from nbmerge.problems import Where

Decided = dict[str, Where]
"""The place in the recipe that decides each value."""


def find_values(
    resolved: Resolved, piece: Piece, name: str, names: list[str], t: float, matrix: bool
) -> tuple[Values | None, Decided]:
    """Every parameter's value for one output tensor; None instead of them if there are errors.

    Parameters
    ----------
    resolved : Resolved
    piece : Piece
        The slice that the tensor is in.
    name : str
        Name of the output tensor.
    names : list of str
        Names of its inputs, one for each input of the slice.
    t : float
        Position in the slice, 0 to 1.
    matrix : bool
        Whether it is a matrix in a layer.
    """
    _, where = find_value(CHOICE, piece.levels, name, t, piece.depth)
    decided: Decided = {"method": where} if where else {}
    shared: dict[str, Any] = {}
    each: dict[str, tuple[Any, ...]] = {}
    for parameter in piece.method.parameters:
        if parameter.scope == "global":
            shared[parameter.name] = _find_shared(resolved, piece, parameter, name, t, decided)
        else:
            each[parameter.name] = _find_each(resolved, piece, parameter, name, names, t, decided)
    if resolved.findings.fatal:
        return None, decided
    seed = resolved.recipe.random_seed
    streams = tuple(f"{seed}/{resolved.order[i.ref]}/{name}" for i in piece.inputs)
    first = matrix and has_inputs_first(str(resolved.donor_checkpoint.config.get("model_type")), name)
    values = Values(shared, each, streams, t, matrix, first)
    if fault := piece.method.fault(values):
        kind = "statistics" if fault == piece.method.missing(values) else "range"
        resolved.findings.faulty(piece.where or ("parameters",), fault, name, kind)
    if piece.method.advise and (advice := piece.method.advise(values)):
        what, _, how = advice.partition(". ")
        resolved.findings.warning(piece.where or ("parameters",), f"{what}.", how, "statistics")
    return values, decided


def _find_shared(resolved: Resolved, piece: Piece, parameter: Parameter, name: str, t: float, decided: Decided) -> Any:
    """The value of a parameter of the whole merge."""
    value, where = find_value(parameter, piece.levels, name, t, piece.depth)
    if is_missing(value):
        place = ("parameters", parameter.name)
        resolved.findings.missing_value(place, piece.method.name, parameter, None, name)
    else:
        _record(resolved, parameter, value, where, name, parameter.name, decided)
    return value


def _find_each(
    resolved: Resolved, piece: Piece, parameter: Parameter, name: str, names: list[str], t: float, decided: Decided
) -> tuple[Any, ...]:
    """The values of a parameter of every input; None for the base."""
    labels = number_repeats([resolved.labels[i.ref] for i in piece.inputs])
    row: list[Any] = [None] if piece.has_base else []
    for i, source in list(enumerate(piece.inputs))[len(row) :]:
        value, where = find_value(parameter, (*source.levels, *piece.levels), names[i], t, piece.depth)
        if is_missing(value):
            place = (*source.levels[0][0], parameter.name) if source.levels else ("parameters", parameter.name)
            label = resolved.labels[source.ref]
            resolved.findings.missing_value(place, piece.method.name, parameter, label, name)
        else:
            _record(resolved, parameter, value, where, name, f"{parameter.name}[{labels[i]}]", decided)
        row.append(value)
    return tuple(row)


def _record(
    resolved: Resolved, parameter: Parameter, value: Any, where: Where | None, tensor: str, key: str, decided: Decided
) -> None:
    """Record which place decides a value, or report what is wrong with the value."""
    if fault := parameter.fault(value):
        resolved.findings.faulty(where or ("parameters",), fault, tensor)
    elif where is not None:
        decided[key] = where


def find_owner_weights(
    resolved: Resolved, piece: Piece, name: str, names: list[str], t: float
) -> tuple[tuple[float, ...] | None, Decided]:
    """Each input's weight in rows of tokens: as set in the recipe, else what its method is equivalent to."""
    pairs = zip(piece.inputs, names, strict=True)
    found = [find_value(WEIGHT, (*i.levels, *piece.levels), n, t, piece.depth) for i, n in pairs]
    labels = number_repeats([resolved.labels[i.ref] for i in piece.inputs])
    missing = [label for label, (w, _) in zip(labels, found, strict=True) if is_missing(w)]
    if missing and piece.method.parameter("weight") is None:
        return _weights_of_method(resolved, piece, name, t), {}
    if missing:
        _report_missing_weights(resolved, piece.method.name, missing, name)
        return None, {}
    for (w, where), label in zip(found, labels, strict=True):
        if fault := WEIGHT.fault(w):
            resolved.findings.faulty(where or ("parameters",), f"{label}: {fault}", name)
            return None, {}
    decided = {f"weight[{label}]": where for label, (_, where) in zip(labels, found, strict=True) if where}
    return tuple(w for w, _ in found), decided


def _weights_of_method(resolved: Resolved, piece: Piece, name: str, t: float) -> tuple[float, ...]:
    """The weights that a method without them is equivalent to: 1 − t and t for slerp, else equal ones."""
    parameter = piece.method.parameter("t") if piece.method.name == "slerp" else None
    share = None if parameter is None else find_value(parameter, piece.levels, name, t, piece.depth)[0]
    weights = (1.0 - share, share) if isinstance(share, int | float) else (1.0,) * len(piece.inputs)
    text = ", ".join(f"{w:g}" for w in weights)
    what = f"{piece.method.name} has no weights, so rows of tokens are means with the weights {text}."
    resolved.findings.info(("tokenizer", "rows"), what)
    return weights


def _report_missing_weights(resolved: Resolved, method: str, missing: list[str], name: str) -> None:
    what = f"'rows: owners' computes rows of tokens by weight, but {' and '.join(missing)} has none (for {name})."
    how = f"Give it a weight, or leave 'rows' out: missing rows are then filled, and {method} is applied."
    if resolved.recipe.dialect == "mergekit-0.0":
        how = f"{how} This is what tokenizer_source means in the dialect mergekit-0.0, not in nbmerge or mergekit-0.1."
    resolved.findings.error(("tokenizer", "rows"), what, how)
