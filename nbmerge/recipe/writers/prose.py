"""A recipe in sentences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.model_ref import ModelRef
from nbmerge.recipe.parts import Slice, Source
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import Section
from nbmerge.recipe.setting import Rule, Setting, position
from nbmerge.recipe.writers.amounts import Amounts, amounts, course

if TYPE_CHECKING:
    from nbmerge.methods import Parameter

KINDS = {
    "attention": "attention", "mlp": "MLP", "rest": "layer norms", "embedding": "embedding", "final norm": "final norm",
    "head": "head", "other": "other tensors",
}  # fmt: skip
"""Names of groups and roles in sentences."""
Levels = Sequence[Mapping[str, Setting]]
"""Parameters of a slice, of its module and of the recipe, the nearer first."""
GROUPS = ("attention", "mlp", "rest")
"""Groups inside layers."""
FILTERS = {
    "self_attn": "attention", "attn": "attention", "attention": "attention", "mlp": "MLP", "layernorm": "layer norms",
    "input_layernorm": "layer norms before attention", "post_attention_layernorm": "layer norms before the MLP",
    "embed_tokens": "embedding", "model.embed_tokens": "embedding", "lm_head": "head", "model.norm": "final norm",
    "layers.": "layers",
}  # fmt: skip
"""Words for filters that people use; others are quoted."""


def describe(recipe: Recipe, plan: Any = None) -> str:
    """See `Recipe.in_words`."""
    lines = [_head(recipe)]
    for section in recipe.sections:
        lines += [] if section.whole else _stack(section)
    lines += _planned(plan) if plan is not None else _said(recipe)
    return "\n".join([*lines, *_foot(recipe)])


def _head(recipe: Recipe) -> str:
    from nbmerge.methods import methods

    method = methods().get(recipe.merge_method)
    title = method.title if method else recipe.merge_method
    names = list(dict.fromkeys(s.model.name for p in recipe.pieces for s in p.sources))
    base = recipe.base_model.name if recipe.base_model else None
    if method and method.base == "first" and len(names) == 2:
        first = base or names[0]
        return f"{title}: from {first} to {next(n for n in names if n != first)}."
    if base and method and method.base in ("required", "optional"):
        return f"{title}: {_listed([n for n in names if n != base])}, as they differ from {base}."
    return f"{title}: {_listed(names)}."


def _stack(section: Section) -> Iterator[str]:
    start, name = 0, f"{section.module}, " if section.module else ""
    for piece in section.slices:
        ranges = [s.layer_range for s in piece.sources]
        parts = _listed(
            [
                f"{_layers(*r)} of {s.model.name}" if r else s.model.name
                for s, r in zip(piece.sources, ranges, strict=True)
            ]
        )
        if ranges[0] is None:
            yield _sentence(f"{name}then layers from {parts}.")
            continue
        depth = ranges[0][1] - ranges[0][0]
        yield _sentence(f"{name}{_layers(start, start + depth)}: made from {parts}.")
        start += depth


def _layers(first: int, end: int) -> str:
    return f"layer {first}" if end - first == 1 else f"layers {first}–{end - 1}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "nothing"


# --- from the recipe alone ---


def _said(recipe: Recipe) -> Iterator[str]:
    for section in recipe.sections:
        yield from _said_of(recipe, section)


def _said_of(recipe: Recipe, section: Section) -> Iterator[str]:
    start, module = 0, f"{section.module}, " if section.module else ""
    for k, piece in enumerate(section.slices):
        ranges = [s.layer_range for s in piece.sources if s.layer_range]
        depth = ranges[0][1] - ranges[0][0] if ranges else None
        where = "" if section.whole else f"{_layers(start, start + depth)}, " if depth else f"slice {k + 1}, "
        where = module + where
        start += depth or 0
        levels = [settings for _, settings in section.levels(k)] + [recipe.parameters]
        filters = _filters(piece, levels)
        for filter in [*filters, None]:
            text = course(_series(recipe, piece, levels, filter, depth))
            if text:
                name = (
                    "all tensors"
                    if not filters
                    else "everything else"
                    if filter is None
                    else FILTERS.get(filter, f"'{filter}'")
                )
                yield _sentence(f"{where}{name}: {text}.")


def _rules(piece: Slice, levels: Levels) -> Iterator[Rule]:
    """Every rule that speaks of a slice's tensors."""
    for level in (*(s.parameters for s in piece.sources), *levels):
        for setting in level.values():
            yield from setting.rules


def _filters(piece: Slice, levels: Levels) -> list[str]:
    return list(dict.fromkeys(r.filter for r in _rules(piece, levels) if r.filter is not None))


def _series(recipe: Recipe, piece: Slice, levels: Levels, filter: str | None, depth: int | None) -> list[Amounts]:
    """Amounts of the tensors of a filter at each anchor of its gradients."""
    rules = [r for r in _rules(piece, levels) if isinstance(r.value, tuple)]
    count = max((len(r.value) for r in rules), default=1)
    steps = [0.0] if count == 1 else [position(i, count) for i in range(count)]
    if depth == 1:
        steps = [1.0]
    return [_amounts(recipe, piece, levels, filter or "\0", t) for t in steps]


def _amounts(recipe: Recipe, piece: Slice, levels: Levels, name: str, t: float) -> Amounts:
    from nbmerge.methods import methods

    method = methods().get(recipe.merge_method)
    if method is None:
        return {}
    base = piece.base_model or recipe.base_model
    inputs = _in_order(piece, base, method.base)
    bare = base if method.base in ("required", "optional") else None
    shared = {p.name: _value(p, levels, name, t) for p in method.parameters if p.scope == "global"}
    each = {
        p.name: [None if s.model == bare else _given(_value(p, (s.parameters, *levels), name, t)) for s in inputs]
        for p in method.parameters
        if p.scope == "input"
    }
    return amounts(recipe.merge_method, [s.model.name for s in inputs], shared, each)


