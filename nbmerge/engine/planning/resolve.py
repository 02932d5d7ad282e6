"""Find the methods and open the models that a recipe names, including merges that feed it."""

from __future__ import annotations

from collections.abc import Callable

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.hub import snapshot_of
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.plans import Plan
from nbmerge.engine.planning.precedence import CHOICE
from nbmerge.engine.planning.resolved import Resolved, base_of, find_place
from nbmerge.errors import CheckpointError
from nbmerge.methods import Method, methods
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe import Recipe
from nbmerge.recipe.sections import levels
from nbmerge.tokenizers import OutputTokenizer

ELSEWHERE = {
    "moe": "A mixture of experts has 'experts' instead of models, each with a source_model, behind a router. To merge the "
    "models into one dense model, choose a method such as ties."
}
"""Names of methods that are not merges of tensors, with what they are and an alternative."""

Examine = Callable[[Recipe], tuple[Plan | None, list[Problem]]]
"""Plans a merge that another one takes as a model."""


def find_methods(recipe: Recipe, findings: Findings) -> tuple[Method, ...]:
    """The recipe's methods: its own first, then those that it chooses for some tensors; none if any is unknown."""
    named: dict[str, Where] = {recipe.merge_method: ("merge_method",)}
    for where, settings, _, _ in levels(recipe):
        if CHOICE.name in settings:
            for value in settings[CHOICE.name].values():
                named.setdefault(str(value), (*where, CHOICE.name))
    found = [_find_method(recipe, findings, name, where) for name, where in named.items()]
    return tuple(m for m in found if m is not None) if all(found) else ()


def _find_method(recipe: Recipe, findings: Findings, name: str, where: Where) -> Method | None:
    known = methods()
    method = known.get(name)
    if method is None:
        how = ELSEWHERE.get(name) or nearest(name, known)
        findings.error(where, f"unknown merge method '{name}'.", how, "method")
    elif method.base == "required" and any(base_of(recipe, p) is None for p in recipe.pieces):
        what = f"{method.name} works on differences from a base model, but the recipe has no base_model."
        how = "Set base_model to the model that the others were fine-tuned from."
        findings.error(("base_model",), what, how, "base")
    return method


def open_models(
    recipe: Recipe, findings: Findings, examine: Examine
) -> tuple[dict[ModelRef, Checkpoint], dict[ModelRef, OutputTokenizer]]:
    """Every model of a recipe that can be opened, and the tokenizers of those that are merges themselves."""
    opened: dict[ModelRef, Checkpoint] = {}
    tokenizers: dict[ModelRef, OutputTokenizer] = {}
    for ref in recipe.references:
        merge = recipe.merge_named(ref)
        if merge is None:
            if (checkpoint := _open_checkpoint(recipe, findings, ref)) is not None:
                opened[ref] = checkpoint
        elif (plan := _plan_inner(merge, ref.path, findings, examine)) is not None:
            opened[ref] = plan.as_checkpoint(ref.path)
            if plan.tokenizer is not None:
                tokenizers[ref] = plan.tokenizer
    return opened, tokenizers


def _open_checkpoint(recipe: Recipe, findings: Findings, ref: ModelRef) -> Checkpoint | None:
    where = find_place(recipe, ref)
    try:
        checkpoint = Checkpoint.open(ref)
    except CheckpointError as error:
        findings.error(where, str(error), kind="model")
        return None
    for note in checkpoint.notes:
        findings.warning(where, note)
    folder = checkpoint.path.parent if checkpoint.bare else checkpoint.path
    if (snapshot := snapshot_of(folder)) and snapshot.note:
        findings.warning(where, snapshot.note)
    return checkpoint


def _plan_inner(merge: Recipe, name: str, findings: Findings, examine: Examine) -> Plan | None:
    plan, problems = examine(merge)
    for p in problems:
        findings.add(Problem(p.severity, ("merges", name, *p.where), p.what, p.how, p.line, p.kind))
    return plan


def check_architectures(resolved: Resolved) -> None:
    """Note models of different architectures: an error where their layers have different names."""
    by_type: dict[str, str] = {}
    refs = resolved.recipe.references
    for ref in refs:
        by_type.setdefault(resolved.checkpoints[ref].architecture, resolved.labels[ref])
    if len(by_type) < 2:
        return
    text = ", ".join(f"{label} is {kind}" for kind, label in by_type.items())
    if len({resolved.checkpoints[r].layout.stack for r in refs}) > 1:
        how = "Only models of one architecture can be merged."
        resolved.findings.error(("models",), f"different architectures: {text}.", how, "architecture")
    else:
        resolved.findings.warning(("models",), f"different architectures: {text}. Their tensors have the same names.")
