"""A recipe in sentences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbmerge.methods import REQUIRED, Method, Parameter, methods
from nbmerge.model_ref import ModelRef
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.parts import Slice, Source
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import Section
from nbmerge.recipe.setting import Rule, Setting, position
from nbmerge.recipe.writers.amounts import Amounts, describe_course, name_amounts

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
    """See `Recipe.describe`."""
    if recipe.experts is not None:
        return "\n".join(_describe_mixture(recipe))
    lines = [_describe_method(recipe)]
    for section in recipe.sections:
        lines += [] if section.whole else _describe_slices(section)
    lines += _describe_plan(plan) if plan is not None else _describe_parameters(recipe)
    return "\n".join([*lines, *_describe_rest(recipe)])


def _describe_method(recipe: Recipe) -> str:
    method = methods().get(recipe.merge_method)
    title = method.title if method else recipe.merge_method
    kind = method.base if method else "none"
    names = list(dict.fromkeys(s.model.name for p in recipe.pieces for s in p.sources))
    base = recipe.base_model.name if recipe.base_model else None
    if kind == "first" and len(names) == 2:
        first = base or names[0]
        return f"{title}: from {first} to {next(n for n in names if n != first)}."
    if base and kind in ("required", "optional"):
        return f"{title}: {_join([n for n in names if n != base])}, as differences from {base}."
    return f"{title}: {_join(names)}."


def _describe_mixture(recipe: Recipe) -> Iterator[str]:
    experts = recipe.experts or ()
    names = _join([expert.source_model.name for expert in experts])
    base = recipe.base_model.name if recipe.base_model else "the base model"
    yield f"Mixture of experts: in each layer the MLPs of {names}, {recipe.experts_per_token} of {len(experts)} for each token."
    for expert in recipe.shared_experts:
        yield f"Every token also passes through the MLP of {expert.source_model.name}."
    made = {
        "cheap_embed": "sums of the embeddings of each expert's prompts", "random": "normal random numbers",
        "uniform_random": "uniform random numbers", "hidden_avg": f"mean hidden states of {base} for each expert's prompts",
    }  # fmt: skip
    states = f"hidden states of {base} at the end of each expert's prompts"
    yield f"The routers are {made.get(recipe.gate_mode, states)}. All else is from {base}."


def _describe_slices(section: Section) -> Iterator[str]:
    start, name = 0, f"{section.module}, " if section.module else ""
    for piece in section.slices:
        ranges = [s.layer_range for s in piece.sources]
        parts = _join(
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


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "nothing"


# --- from the recipe alone ---


def _describe_parameters(recipe: Recipe) -> Iterator[str]:
    for section in recipe.sections:
        yield from _describe_section(recipe, section)


def _describe_section(recipe: Recipe, section: Section) -> Iterator[str]:
    start, module = 0, f"{section.module}, " if section.module else ""
    for k, piece in enumerate(section.slices):
        ranges = [s.layer_range for s in piece.sources if s.layer_range]
        depth = ranges[0][1] - ranges[0][0] if ranges else None
        where = "" if section.whole else f"{_layers(start, start + depth)}, " if depth else f"slice {k + 1}, "
        start += depth or 0
        levels = [settings for _, settings in section.levels(k)] + [recipe.parameters]
        filters = _filters(piece, levels)
        for filter in [*filters, None]:
            text = describe_course(_series(recipe, piece, levels, filter, depth))
            if text:
                yield _sentence(f"{module}{where}{_name_filter(filter, alone=not filters)}: {text}.")


def _name_filter(filter: str | None, alone: bool) -> str:
    if filter is None:
        return "all tensors" if alone else "everything else"
    return FILTERS.get(filter, f"'{filter}'")


def _rules(piece: Slice, levels: Levels) -> Iterator[Rule]:
    """Every rule for a slice's tensors."""
    for level in (*(s.parameters for s in piece.sources), *levels):
        for setting in level.values():
            yield from setting.rules


def _filters(piece: Slice, levels: Levels) -> list[str]:
    return list(dict.fromkeys(r.filter for r in _rules(piece, levels) if r.filter is not None))


def _series(recipe: Recipe, piece: Slice, levels: Levels, filter: str | None, depth: int | None) -> list[Amounts]:
    """Amounts of the tensors of a filter at each anchor of its gradients."""
    values = [r.value for r in _rules(piece, levels)]
    named = [v for v in values if isinstance(v, LayerValues)]
    depth = depth or (int(max(v.last for v in named)) + 1 if named else None)
    count = max((len(v) for v in values if isinstance(v, tuple)), default=1)
    steps = {0.0} if count == 1 else {position(i, count) for i in range(count)}
    if depth and depth > 1:
        steps |= {1.0} if named else set()
        steps |= {x / (depth - 1) for v in named for x, _ in v.points if x < depth}
    if depth == 1:
        steps = {1.0}
    return [_amounts(recipe, piece, levels, filter or "\0", t, depth) for t in sorted(steps)]


def _amounts(recipe: Recipe, piece: Slice, levels: Levels, tensor: str, t: float, depth: int | None) -> Amounts:
    """A tensor's numbers at position t of its slice."""
    method = methods().get(recipe.merge_method)
    if method is None:
        return {}
    base = piece.base_model or recipe.base_model
    inputs = _order_inputs(piece, base, method)
    shared = {p.name: _value(p, levels, tensor, t, depth) for p in method.parameters if p.scope == "global"}
    without_values = base if method.base in ("required", "optional") else None
    each = {
        p.name: [
            None if s.model == without_values else _value(p, (s.parameters, *levels), tensor, t, depth) for s in inputs
        ]
        for p in method.parameters
        if p.scope == "input"
    }
    return name_amounts(recipe.merge_method, [s.model.name for s in inputs], shared, each)


