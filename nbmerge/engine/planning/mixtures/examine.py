"""Make the plan of a mixture, reading headers only, and collect all of its problems at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nbmerge.checkpoints.implementations import drop_foreign_implementations
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.mixtures.architectures import Architecture
from nbmerge.engine.planning.mixtures.checks import check_fields, check_models, check_prompts, choose_architecture
from nbmerge.engine.planning.mixtures.gates import find_gates
from nbmerge.engine.planning.mixtures.tensors import plan_tensors
from nbmerge.engine.planning.output_config import fit_config
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.engine.planning.resolve import Examine, open_models
from nbmerge.engine.planning.resolved import Resolved
from nbmerge.methods import Combination, Values
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe


def _coefficients(values: Values, gram: None = None) -> list[float]:
    return [values.each["scale"][0]]


METHOD = Combination(
    name="moe",
    title="Mixture of experts",
    words="The MLPs of several models stand side by side in each layer, and a router sends each token to some of them. All else is "
    "from the base model.",
    formula=r"y = \sum_{i \in \mathrm{top}\,k} \mathrm{softmax}(G x)_i \, \mathrm{MLP}_i(x)",
    reference='Jiang et al. 2024, "Mixtral of Experts"; routers from prompts: mergekit-moe',
    parameters=(),
    inputs=(1, None),
    coefficients=_coefficients,
)
"""How mixtures are described to users. It is not one of the methods of merges: tensors of a mixture are copies."""


@dataclass(frozen=True)
class _Opened:
    """A mixture whose models fit."""

    resolved: Resolved
    architecture: Architecture


def examine_mixture(recipe: Recipe, examine: Examine) -> tuple[Plan | None, list[Problem]]:
    """The plan of a recipe with experts, or None if there are errors, and all problems, the worst first.

    Parameters
    ----------
    recipe : Recipe
    examine : callable
        Plans a merge that the mixture takes as a model.
    """
    findings = Findings(recipe)
    check_fields(recipe, findings)
    opened = _open(recipe, findings, examine)
    plan = _plan(opened) if opened is not None else None
    problems = worst_first([*recipe.notes, *findings.problems()])
    if plan is None or findings.fatal:
        return None, problems
    return replace(plan, problems=tuple(worst_first(findings.problems()))), problems


def _open(recipe: Recipe, findings: Findings, examine: Examine) -> _Opened | None:
    checkpoints, tokenizers = open_models(recipe, findings, examine)
    if recipe.base_model is None or any(ref not in checkpoints for ref in recipe.references):
        return None
    resolved = Resolved(recipe, findings, (METHOD,), checkpoints, tokenizers)
    architecture = choose_architecture(resolved)
    if architecture is None:
        return None
    check_models(resolved, architecture)
    check_prompts(resolved, architecture)
    return None if findings.fatal else _Opened(resolved, architecture)


def _plan(opened: _Opened) -> Plan:
    resolved, architecture = opened.resolved, opened.architecture
    recipe = resolved.recipe
    tensors = tuple(plan_tensors(resolved, architecture, find_gates(resolved, architecture)))
    return Plan(
        recipe,
        METHOD,
        dict(resolved.checkpoints),
        resolved.labels,
        tensors,
        resolved.donor,
        _config(resolved, architecture, tensors),
        (),
        tokenizer=resolved.tokenizers.get(resolved.donor),
    )


def _config(resolved: Resolved, architecture: Architecture, tensors: tuple[TensorPlan, ...]) -> dict[str, Any]:
    recipe, base = resolved.recipe, resolved.donor_checkpoint
    head = any(tensor.kind == "head" for tensor in tensors)
    fitted, _ = fit_config(base, {}, tensors[0].dtype, base.vocabulary, head)
    config, foreign = drop_foreign_implementations(fitted)
    for entry in foreign:  # loading the mixture would run code from the Hub
        what = (
            f"the config of {resolved.labels[resolved.donor]} asks for code that is not part of transformers ({entry})."
        )
        resolved.findings.warning(("base_model",), what, "The config of the mixture is written without this entry.")
    return architecture.config(config, len(recipe.experts or ()), recipe.experts_per_token)
