"""A recipe in sentences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from nbmerge.recipe.model import Recipe
from nbmerge.recipe.parts import Slice
from nbmerge.recipe.setting import position
from nbmerge.recipe.writers.amounts import Amounts, amounts, course

KINDS = {
    "attention": "attention", "mlp": "MLP", "rest": "layer norms", "embedding": "embedding", "final norm": "final norm",
    "head": "head", "other": "other tensors",
}  # fmt: skip
"""Names of groups and roles in sentences."""
GROUPS = ("attention", "mlp", "rest")
"""Groups inside layers."""
FILTERS = {
    "self_attn": "attention", "attn": "attention", "attention": "attention", "mlp": "MLP", "layernorm": "layer norms",
    "input_layernorm": "layer norms before attention", "post_attention_layernorm": "layer norms before the MLP",
    "embed_tokens": "embedding", "model.embed_tokens": "embedding", "lm_head": "head", "model.norm": "final norm",
    "layers.": "layers",
}  # fmt: skip
"""Words for filters that people use; others are quoted."""


def in_words(recipe: Recipe, plan: Any = None) -> str:
    """See `Recipe.in_words`."""
    lines = [_head(recipe)]
    if recipe.slices is not None:
        lines += _stack(recipe)
    lines += _planned(plan) if plan is not None else _said(recipe)
    return "\n".join([*lines, *_foot(recipe)])


def _head(recipe: Recipe) -> str:
    from nbmerge.methods import methods

    method = methods().get(recipe.merge_method)
    title = method.title if method else recipe.merge_method
    pieces = list(recipe.pieces)
    for module in (recipe.modules or {}).values():
        pieces += module.slices or ((Slice(sources=module.models),) if module.models else ())
    names = list(dict.fromkeys(s.model.name for p in pieces for s in p.sources))
    base = recipe.base_model.name if recipe.base_model else None
    if method and method.base == "first" and len(names) == 2:
        first = base or names[0]
        return f"{title}: from {first} to {next(n for n in names if n != first)}."
    if base and method and method.base in ("required", "optional"):
        return f"{title}: {_listed([n for n in names if n != base])}, as they differ from {base}."
    return f"{title}: {_listed(names)}."


def _stack(recipe: Recipe) -> Iterator[str]:
    start = 0
    for piece in recipe.slices:
        ranges = [s.layer_range for s in piece.sources]
        parts = _listed(
            [
                f"{_layers(*r)} of {s.model.name}" if r else s.model.name
                for s, r in zip(piece.sources, ranges, strict=True)
            ]
        )
        if ranges[0] is None:
            yield f"Then layers from {parts}."
            continue
        depth = ranges[0][1] - ranges[0][0]
        yield f"{_layers(start, start + depth).capitalize()}: made from {parts}."
        start += depth


def _layers(first: int, end: int) -> str:
    return f"layer {first}" if end - first == 1 else f"layers {first}–{end - 1}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "nothing"


# --- from the recipe alone ---


def _said(recipe: Recipe) -> Iterator[str]:
    start = 0
    for k, piece in enumerate(recipe.pieces):
        ranges = [s.layer_range for s in piece.sources if s.layer_range]
        depth = ranges[0][1] - ranges[0][0] if ranges else None
        where = "" if recipe.slices is None else f"{_layers(start, start + depth)}, " if depth else f"slice {k + 1}, "
        start += depth or 0
        filters = _filters(recipe, piece)
        for filter in [*filters, None]:
            text = course(_series(recipe, piece, filter, depth))
            if text:
                name = (
                    "all tensors"
                    if not filters
                    else "everything else"
                    if filter is None
                    else FILTERS.get(filter, f"'{filter}'")
                )
                yield _sentence(f"{where}{name}: {text}.")


def _filters(recipe: Recipe, piece: Slice) -> list[str]:
    levels = [*(s.parameters for s in piece.sources), piece.parameters, recipe.parameters]
    return list(
        dict.fromkeys(r.filter for level in levels for s in level.values() for r in s.rules if r.filter is not None)
    )


def _series(recipe: Recipe, piece: Slice, filter: str | None, depth: int | None) -> list[Amounts]:
    """Amounts of the tensors of a filter at each anchor of its gradients."""
    levels = [*(s.parameters for s in piece.sources), piece.parameters, recipe.parameters]
    rules = [r for level in levels for s in level.values() for r in s.rules if isinstance(r.value, tuple)]
    count = max((len(r.value) for r in rules), default=1)
    steps = [0.0] if count == 1 else [position(i, count) for i in range(count)]
    if depth == 1:
        steps = [1.0]
    return [_amounts(recipe, piece, filter or "\0", t) for t in steps]


def _amounts(recipe: Recipe, piece: Slice, name: str, t: float) -> Amounts:
    from nbmerge.methods import methods

    method = methods().get(recipe.merge_method)
    if method is None:
        return {}
    base = piece.base_model or recipe.base_model
    sources = list(piece.sources)
    first = base or (sources[0].model if method.base == "first" else None)
    inputs = sorted(sources, key=lambda s: s.model != first) if method.base != "none" else sources

    def value(parameter, levels) -> Any:
        found = (level[parameter.name].at(name, t) for level in levels if parameter.name in level)
        return next((v for v in found if v is not None), parameter.default)

    shared = {p.name: value(p, (piece.parameters, recipe.parameters)) for p in method.parameters if p.scope == "global"}
    each = {}
    for parameter in (p for p in method.parameters if p.scope == "input"):
        levels = ((s.parameters, piece.parameters, recipe.parameters) for s in inputs)
        values = [value(parameter, level) for level in levels]
        bare = method.base in ("required", "optional")
        each[parameter.name] = [
            None if (bare and s.model == base) or v is _required() else v for s, v in zip(inputs, values, strict=True)
        ]
    return amounts(recipe.merge_method, [s.model.name for s in inputs], shared, each)


def _required() -> Any:
    from nbmerge.methods import REQUIRED

    return REQUIRED


# --- from a plan, layer by layer ---


def _planned(plan: Any) -> Iterator[str]:
    parts: dict[tuple[str, str], dict[int, Amounts]] = {}
    for tensor in plan.tensors:
        found = amounts(tensor.method, tensor.models, tensor.values.shared, tensor.values.each)
        part = tensor.name if tensor.layer is None else tensor.name.split(f".{tensor.layer}.", 1)[-1]
        parts.setdefault((tensor.kind, part), {})[-1 if tensor.layer is None else tensor.layer] = found
    groups: dict[tuple[str, str], list[str]] = {}
    for (kind, part), series in parts.items():
        groups.setdefault((kind, repr(series)), []).append(part)
    said: dict[tuple[str, str], list[str]] = {}
    for (kind, _), names in groups.items():
        whole = sum(k == kind for k, _ in parts) == len(names)
        label = KINDS[kind] if whole else _listed([n.removesuffix(".weight") for n in names])
        series = parts[kind, names[0]]
        if -1 in series:
            said.setdefault(("", course([series[-1]])), []).append(label)
        for first, end in _runs(series):
            text = course([series[i] for i in range(first, end)])
            said.setdefault((f"{_layers(first, end)}, ", text), []).append(label)
    for (where, text), labels in said.items():
        if text:
            every = where and set(labels) == {KINDS[k] for k, _ in parts if k in GROUPS}
            yield _sentence(f"{where.removesuffix(', ') if every else where + _listed(labels)}: {text}.")


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
    if recipe.tokenizer_source or recipe.tokenizer:
        yield f"Tokenizer: {recipe.tokenizer_source or recipe.tokenizer.source}."
    dtype = recipe.out_dtype or recipe.dtype
    if dtype:
        yield f"Written in {dtype}."
    for merge in recipe.merges:
        yield f"{merge.name} is itself a merge. {in_words(merge)}"