def _order_inputs(piece: Slice, base: ModelRef | None, method: Method) -> list[Source]:
    """A slice's sources, the base or the first end of the merge first in methods that have one."""
    sources = list(piece.sources)
    if method.base == "none":
        return sources
    first = base or (sources[0].model if method.base == "first" else None)
    return sorted(sources, key=lambda s: s.model != first)


def _value(parameter: Parameter, levels: Levels, tensor: str, t: float, depth: int | None) -> Any:
    """A parameter's value at the nearest level that sets it, else its default; None where it must be given."""
    values = (level[parameter.name].at(tensor, t, depth) for level in levels if parameter.name in level)
    value = next((v for v in values if v is not None), parameter.default)
    return None if value is REQUIRED else value


# --- from a plan, layer by layer ---

Part = tuple[str, str, "str | None"]
"""Kind of a tensor, its name within the layer, and its stack of layers."""


def _describe_plan(plan: Any) -> Iterator[str]:
    series = _series_by_part(plan)
    labels: dict[tuple[str, str, str | None], list[str]] = {}
    for kind, stack, names in _alike(series):
        whole = sum((k, s) == (kind, stack) for k, _, s in series) == len(names)
        label = KINDS[kind] if whole else _join([n.removesuffix(".weight") for n in names])
        for where, text in _courses(series[kind, names[0], stack], stack):
            labels.setdefault((where, text, stack if where else None), []).append(label)
    for (where, text, stack), named in labels.items():
        if text:
            every = where and set(named) == {KINDS[k] for k, _, s in series if k in GROUPS and s == stack}
            subject = where if every else ", ".join(filter(None, [where, _join(named)]))
            yield _sentence(f"{subject}: {text}.")


def _series_by_part(plan: Any) -> dict[Part, dict[int, Amounts]]:
    """Amounts of each tensor by its part and layer; -1 for tensors outside the layers."""
    layout = plan.checkpoints[plan.donor].layout
    first_only = {stack: layout.first_only(stack) for stack in plan.depths if stack in layout.stacks}
    series: dict[Part, dict[int, Amounts]] = {}
    for tensor in plan.tensors:
        part = tensor.name if tensor.layer is None else tensor.name.split(f".{tensor.layer}.", 1)[-1]
        if tensor.stack in first_only and part in first_only[tensor.stack]:
            continue
        layer = -1 if tensor.layer is None else tensor.layer
        amounts = name_amounts(tensor.method, tensor.models, tensor.values.shared, tensor.values.each)
        series.setdefault((tensor.kind, part, tensor.stack), {})[layer] = amounts
    return series


def _alike(series: Mapping[Part, Mapping[int, Amounts]]) -> Iterator[tuple[str, str | None, list[str]]]:
    """Kind, stack and names of the parts that have the same amounts in all layers."""
    groups: dict[tuple[str, str, str | None], list[str]] = {}
    for (kind, part, stack), amounts in series.items():
        groups.setdefault((kind, repr(amounts), stack), []).append(part)
    for (kind, _, stack), names in groups.items():
        yield kind, stack, names


def _courses(series: dict[int, Amounts], stack: str | None) -> Iterator[tuple[str, str]]:
    """Where a part has which amounts, in words: outside the layers, then for each range of layers."""
    if -1 in series:
        yield "", describe_course([series[-1]])
    for first, end in _runs(series):
        prefix = f"{stack}, " if stack else ""
        yield f"{prefix}{_layers(first, end)}", describe_course([series[i] for i in range(first, end)])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _runs(series: dict[int, Amounts]) -> Iterator[tuple[int, int]]:
    """Ranges of layers over which amounts are of the same models and change in one direction."""
    layers = sorted(i for i in series if i >= 0)
    start = 0
    for end in range(1, len(layers) + 1):
        if end == len(layers) or not _is_monotonic([series[i] for i in layers[start : end + 1]]):
            yield layers[start], layers[end - 1] + 1
            start = end


def _is_monotonic(run: Sequence[Amounts]) -> bool:
    """Whether every amount is constant, or changes in one direction all along."""
    if any(a.keys() != run[0].keys() for a in run):
        return False
    signs = [
        {(a[name] > b[name]) - (a[name] < b[name]) for b, a in itertools.pairwise(run)}
        for name in run[0]
        if isinstance(run[0][name], int | float)
    ]
    return all(len(s) == 1 for s in signs)


# --- everything but the numbers ---


def _describe_rest(recipe: Recipe) -> Iterator[str]:
    donors = {
        "embedding": recipe.embedding_source,
        "final norm": recipe.final_norm_source,
        "head": recipe.lm_head_source,
    }
    for model in dict.fromkeys(d for d in donors.values() if d):
        yield f"{_join([n for n, d in donors.items() if d == model]).capitalize()} copied from {model.name}."
    if recipe.config_source:
        yield f"Config and tokenizer copied from {recipe.config_source.name}."
    if wanted := recipe.wanted_tokenizer:
        how = ", each row the mean of the models that own its token" if wanted.rows == "owners" else ""
        yield f"Tokenizer: {wanted.source}{how}."
    dtype = recipe.out_dtype or recipe.dtype
    if dtype:
        yield f"Written in {dtype}."
    for merge in recipe.merges:
        yield f"{merge.name} is itself a merge. {describe(merge)}"
