"""The numbers of every tensor: each parameter's value, and the place in the recipe that decided it."""

from __future__ import annotations

from functools import cached_property

from nbmerge.checkpoints.layout import has_inputs_first
from nbmerge.engine.planning.labels import told_apart
from nbmerge.engine.planning.precedence import CHOICE, find, is_missing
from nbmerge.engine.planning.slices import Piece, Sliced
from nbmerge.methods import Values
from nbmerge.methods.linear import WEIGHT
from nbmerge.problems import Where
from nbmerge.recipe import ModelRef


class Numbered(Sliced):
    """The third step of planning."""

    def _values(
        self, piece: Piece, name: str, names: list[str], t: float, matrix: bool
    ) -> tuple[Values | None, dict[str, Where]]:
        _, where = find(CHOICE, piece.levels, name, t)
        shared, each, decided = {}, {}, {"method": where} if where else {}
        labels = told_apart([self.labels[i.ref] for i in piece.inputs])
        for parameter in piece.method.parameters:
            if parameter.scope == "global":
                value, where = find(parameter, piece.levels, name, t)
                self._note(piece.method, parameter, value, where, None, name, parameter.name, decided)
                shared[parameter.name] = value
                continue
            row = []
            for i, source in enumerate(piece.inputs):
                if i == 0 and piece.has_base:
                    row.append(None)
                    continue
                value, where = find(parameter, (*source.levels, *piece.levels), names[i], t)
                self._note(
                    piece.method, parameter, value, where, source, name, f"{parameter.name}[{labels[i]}]", decided
                )
                row.append(value)
            each[parameter.name] = tuple(row)
        if self.findings.fatal:
            return None, decided
        seed = self.recipe.random_seed
        streams = tuple(f"{seed}/{self._order[i.ref]}/{name}" for i in piece.inputs)
        first = matrix and has_inputs_first(str(self.checkpoints[self.donor].config.get("model_type")), name)
        values = Values(shared, each, streams, t, matrix, first)
        fault = piece.method.fault(values)
        if fault:
            self.findings.faulty(("parameters",) if not piece.where else piece.where, fault, name)
        return values, decided

    @cached_property
    def _order(self) -> dict[ModelRef, int]:
        """Number of each model in random streams: its place in the recipe, so that moving folders changes nothing."""
        return {ref: i for i, ref in enumerate(self.recipe.references)}

    def _note(self, method, parameter, value, where, source, tensor, key, decided) -> None:
        """Record who decided a value, or what is wrong with it."""
        if is_missing(value):
            model = self.labels[source.ref] if source else None
            at = (*source.levels[0][0], parameter.name) if source and source.levels else ("parameters", parameter.name)
            self.findings.missing_value(at, method.name, parameter, model, tensor)
        elif fault := parameter.fault(value):
            self.findings.faulty(where or ("parameters",), fault, tensor)
        elif where is not None:
            decided[key] = where

    def _owner_weights(
        self, piece: Piece, name: str, names: list[str], t: float
    ) -> tuple[tuple[float, ...] | None, dict[str, Where]]:
        """Each input's weight in the rows of its tokens: as the recipe says, else what its method amounts to."""
        found = [find(WEIGHT, (*i.levels, *piece.levels), n, t) for i, n in zip(piece.inputs, names, strict=True)]
        labels = told_apart([self.labels[i.ref] for i in piece.inputs])
        decided = {f"weight[{label}]": where for label, (_, where) in zip(labels, found, strict=True) if where}
        lacking = [label for label, (w, _) in zip(labels, found, strict=True) if is_missing(w)]
        if lacking and piece.method.parameter("weight") is None:
            t_ = find(piece.method.parameter("t"), piece.levels, name, t)[0] if piece.method.name == "slerp" else None
            weights = (1.0 - t_, t_) if isinstance(t_, int | float) else (1.0,) * len(found)
            self.findings.info(
                ("tokenizer", "rows"),
                f"{piece.method.name} has no weights, so rows of tokens are means with {', '.join(f'{w:g}' for w in weights)}.",
            )
            return weights, {}
        if lacking:
            what = f"'rows: owners' makes rows of tokens by weight, and {' and '.join(lacking)} has none (for {name})."
            how = f"Give it a weight, or leave 'rows' out: missing rows are then filled, and {piece.method.name} is applied."
            if self.recipe.dialect == "mergekit-0.0":
                how = f"{how} This is what tokenizer_source means in the dialect mergekit-0.0, not in nbmerge or mergekit-0.1."
            self.findings.error(("tokenizer", "rows"), what, how)
            return None, {}
        for (w, where), label in zip(found, labels, strict=True):
            if fault := WEIGHT.fault(w):
                self.findings.faulty(where or ("parameters",), f"{label}: {fault}", name)
                return None, {}
        return tuple(w for w, _ in found), decided
