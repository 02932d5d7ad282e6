"""Warnings about plans: settings without effect, models that do not fit well together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.errors import CheckpointError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, Where
from nbmerge.recipe import Recipe, Rule
from nbmerge.recipe.sections import levels
from nbmerge.tokenizers import read_vocabulary, same_tokenizer


def advise(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Warnings about a plan without errors."""
    yield from check_rules(recipe, plan)
    yield from _dtypes(recipe, plan)
    yield from _same_weights(recipe, plan)
    yield from _tokens(recipe, plan)


def check_rules(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Filters that match no tensor, and gradients with more values than layers."""
    names = plan.once("names", lambda: {n for t in plan.tensors for n in (t.name, *(i.name for i in t.inputs))})
    for where, settings, _, number in levels(recipe):
        depth = max(plan.piece_depths, default=0) if number is None else plan.piece_depths[number]
        for name, setting in settings.items():
            for i, rule in enumerate(setting.rules):
                here = (*where, name, i) if len(setting.rules) > 1 else (*where, name)
                if problem := _rule_problem(rule, names, depth):
                    yield Problem("warning", here, *problem, recipe.line(here))
    for i, override in enumerate(recipe.dtype_overrides):
        if not any(override.filter in t.name for t in plan.tensors):
            here = ("dtype_overrides", i)
            yield Problem("warning", here, *_without_effect(override.filter), recipe.line(here))


def _rule_problem(rule: Rule, names: set[str], depth: int) -> tuple[str, str] | None:
    if rule.filter is not None and not any(rule.filter in n for n in names):
        return _without_effect(rule.filter)
    if isinstance(rule.value, tuple) and len(rule.value) > depth > 0:
        how = "Some of the values apply to no layer exactly; use at most one value per layer."
        return f"a gradient of {len(rule.value)} values over {depth} layers.", how
    return None


def _without_effect(filter: str) -> tuple[str, str]:
    how = "A filter is a part of a tensor's name; the plan lists all names."
    return f"the filter '{filter}' matches no tensor.", how


def _dtypes(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Models stored in different dtypes, if the recipe sets no dtype."""
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
    """Models that are listed twice, under the same name or under two."""
    for section in (s for s in recipe.sections if s.whole):
        models = [source.model for source in section.slices[0].sources]
        for i, ref in enumerate(models):
            if ref in models[:i]:
                where = (*section.source_place(0, i), "model")
                what, how = f"{plan.labels[ref]} is listed twice.", "List it once, with the sum of its weights."
                yield Problem("warning", where, what, how, recipe.line(where))
    seen: dict[frozenset[Path], str] = {}
    for ref, checkpoint in plan.checkpoints.items():
        files = _files(checkpoint)
        if files and files in seen:
            what = f"{plan.labels[ref]} and {seen[files]} are the same files."
            yield Problem("warning", _first_place(recipe, ref), what, "Merging a model with itself changes nothing.")
        seen.setdefault(files, plan.labels[ref])


def _files(checkpoint: Checkpoint) -> frozenset[Path]:
    """The weights files of a checkpoint, empty for a merge that is not computed yet."""
    if any(isinstance(t, TensorPlan) for t in checkpoint.tensors.values()):
        return frozenset()
    return frozenset(file.resolve() for file in {leaf.file for t in checkpoint.tensors.values() for leaf in t.leaves()})


def _first_place(recipe: Recipe, ref: ModelRef) -> Where:
    """The first place that lists a model among those that are merged as a whole."""
    named = (
        ((*s.where, "models", i), x) for s in recipe.sections if s.whole for i, x in enumerate(s.slices[0].sources)
    )
    return next((where for where, source in named if source.model == ref), ())


def _tokens(recipe: Recipe, plan: Plan) -> Iterator[Problem]:
    """Models of equal vocabulary size whose tokens have other ids than in the result's tokenizer."""
    if recipe.tokenizer_source or recipe.tokenizer or plan.tokenizer is not None or plan.bare:
        return  # rows are aligned by token, or the planner has reported how they are; bare weights have no tokens
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
            labels = f"{plan.labels[ref]} and {plan.labels[plan.donor]}"
            what = f"{labels} have different ids for {len(moved)} tokens ({moved[0]!r})"
            what, how = f"{what}; their embeddings would be mixed up.", "Merge models that share a tokenizer."
            yield Problem("warning", (), what, how, kind="tokens")
        elif missing := own.lacking(other):
            what = f"{plan.labels[ref]} has {len(missing)} tokens that the result's tokenizer does not have ({missing[0]!r})."
            how = "Set config_source to the model whose tokenizer you want."
            yield Problem("warning", ("config_source",), what, how, kind="tokens")
