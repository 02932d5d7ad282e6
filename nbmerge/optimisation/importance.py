"""Which values of a search mattered: how well each explains whether a trial is among the good ones.

PED-ANOVA (Watanabe, Bansal and Hutter, 2023), as Optuna computes it; with several goals, for each of them, and the largest.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from nbmerge.optimisation.goals import Goal
from nbmerge.optimisation.packages import make_distributions, require_optuna
from nbmerge.optimisation.space import Space
from nbmerge.optimisation.trials import Trial

LEAST = 10
"""Complete trials that an estimate needs at least."""


def measure_importance(trials: Sequence[Trial], space: Space, goal: Goal) -> dict[str, float]:
    """Shares of the values in what mattered, the largest first; zeros where too few trials are complete."""
    complete = [t for t in trials if t.state == "complete"]
    found = dict.fromkeys(space.names, 0.0)
    if len(complete) >= LEAST:
        for number in range(len(goal.directions)):
            for name, share in _measure(complete, space, goal, number).items():
                found[name] = max(found[name], share)
    total = sum(found.values()) or 1.0
    return {name: share / total for name, share in sorted(found.items(), key=lambda item: -item[1])}


def _measure(complete: Sequence[Trial], space: Space, goal: Goal, number: int) -> dict[str, float]:
    optuna = require_optuna()
    study = optuna.create_study(direction="maximize")
    distributions = make_distributions(space)
    study.add_trials([
        optuna.trial.create_trial(
            params=t.values, distributions=distributions, value=goal.turned(t.objective)[number]
        )
        for t in complete
    ])  # fmt: skip
    if len({t.objective[number] for t in complete}) == 1:
        return {}  # nothing made a difference
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return {n: float(v) for n, v in evaluator.evaluate(study, params=list(space.names)).items()}
