"""What deserves a look although it forbids nothing: settings without effect, models that hardly fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.errors import CheckpointError
from nbmerge.problems import Problem, Where
from nbmerge.recipe import Recipe, Rule
from nbmerge.recipe.sections import levels
from nbmerge.tokenizers import read_vocabulary, same_tokenizer


def advise(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Warnings about a plan that could be made."""
    yield from check_rules(recipe, plan)
    yield from _dtypes(recipe, plan)
    yield from _same_weights(recipe, plan)
    yield from _tokens(recipe, plan)


def check_rules(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Filters that match no tensor, and gradients with more values than layers."""
    names = {n for t in plan.tensors for n in (t.name, *(i.name for i in t.inputs))}
    for where, settings, _, number in levels(recipe):
        depth = max(plan.piece_depths, default=0) if number is None else plan.piece_depths[number]
        for name, setting in settings.items():
            for i, rule in enumerate(setting.rules):
                here = (*where, name, i) if len(setting.rules) > 1 else (*where, name)
                if problem := _rule_problem(rule, names, depth):
                    yield Problem("warning", here, *problem, recipe.line(here))
    for i, rule in enumerate(recipe.dtype_overrides):
        if not any(rule.filter in t.name for t in plan.tensors):
            here = ("dtype_overrides", i)
            yield Problem("warning", here, *_without_effect(rule.filter), recipe.line(here))


def _rule_problem(rule: Rule, names: set[str], depth: int) -> tuple[str, str] | None:
    if rule.filter is not None and not any(rule.filter in n for n in names):
        return _without_effect(rule.filter)
    if isinstance(rule.value, tuple) and len(rule.value) > depth > 0:
        how = "Some of them are never reached exactly; use at most one value per layer."
        return f"a gradient of {len(rule.value)} values over {depth} layers.", how
    return None


def _without_effect(filter: str) -> tuple[str, str]:
    how = "Filters are texts that tensor names contain; see the plan's table."
    return f"the filter '{filter}' matches no tensor.", how


def _dtypes(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Models stored in different dtypes, where the recipe does not say which one the result has."""
    if recipe.dtype or recipe.out_dtype:
        return
    stored = {plan.labels[ref]: checkpoint.dtype for ref, checkpoint in plan.checkpoints.items()}
    if len(set(stored.values())) > 1:
        each = ", ".join(f"{label} {dtype}" for label, dtype in stored.items())
        sizes: Counter[str] = Counter()
        for tensor in plan.tensors:
            sizes[tensor.dtype] += tensor.count
        what = f"the models are stored in different dtypes ({each}); the result is mostly {sizes.most_common(1)[0][0]}."
        yield Problem("info", ("dtype",), what, "Set dtype to choose.")


def _same_weights(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Models that are one and the same, under two names or one."""
    for section in (s for s in recipe.sections if s.whole):
        models = [source.model for source in section.slices[0].sources]
        for i, ref in enumerate(models):
            if ref in models[:i]:
                where = (*section.source_place(0, i), "model")
                what, how = f"{plan.labels[ref]} is named twice.", "Name it once, with all of its weight."
                yield Problem("warning", where, what, how, recipe.line(where))
    seen: dict[frozenset, str] = {}
    for ref, checkpoint in plan.checkpoints.items():
        files = _files(checkpoint)
        if files and files in seen:
            what = f"{plan.labels[ref]} and {seen[files]} are the same files."
            yield Problem(
                "warning", _first_place(recipe, plan, ref), what, "Merging a model with itself changes nothing."
            )
        seen.setdefault(files, plan.labels[ref])


def _files(checkpoint: Checkpoint) -> frozenset[Any]:
    """The weights files of a checkpoint, empty for a merge that is not made yet."""
    if any(isinstance(t, TensorPlan) for t in checkpoint.tensors.values()):
        return frozenset()
    return frozenset(file.resolve() for file in {leaf.file for t in checkpoint.tensors.values() for leaf in t.leaves()})


def _first_place(recipe: Recipe, plan: Plan, ref) -> Where:
    named = (
        ((*s.where, "models", i), x) for s in recipe.sections if s.whole for i, x in enumerate(s.slices[0].sources)
    )
    return next((where for where, source in named if source.model == ref), ())


def _tokens(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Models of equal vocabulary size whose tokens have other numbers than the tokenizer that the result gets."""
    if recipe.tokenizer_source or recipe.tokenizer or plan.tokenizer is not None:
        return  # rows follow their tokens, or the plan has said what becomes of them
    donor = plan.checkpoints[plan.donor].path
    for ref, checkpoint in plan.checkpoints.items():
        if same_tokenizer(donor, checkpoint.path):
            continue
        try:
            own, other = read_vocabulary(donor), read_vocabulary(checkpoint.path)
        except CheckpointError as error:
            yield Problem("warning", (), str(error))
            continue
        if own is None or other is None:
            continue
        if moved := other.moved(own):
            what = f"{plan.labels[ref]} numbers {len(moved)} of its tokens differently from {plan.labels[plan.donor]} ({moved[0]!r})"
            yield Problem(
                "warning", (), f"{what}; their embeddings would be mixed up.", "Merge models that share a tokenizer."
            )
        elif lacking := own.lacking(other):
            what = f"{plan.labels[ref]} knows {len(lacking)} tokens that the result's tokenizer lacks ({lacking[0]!r})."
            yield Problem(
                "warning", ("config_source",), what, "Set config_source to the model whose tokenizer you want."
            )
