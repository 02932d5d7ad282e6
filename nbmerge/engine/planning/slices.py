"""A recipe's slices with their models opened: which layers of which model, in the order that the method wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nbmerge.checkpoints import Checkpoint, Layout
from nbmerge.checkpoints.modules import claims
from nbmerge.engine.planning.precedence import CHOICE, Level, find
from nbmerge.engine.planning.resolve import Named
from nbmerge.methods import Method
from nbmerge.problems import Where, nearest
from nbmerge.recipe import ModelRef
from nbmerge.recipe.sections import Section


@dataclass(frozen=True)
class Input:
    """One source of a slice, opened."""

    ref: ModelRef
    checkpoint: Checkpoint
    first: int
    levels: tuple[Level, ...]
    stack: str | None = None

    @property
    def layout(self) -> Layout:
        """The order in its tensor names."""
        return self.checkpoint.layout


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


@dataclass(frozen=True)
class Stretch:
    """The slices of one section of the recipe for one stack of layers, whose name the result takes from its donor.

    A part of a model without layers has one slice, of no layer, which speaks for the tensors in it.
    """

    section: Section
    stack: str | None
    pieces: tuple[Piece, ...]


class Sliced(Named):
    """The second step of planning."""

    def _stretches(self) -> list[tuple[Stretch, ...]]:
        """For each section of the recipe, its slices for each of its stacks."""
        return [tuple(self._stretch(s, stack) for stack in self._stacks(s)) for s in self.recipe.sections]

    def _stretch(self, section: Section, stack: str | None) -> Stretch:
        pieces = (self._slice(section, k, stack) for k in range(len(section.slices)))
        return Stretch(section, stack, tuple(filter(None, pieces)))

    def _stacks(self, section: Section) -> Sequence[str | None]:
        """The stacks that a section speaks of, by the result's names."""
        checkpoint = self.checkpoints[self.donor]
        found, where = list(checkpoint.layout.stacks), (*section.where, "slices")
        if section.module is not None:
            owner = self._claims(checkpoint)
            if section.module not in owner.values():
                known = dict.fromkeys(part for stack in found for part in (stack.split(".")[-2:-1] or [stack]))
                how = f"{nearest(section.module, known)} What is in no stack is called 'default'.".strip()
                self.findings.error(section.where, f"the models have no part called '{section.module}'.", how)
            found = [s for s in found if any(owner.get(checkpoint.layout.name(0, p, s)) == section.module
                                             for p in checkpoint.layout.parts(0, s))]  # fmt: skip
        if not section.whole and len(found) != 1:
            text = ", ".join(f"{s}: {checkpoint.layout.stacks[s].depth} layers" for s in found) or "none"
            how = "Give each stack a module with slices of its own." if found else "Use models instead of slices here."
            what = f"slices are of the layers of one stack, and here are {len(found)} ({text})."
            self.findings.error(where, what, how)
        return found or [None]

    def _claims(self, checkpoint: Checkpoint) -> dict[str, str]:
        """The module of the recipe that each tensor of a checkpoint belongs to."""
        if id(checkpoint) not in self._owners:
            self._owners[id(checkpoint)] = claims(checkpoint.layout, self.recipe.modules or ())
        return self._owners[id(checkpoint)]

    @cached_property
    def _owners(self) -> dict[int, dict[str, str]]:
        return {}

    def _slice(self, section: Section, k: int, stack: str | None) -> Piece | None:
        first, *others = self.methods
        made = self._piece(section, k, stack, first)
        if made is None or self.findings.fatal:
            return made
        return replace(made, others={m.name: p for m in others if (p := self._piece(section, k, stack, m))})

    def _piece(self, section: Section, k: int, stack: str | None, method: Method) -> Piece | None:
        piece, where = section.slices[k], section.slice_place(k)
        inputs = []
        for i, source in enumerate(piece.sources):
            here = section.source_place(k, i)
            opened = self._input(source.model, stack, (((*here, "parameters"), source.parameters),))
            depth = self._depth(opened)
            first, end = source.layer_range or (0, depth)
            if end > depth:
                what = f"{self.labels[source.model]} has {depth} layers, so [{first}, {end}) goes past its end."
                self.findings.error((*here, "layer_range"), what, f"Use a range within [0, {depth}).")
            inputs.append((replace(opened, first=first), end - first))
        base = self._base(piece)
        has_base = method.base == "required" or (method.base == "optional" and base is not None)
        inputs = self._with_base(inputs, section, k, method, base)
        depths = {depth for _, depth in inputs}
        if len(depths) > 1:
            text = ", ".join(f"{self.labels[i.ref]}: {depth}" for i, depth in inputs)
            how = "Give each source of a slice a layer_range of the same length." if not section.whole else (
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
        elif method.base == "required" and given == 1:
            what = f"nothing is merged into the base model, so the result is {self.labels[inputs[0][0].ref]} as it is."
            self.findings.warning(where or ("models",), what, "Add the models that were fine-tuned from it.")
        levels = (*section.levels(k), (("parameters",), self.recipe.parameters))
        return Piece(method, tuple(i for i, _ in inputs), depths.pop(), where, levels, {}, has_base)

    def _input(self, ref: ModelRef, stack: str | None, levels: tuple[Level, ...]) -> Input:
        """A model from its first layer on; its stack is that of the same name, or the one that it is named for."""
        layout = self.checkpoints[ref].layout
        own = stack if stack in layout.stacks else layout.stack
        return Input(ref, self.checkpoints[ref], 0, levels, None if stack is None else own)

    @staticmethod
    def _depth(source: Input) -> int:
        """Number of layers of the stack that an input is meant of."""
        return source.layout.stacks[source.stack].depth if source.stack is not None else 0

    def _with_base(
        self, inputs: list[tuple[Input, int]], section: Section, k: int, method: Method, base: ModelRef | None
    ) -> list[tuple[Input, int]]:
        """Put the base model first where the method has one, adding it where it is not listed."""
        where = section.slice_place(k)
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
        opened = self._input(base, inputs[0][0].stack, ())
        if section.whole:
            first, depth = 0, self._depth(opened)
        return [(replace(opened, first=first), depth), *inputs]
