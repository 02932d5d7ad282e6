"""The problems of a recipe, grouped by what causes them.

A model that does not fit the others causes an error for every kind of its tensors. Here these are one group, which
names the model; its remedies were tried, so that each of them leads to a recipe without errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.remedies.candidates import Case, list_candidates
from nbmerge.engine.remedies.compatibility import find_misfits
from nbmerge.engine.remedies.remedy import Remedy, Trial
from nbmerge.errors import CheckpointError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, Severity
from nbmerge.recipe import Recipe

STRUCTURAL = ("architecture", "depth", "shape", "tensors", "vocabulary")
"""Kinds of problems that a model causes which does not fit the others."""
TOGETHER = ("effect",)
"""Kinds of problems that are one group however many there are."""
STARTS = ("the ", "different ", "unknown ", "without ", "there are ", "some ")
"""Beginnings of problems that get a capital letter."""
MOST = 3
"""Most remedies of one group."""


@dataclass(frozen=True)
class ProblemGroup:
    """Problems with one cause, and what solves them.

    Parameters
    ----------
    severity : "error" or "warning"
    title : str
        What is wrong, in one sentence that names the cause.
    advice : str
        What to do about it, where no remedy is offered.
    problems : tuple of Problem
    models : tuple of ModelRef
        The models that cause it.
    remedies : tuple of Remedy
        Changes after which the recipe has no error.
    """

    severity: Severity
    title: str
    advice: str
    problems: tuple[Problem, ...]
    models: tuple[ModelRef, ...] = ()
    remedies: tuple[Remedy, ...] = ()


def group_problems(recipe: Recipe, problems: Iterable[Problem], seconds: float = 0.5) -> list[ProblemGroup]:
    """Group the errors and warnings of a recipe by their cause.

    Parameters
    ----------
    recipe : Recipe
    problems : iterable of Problem
        As `nbmerge.engine.planning.examine` returned them; infos are left out.
    seconds : float
        For trying remedies; what was not tried by then is not offered.
    """
    serious = [p for p in problems if p.severity != "info"]
    trial = Trial(recipe, serious, seconds)
    groups = []
    for case, title in _list_cases(recipe, serious):
        first = case.problems[0]
        remedies = tuple(trial.select(list_candidates(case), first, MOST))
        groups.append(ProblemGroup(first.severity, title, first.how, case.problems, case.culprits, remedies))
    return groups


def _list_cases(recipe: Recipe, problems: Sequence[Problem]) -> Iterator[tuple[Case, str]]:
    """Each cause with its problems, and the title of its group."""
    misfits = _find_misfits(recipe, problems)
    structural = tuple(p for p in problems if p.severity == "error" and p.kind in STRUCTURAL)
    structural = tuple(
        sorted(structural, key=lambda p: not p.where)
    )  # its place leads to the models, as does its advice
    if misfits and structural:
        yield Case(recipe, structural, tuple(misfits)), _describe_misfits(misfits)
    for kind in TOGETHER:
        if alike := tuple(p for p in problems if p.kind == kind):
            more = f" (and {len(alike) - 1} more)" if len(alike) > 1 else ""
            yield Case(recipe, alike), f"{_start(alike[0].what).rstrip('.')}{more}."
    for problem in problems:
        if problem.kind not in TOGETHER and not (misfits and problem in structural):
            yield Case(recipe, (problem,), _find_models(recipe, problem)), _start(problem.what)


def _find_misfits(recipe: Recipe, problems: Sequence[Problem]) -> dict[ModelRef, str]:
    """The models that cause structural errors, with the reason."""
    kinds = {p.kind for p in problems if p.severity == "error"} & set(STRUCTURAL)
    if not kinds or recipe.modules is not None or recipe.slices is not None:
        return {}
    return find_misfits(_open_models(recipe), vocabulary=kinds == {"vocabulary"})


def _open_models(recipe: Recipe) -> Mapping[ModelRef, Checkpoint]:
    """The recipe's models that can be opened, the base first; nothing is looked up on the Hub."""
    base = recipe.base_model
    opened = {}
    for ref in dict.fromkeys([*([base] if base is not None else []), *recipe.references]):
        if recipe.merge_named(ref) is None:
            try:
                opened[ref] = Checkpoint.open(ref, ask=False)
            except CheckpointError:
                continue
    return opened


def _describe_misfits(misfits: Mapping[ModelRef, str]) -> str:
    """One sentence that names each model with its reason."""
    (ref, reason), *others = misfits.items()
    if not others:
        return f"{ref.name} does not fit the other models: {reason}."
    each = "; ".join(f"{r.name} {why.partition(';')[0].removeprefix('it ')}" for r, why in misfits.items())
    return f"{len(misfits)} models do not fit the others: {each}."


def _find_models(recipe: Recipe, problem: Problem) -> tuple[ModelRef, ...]:
    """The models that cause a problem: those with another vocabulary, or the one that its place belongs to."""
    if problem.kind in ("config", "tokens", "vocabulary"):
        sizes = {ref: checkpoint.vocabulary for ref, checkpoint in _open_models(recipe).items()}
        usual = next(iter(sizes.values()), None)
        return tuple(ref for ref, size in sizes.items() if size != usual)
    ref = _find_place(recipe, problem) if problem.kind == "model" else None
    return () if ref is None else (ref,)


def _find_place(recipe: Recipe, problem: Problem) -> ModelRef | None:
    if problem.where[:1] == ("models",) and len(problem.where) > 1 and recipe.models is not None:
        return recipe.models[int(problem.where[1])].model
    field = getattr(recipe, str(problem.where[0]), None) if problem.where else None
    return field if isinstance(field, ModelRef) else None


def _start(sentence: str) -> str:
    """A sentence with a capital letter, unless it starts with a name in quotes or of a model."""
    return sentence[:1].upper() + sentence[1:] if sentence.startswith(STARTS) else sentence
