"""Make a plan from a recipe, reading headers only, and collect all of its problems at once.

Each step adds to a `Resolved`: methods, then models, then the slices of each, then the vocabulary; tensors come last.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.engine.planning.bare import settle_bare
from nbmerge.engine.planning.filling import examine_filled
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.mixtures import examine_mixture
from nbmerge.engine.planning.pin_commits import pin_commits
from nbmerge.engine.planning.plans import Plan
from nbmerge.engine.planning.precedence import check_names, check_values, check_without_method
from nbmerge.engine.planning.resolve import check_architectures, find_methods, open_models
from nbmerge.engine.planning.resolved import Resolved
from nbmerge.engine.planning.result import plan_result
from nbmerge.engine.planning.slices import plan_stretches
from nbmerge.engine.planning.tokens.tokenizer import align_vocabularies
from nbmerge.errors import RecipeError
from nbmerge.methods import Method
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe
from nbmerge.tokenizers import OutputTokenizer

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike


def plan(recipe: RecipeLike) -> Plan:
    """Resolve a recipe against its checkpoints, reading headers only.

    Parameters
    ----------
    recipe : Recipe, or anything that `Recipe.load` reads
        A `Plan` is returned as it is.

    Raises
    ------
    RecipeError
        With every error and warning that was found.
    """
    if isinstance(recipe, Plan):
        return recipe
    made, problems = examine(Recipe.load(recipe))
    if made is None:
        raise RecipeError(problems)
    return made


def read_recipe(source: RecipeLike) -> Recipe:
    """The recipe of a plan, or what `Recipe.load` reads from anything else."""
    return source.recipe if isinstance(source, Plan) else Recipe.load(source)


def examine(recipe: Recipe) -> tuple[Plan | None, list[Problem]]:
    """The plan, or None if there are errors, and all problems, the worst first."""
    recipe = pin_commits(recipe)
    if recipe.fill_from is not None:
        return examine_filled(recipe, recipe.fill_from, examine)
    if recipe.experts is not None:
        return examine_mixture(recipe, examine)
    findings = Findings(recipe)
    methods = find_methods(recipe, findings)
    resolved = _resolve(recipe, findings, methods)
    made = plan_result(resolved) if resolved is not None else None
    # Wrong parameters do not prevent the steps above, so that all problems are reported together.
    for problem in check_names(recipe, methods) if methods else ():
        findings.add(problem)
    for problem in () if resolved is not None else check_values(recipe, methods):
        findings.add(problem)
    for problem in () if methods else check_without_method(recipe):
        findings.add(problem)
    problems = findings.problems()
    if made is not None and not findings.fatal:
        return replace(made, problems=tuple(worst_first(problems))), worst_first([*recipe.notes, *problems])
    return None, worst_first([*recipe.notes, *problems])


def list_problems(error: RecipeError) -> list[Problem]:
    """Why a recipe cannot be read, with the errors in its rest that do not follow from that."""
    if error.rest is None:
        return worst_first(error.problems)
    missed = {p.where[-1] for p in error.problems if p.where}
    others = [p for p in examine(error.rest)[1] if p.severity == "error" and not missed & set(p.where)]
    return worst_first([*error.problems, *others])


def _resolve(recipe: Recipe, findings: Findings, methods: tuple[Method, ...]) -> Resolved | None:
    """Open the models and align their layers and vocabularies; None if there are errors."""
    checkpoints, tokenizers = open_models(recipe, findings, examine)
    if findings.fatal:
        return None
    checkpoints = settle_bare(recipe, checkpoints, findings)
    if findings.fatal:
        return None
    resolved = Resolved(recipe, findings, methods, checkpoints, tokenizers)
    check_architectures(resolved)
    resolved = replace(resolved, stretches=plan_stretches(resolved))
    if findings.fatal:
        return None
    resolved = _with_vocabulary(resolved)
    return None if findings.fatal else resolved


def _with_vocabulary(resolved: Resolved) -> Resolved:
    """Add how embeddings and heads are aligned, and the result's tokenizer if it is not the donor's."""
    if resolved.donor_checkpoint.bare:
        return resolved
    recipe = resolved.recipe
    embedding, head = recipe.embedding_source, recipe.lm_head_source
    involved = [
        *([embedding] if embedding else (i.ref for i in resolved.inputs_of("embedding"))),
        *([head] if head else (i.ref for i in resolved.inputs_of("head"))),
    ]
    made = align_vocabularies(
        recipe, resolved.checkpoints, resolved.labels, resolved.donor, involved, resolved.tokenizers, resolved.findings
    )
    if made is None or isinstance(made, OutputTokenizer):
        return replace(resolved, tokenizer=made)
    return replace(resolved, vocabulary=made, tokenizer=made.written)
