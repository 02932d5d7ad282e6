"""A recipe's slices with their models opened: which layers of which model, in the order that the method wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.named import Named
from nbmerge.engine.parameters import CHOICE, Level, find
from nbmerge.methods import Method
from nbmerge.problems import Where
from nbmerge.recipe import ModelRef, Slice


@dataclass(frozen=True)
class Input:
    """One source of a slice, opened."""

    ref: ModelRef
    checkpoint: Checkpoint
    first: int
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Piece:
    """A slice, its sources in the method's order; `others` is the same slice for the other methods of the recipe."""

    method: Method
    inputs: tuple[Input, ...]
    depth: int
    where: Where
    levels: tuple[Level, ...]
    others: Mapping[str, Piece]
    has_base: bool


def as_chosen(piece: Piece, tensor: str, t: float) -> Piece:
    """The slice as the method sees it that the recipe chooses for one tensor."""
    return piece.others.get(find(CHOICE, piece.levels, tensor, t)[0], piece)


class Sliced(Named):
    """The second step of planning."""

    def _slice(self, k: int, piece: Slice) -> Piece | None:
        first, *others = self.methods
        made = self._piece(k, piece, first)
        if made is None or self.findings.fatal:
            return made
        return replace(made, others={m.name: p for m in others if (p := self._piece(k, piece, m))})

    def _piece(self, k: int, piece: Slice, method: Method) -> Piece | None:
        whole = self.recipe.slices is None
        where: Where = () if whole else ("slices", k)
        inputs = []
        for i, source in enumerate(piece.sources):
            here = ("models", i) if whole else (*where, "sources", i)
            checkpoint = self.checkpoints[source.model]
            first, end = source.layer_range or (0, checkpoint.depth)
            if end > checkpoint.depth:
                what = (
                    f"{self.labels[source.model]} has {checkpoint.depth} layers, so [{first}, {end}) goes past its end."
                )
                self.findings.error((*here, "layer_range"), what, f"Use a range within [0, {checkpoint.depth}).")
            level: Level = ((*here, "parameters"), source.parameters)
            inputs.append((Input(source.model, checkpoint, first, (level,)), end - first))
        base = self._base(piece)
        has_base = method.base == "required" or (method.base == "optional" and base is not None)
        inputs = self._with_base(inputs, where, method, base)
        depths = {depth for _, depth in inputs}
        if len(depths) > 1:
            text = ", ".join(f"{self.labels[i.ref]}: {depth}" for i, depth in inputs)
            how = "Give each source of a slice a layer_range of the same length." if not whole else (
                "Models merged as a whole need the same depth; use slices to choose layers."
            )  # fmt: skip
            self.findings.error(where or ("models",), f"different numbers of layers ({text}).", how)
            return None
        least, most = method.inputs
        given = len(inputs) - (method.base == "optional" and has_base)
        if not least <= given <= (most or given):
            wanted = str(least) if least == most else f"at least {least}" if most is None else f"{least} to {most}"
            more = {"required": ", the base model included", "optional": " besides a base model"}.get(method.base, "")
            what = f"{method.name} merges {wanted} {'model' if wanted == '1' else 'models'}{more}; here are {given}."
            self.findings.error(where or ("models",), what, "Add or remove models, or choose another method.")
        levels = (((*where, "parameters"), piece.parameters),) if not whole else ()
        levels = (*levels, (("parameters",), self.recipe.parameters))
        return Piece(method, tuple(i for i, _ in inputs), depths.pop(), where, levels, {}, has_base)

    def _with_base(
        self, inputs: list[tuple[Input, int]], where: Where, method: Method, base: ModelRef | None
    ) -> list[tuple[Input, int]]:
        """Put the base model first where the method has one, adding it where it is not listed."""
        if method.base == "none" or base is None:
            return inputs
        listed = [pair for pair in inputs if pair[0].ref == base]
        if len(listed) > 1:
            self.findings.error(
                where or ("models",), f"the base model {self.labels[base]} is listed {len(listed)} times here."
            )
        if listed:
            return [listed[0], *(pair for pair in inputs if pair[0].ref != base)]
        ranges = {(i.first, depth) for i, depth in inputs}
        first, depth = ranges.pop()
        if ranges:
            what = f"the base model {self.labels[base]} is not among the sources, whose layer ranges differ."
            self.findings.error(where, what, "List it with the layers that the others are compared to.")
        if self.recipe.slices is None:
            first, depth = 0, self.checkpoints[base].depth
        return [(Input(base, self.checkpoints[base], first, ()), depth), *inputs]
