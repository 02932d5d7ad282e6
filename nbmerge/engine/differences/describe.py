"""What differs between two recipes, in words a person would use and as curves."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nbmerge.engine.differences.values import ParameterChange, compare_values
from nbmerge.engine.differences.words import describe_change, say
from nbmerge.engine.planning import Plan, examine, number_repeats
from nbmerge.recipe import Expert, ModelRef, Recipe
from nbmerge.recipe.sections import levels

MOST_WORDS = 6
"""Changes that are listed; the others are counted."""
DONORS = {
    "embedding_source": "embedding", "final_norm_source": "final norm", "lm_head_source": "head",
    "config_source": "config and tokenizer",
}  # fmt: skip
"""Fields that name the model which something is copied from."""


@dataclass(frozen=True)
class Difference:
    """What differs between two recipes; made by `describe_difference`.

    Parameters
    ----------
    words : tuple of str
        One for each change; empty where both mean the same.
    changes : tuple of ParameterChange
        Parameters whose values differ, layer by layer, as far as both recipes could be planned.
    """

    words: tuple[str, ...]
    changes: tuple[ParameterChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words)

    def __str__(self) -> str:
        shown = self.words if len(self.words) <= MOST_WORDS else self.words[: MOST_WORDS - 1]
        more = len(self.words) - len(shown)
        return "; ".join([*shown, f"{more} more changes"] if more else shown) or "no difference"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(w)}</li>" for w in self.words)
        return f"<ul>{items}</ul>" if items else "<p>No difference.</p>"


def describe_difference(before: Recipe | Plan | Any, after: Recipe | Plan | Any) -> Difference:
    """Say in words what changes from one recipe to another.

    Parameters
    ----------
    before, after : Recipe, Plan, or anything that `Recipe.load` reads
        Recipes are planned, which reads headers only; a `Plan` at hand saves that. Where a recipe cannot be planned,
        because a model is missing, parameters are compared as they are written.

    Returns
    -------
    Difference
        Its text is a short list, such as "weight of math: layers 8–15 MLP +0.2; method linear → ties".

    Raises
    ------
    RecipeError
        When one of them cannot be read.

    Examples
    --------
    >>> recipe = nbm.demo.recipe()
    >>> print(nbm.describe_difference(recipe, recipe.replace(dtype="bfloat16")))
    dtype float32 → bfloat16
    """
    old, new = (side.recipe if isinstance(side, Plan) else Recipe.load(side) for side in (before, after))
    if old == new:
        return Difference(())
    words = [*_compare_models(old, new), *_compare_fields(old, new), *_compare_experts(old, new)]
    plans = [side if isinstance(side, Plan) else _plan(side) for side in (before, after)]
    changes: list[ParameterChange] = []
    if plans[0] is not None and plans[1] is not None:
        if plans[0].depth != plans[1].depth:
            words.append(f"{plans[0].depth} → {plans[1].depth} layers")
        elif _arrangement(old) != _arrangement(new):
            words.append("layers come from other places")
        changes = _compare_plans(plans[0], plans[1])
        words += [describe_change(change) for change in changes]
    elif _arrangement(old) != _arrangement(new):
        words.append("layers come from other places")
    if not changes:
        words += _compare_written(old, new, ignore_values=bool(words) and None not in plans)
    return Difference(tuple(words or ["written differently"]), tuple(changes))


def _compare_plans(before: Plan, after: Plan) -> list[ParameterChange]:
    """Values that differ; of two methods only those of parameters that someone has set."""
    if before.depth != after.depth:
        return []
    changes = compare_values(before, after)
    if before.method is after.method:
        return changes
    named = {name for plan in (before, after) for _, settings, _, _ in levels(plan.recipe) for name in settings}
    return [change for change in changes if change.parameter in named]


def _plan(source: Any) -> Plan | None:
    return examine(Recipe.load(source))[0]


def _compare_models(old: Recipe, new: Recipe) -> Iterator[str]:
    before, after = old.inputs, new.inputs
    yield from (f"added model {ref.name}" for ref in after if ref not in before)
    yield from (f"removed model {ref.name}" for ref in before if ref not in after)
    if before != after and sorted(map(str, before)) == sorted(map(str, after)):
        yield f"order of models: {', '.join(ref.name for ref in after)}"
    if old.base_model != new.base_model:
        yield f"base model {_name(old.base_model)} → {_name(new.base_model)}"
    if old.merge_method != new.merge_method:
        yield f"method {old.merge_method} → {new.merge_method}"


def _experts(recipe: Recipe) -> list[tuple[str, Expert]]:
    """The experts of a mixture, each with what to call it."""
    own, shared = recipe.experts or (), recipe.shared_experts
    names = number_repeats([expert.source_model.name for expert in own])
    named = [(f"expert {name}", expert) for name, expert in zip(names, own, strict=True)]
    return [*named, *((f"shared expert {expert.source_model.name}", expert) for expert in shared)]


def _compare_experts(old: Recipe, new: Recipe) -> Iterator[str]:
    """What differs between mixtures, besides their models."""
    before, after = dict(_experts(old)), dict(_experts(new))
    for name in before if before != after else ():
        one, other = before[name], after.get(name)
        if other is None:
            continue
        if (one.positive_prompts, one.negative_prompts) != (other.positive_prompts, other.negative_prompts):
            yield f"prompts of {name} changed"
        for field in ("residual_scale", "noise_scale"):
            if (a := getattr(one, field)) != (b := getattr(other, field)):
                yield f"{field} of {name} {say(a)} → {say(b)}"


def _name(ref: ModelRef | None) -> str:
    return "none" if ref is None else ref.name


def _compare_fields(old: Recipe, new: Recipe) -> Iterator[str]:
    """Everything but models, layers and parameters."""
    pairs: dict[str, tuple[Any, Any]] = {
        "dtype": (old.out_dtype or old.dtype, new.out_dtype or new.dtype),
        "seed of random masks": (old.random_seed, new.random_seed),
        "treatment of vocabularies": (old.vocabulary, new.vocabulary),
        "chat template": (old.chat_template, new.chat_template),
        "gate_mode": (old.gate_mode, new.gate_mode),
        "experts for each token": (old.experts_per_token, new.experts_per_token),
        "architecture": (old.architecture, new.architecture),
    }
    pairs |= {f"{what} copied from": (getattr(old, f), getattr(new, f)) for f, what in DONORS.items()}
    for what, (a, b) in pairs.items():
        if a != b:
            a, b = (v.name if isinstance(v, ModelRef) else v for v in (a, b))
            yield f"{what} {say(a)} → {say(b)}" if len(f"{a}{b}") < 80 else f"{what} changed"
    tokenizers = [recipe.wanted_tokenizer for recipe in (old, new)]
    if tokenizers[0] != tokenizers[1]:
        sources = [t.source if t else "none" for t in tokenizers]
        yield f"tokenizer {sources[0]} → {sources[1]}" if sources[0] != sources[1] else "rules of the tokenizer changed"
    if old.dtype_overrides != new.dtype_overrides:
        yield "dtypes of single tensors changed"
    if old.merges != new.merges:
        yield "merges that feed this one changed"


def _arrangement(recipe: Recipe) -> list[Any]:
    """Which layers of which models follow each other, without any parameter."""
    return [
        (section.module, section.whole, [[(str(s.model), s.layer_range) for s in p.sources] for p in section.slices])
        for section in recipe.sections
        if not section.whole
    ]


def _compare_written(old: Recipe, new: Recipe, ignore_values: bool) -> Iterator[str]:
    """Parameters as they are written, for recipes without a plan."""
    if ignore_values:
        return
    before, after = _written(old), _written(new)
    for key in dict.fromkeys([*before, *after]):
        a, b = before.get(key), after.get(key)
        if a != b and not (isinstance(key[1], str) and (a is None or b is None) and _is_new_model(key[1], old, new)):
            title = f"{key[0]} of {ModelRef.of(key[1]).name}" if key[1] else key[0]
            short = len(f"{a}{b}") < 60
            yield f"{title} {say(a)} → {say(b)}" if short else f"{title} changed"


def _is_new_model(ref: str, old: Recipe, new: Recipe) -> bool:
    return any(ref not in map(str, recipe.inputs) for recipe in (old, new))


def _written(recipe: Recipe) -> dict[tuple[str, str | None], Any]:
    found: dict[tuple[str, str | None], Any] = {(n, None): s.plain() for n, s in recipe.parameters.items()}
    for piece in recipe.pieces:
        for source in piece.sources:
            found |= {(n, str(source.model)): s.plain() for n, s in source.parameters.items()}
    return found
