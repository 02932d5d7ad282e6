"""The function `search`: trials one after the other, each an update of a live merge, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from nbmerge.analysis.measure import ScoreLike, read_scores
from nbmerge.arguments import parse_count_argument
from nbmerge.checkpoints import hub
from nbmerge.engine.planning import plan as make_plan
from nbmerge.engine.planning import read_recipe
from nbmerge.engine.planning.bare import require_model
from nbmerge.errors import ArgumentError, MergeStopped
from nbmerge.evaluation import TaskScore
from nbmerge.optimisation.evolve import read_evolve
from nbmerge.optimisation.goals import Goal, GoalLike
from nbmerge.optimisation.identity import identify
from nbmerge.optimisation.objective import Objective
from nbmerge.optimisation.results import SearchResult
from nbmerge.optimisation.runs import Budget, Run
from nbmerge.optimisation.samplers import Sampler, SamplerName
from nbmerge.optimisation.space import Choice, Range, Space, as_space
from nbmerge.optimisation.store import Store, read_storage
from nbmerge.optimisation.workers import Workers, find_submit
from nbmerge.progress_bars import show_progress

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


@hub.stopping
def search(
    recipe: RecipeLike,
    scores: Mapping[str, ScoreLike] | ScoreLike = (),
    held_out: Mapping[str, ScoreLike] | None = None,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    storage: str | PathLike[str] | None = None,
    seed: int = 0,
    space: Iterable[Range | Choice] | Space | None = None,
    knots: int = 3,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    goal: GoalLike | None = None,
    sampler: SamplerName | None = None,
    levels: int = 3,
    prune: bool = False,
    parallel: int = 1,
    executor: Any = None,
    callback: Callable[[SearchResult], object] | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
) -> SearchResult:
    """Search for good values of a recipe, starting from its own.

    Searched are a few knots of each gradient, not a number for each layer. Every trial is an update of one live merge. A search
    that was stopped or killed is continued by the same call with the same `storage`, and ends like one that was not: the values of a
    trial follow from the seed, its number and the results before it.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
        The first trial has its values. The YAML of mergekit-evolve brings space, scores and goal along; see
        `nbmerge.optimisation.read_evolve`.
    scores : mapping of str to score, or one score
        What to improve; as in `nbmerge.sweep`.
    held_out : mapping of str to score, optional
        For some of these names, a score of other texts. They are shown and never searched for: where they stop improving while
        `scores` go on, the values fit those texts only.
    trials : int, optional
        Number of trials of the whole search, including those that `storage` has; default 100 if there is no limit of time.
    seconds : float, optional
        No new trial begins after this time.
    storage : path, optional
        An SQLite file, which becomes an Optuna study; default in memory. It belongs to one search: recipe, space, scores, sampler
        and seed.
    seed : int
    space : list of Range and Choice, optional
        What to vary. Default: all numbers that the recipe sets, as gradients with `knots` knots.
    knots : int
        Knots of each gradient of the default space.
    ranges : mapping of str to (float, float), optional
        Bounds of parameters in the default space; default those of sliders.
    goal : "pareto", "weakest", "mean" or mapping of str to float, optional
        With several scores: all of them at once (default), the worst, their mean, or a sum with these weights.
    sampler : "tpe", "cmaes", "random" or "grid", optional
        Default "tpe". "cmaes" suits ten and more numbers with a budget of hundreds of trials. "grid" tries `levels` values of each range.
    levels : int
    prune : bool
        Stop trials early that are worse than the median of earlier ones; scores are then compared one after the other, and perplexities by
        parts of their texts. Not with several goals.
    parallel : int
        Trials that are drawn from the same results, so that processes can work on them at the same time. The result depends on this
        number, not on how many processes there are.
    executor : dask.distributed.Client or concurrent.futures.Executor, optional
        Score trials on its workers, up to `parallel` at a time. They must see the models under the same paths.
    callback : callable, optional
        Called with the result so far after each trial.
    progress, cancel, threads
        As in `nbmerge.merge`. After a stop the result has the trials so far.

    Raises
    ------
    ArgumentError
        When Optuna is not installed, an argument is out of range, or `storage` belongs to another search.
    OutputError
        When the database is damaged, locked or not writable.
    RecipeError
        When the recipe cannot be merged.
    TooLargeError
        When the merge does not fit into memory.
    MergeStopped
        When it was stopped before any trial ended.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> story = ["the fox went to the river.", "the owl slept in the barn."]
    >>> found = nbm.search(nbm.demo.flat(0.4), {"story": story[0]}, {"story": story[1]}, trials=3, knots=2)
    >>> found.best, found.table["state"].tolist()
    (<Recipe task_arithmetic: reverser + shouter (...)>, ['complete', 'complete', 'complete'])
    """
    if (genome := None if scores else read_evolve(recipe)) is not None:
        recipe, space, scores = genome.recipe, space or genome.space, genome.scores
        goal, sampler = goal or genome.goal, sampler or "cmaes"
    start = read_recipe(recipe)
    require_model(make_plan(start), "A search")
    named, others = read_scores(scores), read_scores(held_out) if held_out else {}
    if unknown := [name for name in others if name not in named]:
        have = f"held_out has {unknown[0]!r}, which is not one of the scores: {', '.join(named)}."
        raise ArgumentError(f"{have} Give held-out texts the name of the score that they belong to.")
    aim = Goal.of(
        "pareto" if goal is None else goal,
        {name: bool(getattr(score, "lower", False)) for name, score in named.items()},
    )
    varied = as_space(start, space, knots, ranges)
    at_once = parse_count_argument("parallel", parallel, 1)
    draws = Sampler(
        sampler or "tpe", varied, aim, varied.read(start), seed, at_once, parse_count_argument("levels", levels, 3)
    )
    if prune and not aim.is_single:
        raise ArgumentError(
            "Trials can be stopped early only if they are compared by one number: pass goal='weakest' or 'mean'."
        )
    budget = Budget.of(trials, seconds, draws.most)
    find_submit(executor)
    for score in (*named.values(), *others.values()):
        if isinstance(score, TaskScore):
            score.check()
    identity = identify(start, varied, named, others, draws, prune)
    store = Store(None if storage is None else read_storage(storage), identity, varied, aim.directions)
    run = Run(start, draws, store, budget, prune)
    apart = {name: bool(getattr(score, "lower", False)) for name, score in others.items()}

    def describe(stopped: bool = False) -> SearchResult:
        ended = tuple(trial for trial in store.trials() if trial.is_finished)
        return SearchResult(start, varied, aim, ended, apart, stopped, budget.used)

    try:
        with (
            Objective(named, others, aim, threads) as objective,
            show_progress(progress, "Searching") as listener,
            Workers(objective, executor, at_once, cancel) as workers,
        ):
            after = None if callback is None else lambda: callback(describe())
            result = describe(run.until_done(workers, listener, cancel, after))
    finally:
        store.close()
    if result.is_stopped and not result.trials:
        raise MergeStopped("The search was stopped before its first trial ended. Run it again for a result.")
    return result
