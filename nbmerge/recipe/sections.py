"""Sections: one view of a recipe's `models`, `slices` and `modules`, with the place of everything in them.

The first two forms are one section for the whole model; each entry of `modules` is a section for a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmerge.problems import Where
from nbmerge.recipe.parts import Module, Slice, Source, plain
from nbmerge.recipe.setting import Setting

if TYPE_CHECKING:
    from nbmerge.recipe.recipe import Recipe

Level = tuple[Where, Mapping[str, Setting]]
"""A place in the recipe and the parameters given there."""
Parameters = Mapping[str, Setting]


@dataclass(frozen=True)
class Section:
    """The part of a recipe that describes the whole model, or one module of it.

    Parameters
    ----------
    module : str, optional
        Name of the part; None for the whole model.
    slices : tuple of Slice
        Its layers, piece by piece; one slice where models are merged over their whole depth.
    whole : bool
        Whether models are merged over their whole depth: the form `models`.
    parameters : mapping
        Parameters of this part.
    """

    module: str | None
    slices: tuple[Slice, ...]
    whole: bool
    parameters: Parameters

    @property
    def where(self) -> Where:
        """Its place; empty for the whole model."""
        return () if self.module is None else ("modules", self.module)

    def slice_place(self, k: int) -> Where:
        """The place of a slice; that of the section where models are merged over their whole depth."""
        return self.where if self.whole else (*self.where, "slices", k)

    def source_place(self, k: int, i: int) -> Where:
        """The place of a slice's source."""
        return (*self.where, "models", i) if self.whole else (*self.where, "slices", k, "sources", i)

    def levels(self, k: int) -> tuple[Level, ...]:
        """Parameters of a slice and of the section, the nearer first; those of the recipe itself come after."""
        own = () if self.whole else (((*self.slice_place(k), "parameters"), self.slices[k].parameters),)
        return own if self.module is None else (*own, ((*self.where, "parameters"), self.parameters))


def sections(recipe: Recipe) -> tuple[Section, ...]:
    """A recipe's sections."""
    if recipe.modules is not None:
        return tuple(_section(name, module) for name, module in recipe.modules.items())
    return (_section(None, recipe),)


def _section(name: str | None, part: Recipe | Module) -> Section:
    slices = part.slices if part.slices is not None else (Slice(sources=part.models),) if part.models else ()
    return Section(name, slices, part.slices is None, part.parameters)


def levels(recipe: Recipe) -> Iterator[tuple[Where, Parameters, bool, int | None]]:
    """Every place with parameters, whether it applies to one model only, and the number of its slice in `pieces`."""
    yield ("parameters",), recipe.parameters, False, None
    number = 0
    for section in sections(recipe):
        if section.module is not None:
            yield (*section.where, "parameters"), section.parameters, False, None
        for k, piece in enumerate(section.slices):
            if not section.whole:
                yield (*section.slice_place(k), "parameters"), piece.parameters, False, number
            for i, source in enumerate(piece.sources):
                yield (*section.source_place(k, i), "parameters"), source.parameters, True, number
            number += 1


def rewrite_parts(
    recipe: Recipe,
    source: Callable[[Source], dict[str, Any]] = plain,
    piece: Callable[[Slice], dict[str, Any]] = plain,
    module: Callable[[Module], dict[str, Any]] = plain,
    last: bool = False,
) -> dict[str, Any]:
    """The recipe's `models`, `slices` or `modules` as plain data, with its parts as these functions write them.

    Parameters
    ----------
    source, piece, module : callable
        Write a part without the parts inside it.
    last : bool
        Of several slices, rewrite only the last, which also makes the tensors after the layers.
    """

    def inside(part: Recipe | Module) -> dict[str, Any]:
        if part.models is not None:
            return {"models": [source(s) for s in part.models]}
        slices = part.slices or ()
        changed = [
            plain(p) if last and p is not slices[-1] else piece(p) | {"sources": [source(s) for s in p.sources]}
            for p in slices
        ]
        return {"slices": changed}

    if recipe.modules is None:
        return inside(recipe)
    return {"modules": {name: module(m) | inside(m) for name, m in recipe.modules.items()}}