def _in_order(piece: Slice, base: ModelRef | None, kind: str) -> list[Source]:
    """The sources of a slice in the order of a method with this kind of base."""
    sources = list(piece.sources)
    first = base or (sources[0].model if kind == "first" else None)
    return sources if kind == "none" else sorted(sources, key=lambda s: s.model != first)


def _value(parameter: Parameter, nearest_first: Levels, name: str, t: float) -> Any:
    found = (level[parameter.name].at(name, t) for level in nearest_first if parameter.name in level)
    return next((v for v in found if v is not None), parameter.default)


def _given(value: Any) -> Any:
    """A value, None where a required one is given nowhere."""
    from nbmerge.methods import REQUIRED

    return None if value is REQUIRED else value


# --- from a plan, layer by layer ---


Part = tuple[str, str, "str | None"]
"""A kind of tensor, what of a layer it is (its whole name outside the layers), and the stack."""
OUTSIDE = -1
"""Stands for the layer of what is in none."""


def _planned(plan: Any) -> Iterator[str]:
    parts = _amounts_of_parts(plan)
    said: dict[tuple[str, str, str | None], list[str]] = {}
    for label, series, stack in _alike(parts):
        for where, text in _courses(series, stack):
            said.setdefault((where, text, stack if where else None), []).append(label)
    for (where, text, stack), labels in said.items():
        if text:
            every = where and set(labels) == {KINDS[k] for k, _, s in parts if k in GROUPS and s == stack}
            yield _sentence(f"{where.removesuffix(', ') if every else where + _listed(labels)}: {text}.")


def _amounts_of_parts(plan: Any) -> dict[Part, dict[int, Amounts]]:
    """The amounts of every part of a layer, by layer; not of what only a stack's first layer has."""
    layout = plan.checkpoints[plan.donor].layout
    alone = {stack: layout.first_only(stack) for stack in plan.depths if stack in layout.stacks}
    parts: dict[Part, dict[int, Amounts]] = {}
    for tensor in plan.tensors:
        outside = tensor.layer is None
        part = tensor.name if outside else tensor.name.split(f".{tensor.layer}.", 1)[-1]
        if part not in alone.get(tensor.stack, ()):
            found = amounts(tensor.method, tensor.models, tensor.values.shared, tensor.values.each)
            parts.setdefault((tensor.kind, part, tensor.stack), {})[OUTSIDE if outside else tensor.layer] = found
    return parts


def _alike(parts: Mapping[Part, dict[int, Amounts]]) -> Iterator[tuple[str, dict[int, Amounts], str | None]]:
    """Parts of one kind with the same amounts: their name, the amounts by layer, and the stack."""
    groups: dict[Part, list[str]] = {}
    for (kind, part, stack), series in parts.items():
        groups.setdefault((kind, repr(series), stack), []).append(part)
    for (kind, _, stack), names in groups.items():
        whole = sum((k, s) == (kind, stack) for k, _, s in parts) == len(names)
        label = KINDS[kind] if whole else _listed([n.removesuffix(".weight") for n in names])
        yield label, parts[kind, names[0], stack], stack


def _courses(series: dict[int, Amounts], stack: str | None) -> Iterator[tuple[str, str]]:
    """Where amounts are, empty outside the layers, and how they run there."""
    if OUTSIDE in series:
        yield "", course([series[OUTSIDE]])
    for first, end in _runs(series):
        where = f"{f'{stack}, ' if stack else ''}{_layers(first, end)}, "
        yield where, course([series[i] for i in range(first, end)])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _runs(series: dict[int, Amounts]) -> Iterator[tuple[int, int]]:
    """Ranges of layers over which amounts are of the same models and do not turn."""
    layers = sorted(i for i in series if i >= 0)
    start = 0
    for end in range(1, len(layers) + 1):
        if end == len(layers) or not _goes_on([series[i] for i in layers[start : end + 1]]):
            yield layers[start], layers[end - 1] + 1
            start = end


def _goes_on(run: Sequence[Amounts]) -> bool:
    """Whether the run is constant or in one direction all along."""
    if any(a.keys() != run[0].keys() for a in run):
        return False
    signs = [
        {(a[name] > b[name]) - (a[name] < b[name]) for b, a in itertools.pairwise(run)}
        for name in run[0]
        if isinstance(run[0][name], int | float)
    ]
    return all(len(s) == 1 for s in signs)


# --- beside the numbers ---


def _foot(recipe: Recipe) -> Iterator[str]:
    donors = {
        "embedding": recipe.embedding_source,
        "final norm": recipe.final_norm_source,
        "head": recipe.lm_head_source,
    }
    for model in dict.fromkeys(d for d in donors.values() if d):
        yield f"{_listed([n for n, d in donors.items() if d == model]).capitalize()} as they are in {model.name}."
    if recipe.config_source:
        yield f"Config and tokenizer of {recipe.config_source.name}."
    if wanted := recipe.wanted_tokenizer:
        how = ", each row the mean of the models that own its token" if wanted.rows == "owners" else ""
        yield f"Tokenizer: {wanted.source}{how}."
    dtype = recipe.out_dtype or recipe.dtype
    if dtype:
        yield f"Written in {dtype}."
    for merge in recipe.merges:
        yield f"{merge.name} is itself a merge. {describe(merge)}"
