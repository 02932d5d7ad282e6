"""Values at given layers as lists with one value for each layer, for programs that know only evenly spread values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nbmerge.problems import Problem
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.parts import Module, Slice, Source, plain
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import levels, rewrite_parts
from nbmerge.recipe.setting import Rule, Setting, position


def write_layers_as_lists(recipe: Recipe) -> tuple[Recipe, list[Problem]]:
    """The recipe with a list in place of every mapping of layers, and where that cannot be done.

    A list has as many values as the slice has layers, so that each layer takes exactly one of them. That number must be
    known: from `layer_range`, or from models on this machine.
    """
    if not any(_names_layers(settings) for _, settings, _, _ in levels(recipe)):
        return recipe, []
    lost: list[Problem] = []

    def source(part: Source) -> dict[str, Any]:
        return plain(part) | {"parameters": _spread(part.parameters, _depths([part]), lost)}

    def piece(part: Slice) -> dict[str, Any]:
        return plain(part) | {"parameters": _spread(part.parameters, _depths(part.sources), lost)}

    def module(part: Module) -> dict[str, Any]:
        inside = part.slices or (Slice(sources=part.models or ()),)
        return plain(part) | {
            "parameters": _spread(part.parameters, _depths(s for p in inside for s in p.sources), lost)
        }

    everywhere = _depths(s for p in recipe.pieces for s in p.sources)
    changes = {
        "parameters": _spread(recipe.parameters, everywhere, lost),
        **rewrite_parts(recipe, source, piece, module),
    }
    return recipe.replace(**changes).with_origin(like=recipe), lost


def _names_layers(settings: Mapping[str, Setting]) -> bool:
    return any(isinstance(rule.value, LayerValues) for setting in settings.values() for rule in setting.rules)


def _depths(sources: Iterable[Source]) -> set[int | None]:
    """Numbers of layers over which the settings of some sources run; None among them where one is not known."""
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    found: set[int | None] = set()
    for source in sources:
        if source.layer_range is not None:
            found.add(source.layer_range[1] - source.layer_range[0])
            continue
        try:
            found |= {stack.depth for stack in Checkpoint.open(source.model, ask=False).layout.stacks.values()}
        except CheckpointError:
            found.add(None)
    return found


def _spread(settings: Mapping[str, Setting], depths: set[int | None], lost: list[Problem]) -> dict[str, Any]:
    written = {}
    for name, setting in settings.items():
        if any(isinstance(rule.value, LayerValues) for rule in setting.rules):
            depth = next(iter(depths)) if len(depths) == 1 else None
            if depth is None:
                lost.append(_problem(name, depths))
            setting = Setting(tuple(_spread_rule(rule, depth) for rule in setting.rules))
        written[name] = setting.plain()
    return written


def _spread_rule(rule: Rule, depth: int | None) -> Rule:
    if not isinstance(rule.value, LayerValues):
        return rule
    count = depth or int(rule.value.last) + 1
    return Rule(tuple(rule.value.at(position(i, count), count) for i in range(count)), rule.filter)


def _problem(name: str, depths: set[int | None]) -> Problem:
    if None in depths:
        what = f"the values of '{name}' at given layers become a list, which needs the number of layers of the model."
        return Problem("error", ("parameters", name), what, "Download the models first, or give layer ranges.")
    text = " and ".join(str(d) for d in sorted(d for d in depths if d is not None))
    what = f"the values of '{name}' at given layers run over {text} layers, for which one list cannot serve."
    return Problem("error", ("parameters", name), what, "Give each slice or module values of its own.")
