"""The slices of a recipe: which layers of which models, in the order that the method expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbmerge.engine.planning.precedence import check_layers
from nbmerge.engine.planning.resolved import Input, Piece, Resolved, Stretch, base_of
from nbmerge.methods import Method
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Where, nearest
from nbmerge.recipe.sections import Level, Section

Ranged = tuple[Input, int]
"""A source, and the number of its layers in the slice."""


def plan_stretches(resolved: Resolved) -> tuple[tuple[Stretch, ...], ...]:
    """For each section of the recipe, its slices for each of its stacks."""
    return tuple(
        tuple(_plan_stretch(resolved, section, stack) for stack in _find_stacks(resolved, section))
        for section in resolved.recipe.sections
    )


def _plan_stretch(resolved: Resolved, section: Section, stack: str | None) -> Stretch:
    pieces = (_plan_slice(resolved, section, k, stack) for k in range(len(section.slices)))
    return Stretch(section, stack, tuple(filter(None, pieces)))


def _find_stacks(resolved: Resolved, section: Section) -> Sequence[str | None]:
    """The stacks that a section applies to, by the result's names."""
    checkpoint = resolved.donor_checkpoint
    found = list(checkpoint.layout.stacks)
    if section.module is not None:
        found = _stacks_of_module(resolved, section, section.module, found)
    if not section.whole and len(found) != 1:
        text = ", ".join(f"{s}: {checkpoint.layout.stacks[s].depth} layers" for s in found) or "none"
        how = "Give each stack a module with slices of its own." if found else "Use models instead of slices here."
        what = f"slices apply to the layers of one stack, but here are {len(found)} ({text})."
        resolved.findings.error((*section.where, "slices"), what, how)
    return found or [None]


def _stacks_of_module(resolved: Resolved, section: Section, module: str, stacks: list[str]) -> list[str]:
    """The donor's stacks whose first layer belongs to the module of a section."""
    layout, owner = resolved.donor_checkpoint.layout, resolved.claims(resolved.donor_checkpoint)
    if module not in owner.values():
        known = dict.fromkeys(part for stack in stacks for part in (stack.split(".")[-2:-1] or [stack]))
        how = f"{nearest(module, known)} The tensors outside all stacks are called 'default'.".strip()
        resolved.findings.error(section.where, f"the models have no part called '{module}'.", how)
    return [s for s in stacks if any(owner.get(layout.name(0, p, s)) == module for p in layout.parts(0, s))]


def _plan_slice(resolved: Resolved, section: Section, k: int, stack: str | None) -> Piece | None:
    """A slice for the recipe's own method, which contains the same slice for its other methods."""
    first, *others = resolved.methods
    made = _plan_piece(resolved, section, k, stack, first)
    if made is None or resolved.findings.fatal:
        return made
    pieces = {m.name: _plan_piece(resolved, section, k, stack, m) for m in others}
    return replace(made, others={name: piece for name, piece in pieces.items() if piece})


def _plan_piece(resolved: Resolved, section: Section, k: int, stack: str | None, method: Method) -> Piece | None:
    piece, where = section.slices[k], section.slice_place(k)
    base = base_of(resolved.recipe, piece)
    has_base = method.base == "required" or (method.base == "optional" and base is not None)
    inputs = _open_sources(resolved, section, k, stack)
    if method.base != "none" and base is not None:
        inputs = _put_base_first(resolved, inputs, section, k, base)
    depths = {depth for _, depth in inputs}
    if len(depths) > 1:
        text = ", ".join(f"{resolved.labels[i.ref]}: {depth}" for i, depth in inputs)
        how = "Give each source of a slice a layer_range of the same length." if not section.whole else (
            "Models merged as a whole need the same depth; use slices to choose layers."
        )  # fmt: skip
        resolved.findings.error(where or ("models",), f"different numbers of layers ({text}).", how, "depth")
        return None
    given = len(inputs) - (method.base == "optional" and has_base)
    _check_number(resolved, method, given, inputs[0][0].ref, where or ("models",))
    levels = (*section.levels(k), (("parameters",), resolved.recipe.parameters))
    made = Piece(method, tuple(i for i, _ in inputs), depths.pop(), where, levels, {}, has_base)
    every = (*(level for source in made.inputs for level in source.levels), *levels)
    for problem in check_layers(every, made.depth, resolved.recipe) if made.depth else ():
        resolved.findings.add(problem)
    return made


def _open_sources(resolved: Resolved, section: Section, k: int, stack: str | None) -> list[Ranged]:
    """The sources of a slice, each with its number of layers."""
    inputs = []
    for i, source in enumerate(section.slices[k].sources):
        here = section.source_place(k, i)
        opened = _open_input(resolved, source.model, stack, (((*here, "parameters"), source.parameters),))
        first, end = source.layer_range or (0, opened.depth)
        if end > opened.depth:
            label = resolved.labels[source.model]
            what = f"{label} has {opened.depth} layers, so [{first}, {end}) goes past its end."
            resolved.findings.error((*here, "layer_range"), what, f"Use a range within [0, {opened.depth}).")
        inputs.append((replace(opened, first=first), end - first))
    return inputs


def _open_input(resolved: Resolved, ref: ModelRef, stack: str | None, levels: tuple[Level, ...]) -> Input:
    """A model with the stack of that name, or with its main stack if it has none of that name."""
    checkpoint = resolved.checkpoints[ref]
    own = stack if stack in checkpoint.layout.stacks else checkpoint.layout.stack
    return Input(ref, checkpoint, 0, levels, None if stack is None else own)


def _put_base_first(resolved: Resolved, inputs: list[Ranged], section: Section, k: int, base: ModelRef) -> list[Ranged]:
    """The sources with the base model first, which is added if it is not among them."""
    where, label = section.slice_place(k), resolved.labels[base]
    listed = [pair for pair in inputs if pair[0].ref == base]
    if len(listed) > 1:
        what = f"the base model {label} is listed {len(listed)} times here."
        resolved.findings.error(where or ("models",), what)
    if listed:
        return [listed[0], *(pair for pair in inputs if pair[0].ref != base)]
    ranges = {(i.first, depth) for i, depth in inputs}
    first, depth = ranges.pop()
    if ranges:
        what = f"the base model {label} is not among the sources, whose layer ranges differ."
        resolved.findings.error(where, what, "List it with the layers that the others are compared to.", "depth")
    opened = _open_input(resolved, base, inputs[0][0].stack, ())
    if section.whole:
        first, depth = 0, opened.depth
    return [(replace(opened, first=first), depth), *inputs]


def _check_number(resolved: Resolved, method: Method, given: int, first: ModelRef, where: Where) -> None:
    """Report too few or too many models for a method, or a base model into which nothing is merged."""
    least, most = method.inputs
    if least <= given <= (most or given):
        if method.base == "required" and given == 1:
            what = f"nothing is merged into the base model, so the result equals {resolved.labels[first]}."
            resolved.findings.warning(where, what, "Add the models that were fine-tuned from it.", "number")
        return
    wanted = str(least) if least == most else f"at least {least}" if most is None else f"{least} to {most}"
    more = {"required": ", the base model included", "optional": " besides a base model"}.get(method.base, "")
    what = f"{method.name} merges {wanted} {'model' if wanted == '1' else 'models'}{more}; here are {given}."
    resolved.findings.error(where, what, "Add or remove models, or choose another method.", "number")
