"""Comparisons that take more than one merge: blind tests of two steps or of a step and a parent, and grids of samples."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from nbmerge.engine.planning import Plan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import MergeStopped, NbmergeError
from nbmerge.sampling import BlindTest, Comparison, GridAxis, Sample, sample
from nbmerge.widgets.state.history import Step
from nbmerge.widgets.state.model_pool import PooledModel
from nbmerge.widgets.state.studio_state import StudioState

NOW, STEP, PARENT = "now", "step", "parent"


@dataclass(frozen=True)
class Candidate:
    """A model that can be compared.

    Parameters
    ----------
    key : str
        "now", "step 3" or "parent math".
    title : str
    """

    key: str
    title: str


def list_candidates(state: StudioState) -> list[Candidate]:
    """The present merge, steps that are named, pinned or scored, and the parents."""
    if state.plan is None:
        return []
    current = state.history.current_id
    marked = [s for s in state.history if s.importance and s.id != current]
    steps = [Candidate(f"{STEP} {s.id}", name_step(s)) for s in reversed(marked)]
    parents = [Candidate(f"{PARENT} {label}", label) for label in state.plan.parents]
    return [Candidate(NOW, "the merge now"), *steps, *parents]


def name_step(step: Step) -> str:
    """A step by its name, its pins, or what was changed."""
    pins = " ".join(f"pinned {pin}" for pin in step.pins)
    return step.name or pins or (step.summary.words if step.summary else "") or f"step {step.id}"


def sample_blindly(
    state: StudioState, first: Candidate, second: Candidate, prompts: list[str], tokens: int, seed: int,
    cancel: threading.Event,
) -> BlindTest:  # fmt: skip
    """Sample two models one after the other, and shuffle their texts.

    Raises
    ------
    NbmergeError
        When the two are the same, there is no prompt, or a model was changed while it was sampled.
    MergeStopped
        When `cancel` was set before both were done.
    """
    if first.key == second.key:
        raise NbmergeError("Choose two different models to compare.")
    if not prompts:
        raise NbmergeError("Type at least one prompt in Samples.")
    titles = [c.title for c in (first, second)]
    names = titles if len(set(titles)) == 2 else [f"{title} ({i})" for i, title in enumerate(titles, 1)]
    samples: dict[str, tuple[Sample, ...]] = {}
    for candidate, name in zip((first, second), names, strict=True):
        plan, pooled = _load(state, candidate, cancel)
        made = sample(pooled.model, prompts, max_new_tokens=tokens, seed=seed, cancel=cancel)
        if cancel.is_set():
            raise MergeStopped("Stopped.")
        if plan is not None and getattr(pooled.model, "recipe", plan.recipe) != plan.recipe:
            raise NbmergeError("The merge was changed while it was sampled. Start the blind test again.")
        samples[name] = tuple(made)
    return BlindTest(Comparison(tuple(prompts), samples), seed)


def _load(state: StudioState, candidate: Candidate, cancel: threading.Event) -> tuple[Plan | None, PooledModel]:
    """A candidate's model, with its plan where it is a merge."""
    kind, _, name = candidate.key.partition(" ")
    present = state.plan
    if present is None:
        raise NbmergeError("Fix the errors in the recipe first.")
    if kind == PARENT:
        return None, state.pool.load_parent(present, name, cancel)
    plan = present if kind == NOW else make_plan(state.history[int(name)].recipe)
    return plan, state.pool.load_merge(plan, cancel=cancel)


def list_axes(plan: Plan) -> list[Candidate]:
    """Parameters with numbers, of the merge and of each model."""
    found = []
    base = plan.recipe.base_model if plan.method.base == "required" else None
    models = [label for ref, label in plan.labels.items() if ref != base and label in plan.parents]
    for parameter in plan.method.parameters:
        if parameter.kind != "number":
            continue
        if parameter.scope == "input":
            found += [Candidate(f"{parameter.name}\t{m}", f"{parameter.name} of {m}") for m in models]
        else:
            found.append(Candidate(f"{parameter.name}\t", parameter.name))
    return found


def read_axis(plan: Plan, key: str, values: str) -> GridAxis:
    """An axis from what was typed, such as "0, 0.5, 1".

    Raises
    ------
    NbmergeError
        When these are not numbers, or there is no such parameter.
    """
    if key not in {c.key for c in list_axes(plan)}:
        raise NbmergeError("Choose a parameter of the method.")
    name, _, label = key.partition("\t")
    try:
        numbers: list[Any] = [float(v) for v in values.replace(",", " ").split()]
    except ValueError as error:
        raise NbmergeError(f"'{values}' is not a list of numbers. Write 0, 0.5, 1.") from error
    model = next((str(ref) for ref, known in plan.labels.items() if known == label), None) if label else None
    return GridAxis(name, numbers, model)
