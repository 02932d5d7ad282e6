"""mergekit-evolve's YAML as a search: a genome is what it varies, its tasks are the scores.

mergekit-evolve starts from equal weights and full densities, and varies them with CMA-ES for each group of ``layer_granularity``
layers and each filter; the score is the weighted sum of the tasks' metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError
from nbmerge.evaluation import TaskScore
from nbmerge.optimisation.goals import GoalLike
from nbmerge.optimisation.space import Range, Space
from nbmerge.recipe import Recipe
from nbmerge.recipe.readers.legacy.genome import SEARCHED
from nbmerge.recipe.readers.recipe_text import read_file

METRIC = "acc,none"
"""The metric of a task that names none."""


@dataclass(frozen=True)
class EvolveSearch:
    """A search as mergekit-evolve describes it; returned by `read_evolve`.

    Parameters
    ----------
    recipe : Recipe
        What it starts from.
    space : Space
    scores : dict of str to TaskScore
    goal : "pareto" or dict of str to float
        The weights of the tasks, unless there is one task of weight 1.
    """

    recipe: Recipe
    space: Space
    scores: dict[str, TaskScore]
    goal: GoalLike

    def arguments(self) -> dict[str, Any]:
        """Arguments for `nbmerge.search`, with CMA-ES as the sampler."""
        return {
            "recipe": self.recipe, "scores": self.scores, "space": self.space, "goal": self.goal, "sampler": "cmaes",
        }  # fmt: skip


def read_evolve(source: Any, include: str | PathLike[str] | Iterable[str | PathLike[str]] = ()) -> EvolveSearch | None:
    """Read a genome with its tasks; None for anything else.

    Weights are searched from 0 to 1, or from -1 with ``allow_negative_weights``.

    Parameters
    ----------
    source : path, text or mapping
    include : path or sequence of path
        Folders with tasks, as in `nbmerge.evaluate`.

    Raises
    ------
    RecipeError
        When the genome is not valid, or a model is missing.
    ArgumentError
        When it has something that cannot be searched here; the message says what to change.
    """
    data = _read(source)
    if not isinstance(data, Mapping) or "genome" not in data:
        return None
    recipe = Recipe.load(yaml.safe_dump(_plain(data), sort_keys=False))
    genome = data["genome"]
    folders = (include,) if isinstance(include, str | PathLike) else tuple(include)
    scores, weights = _read_tasks(data, tuple(str(folder) for folder in folders))
    plain = len(scores) == 1 and set(weights.values()) == {1.0}
    return EvolveSearch(recipe, _make_space(recipe, genome), scores, "pareto" if plain else weights)


def _read(source: Any) -> Any:
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str | PathLike):
        return None
    is_text = isinstance(source, str) and "\n" in source
    try:
        if not is_text and not Path(source).is_file():
            return None
        text = str(source) if is_text else read_file(Path(source))
        return yaml.safe_load(text) if "genome" in text else None
    except (OSError, ValueError, yaml.YAMLError):
        return None  # the readers of recipes report what is wrong


def _plain(data: Any) -> Any:
    """Data of a caller as YAML has it, with paths as texts."""
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return str(data) if isinstance(data, PathLike) else data


def _make_space(recipe: Recipe, genome: Mapping[str, Any]) -> Space:
    method = recipe.merge_method
    models = [str(source.model) for source in recipe.models or ()]
    filters = [*(genome.get("filters") or ()), None]
    if method == "slerp" and (len(models) != 2 or len(filters) > 1 or genome.get("smooth")):
        raise ArgumentError(
            "A genome for slerp can have two models here, without filters and smooth. Leave the others out, or use another method."
        )
    shape = _shape_of(recipe, genome)
    low = -1.0 if genome.get("allow_negative_weights") else 0.0
    if method == "slerp":
        return Space((Range("t", None, 0.0, 1.0, **shape),))
    return Space(
        tuple(
            Range(name, model, low if name == "weight" else 0.0, 1.0, filter=filter, **shape)
            for name in SEARCHED[method]
            for model in models
            for filter in filters
        )
    )


def _shape_of(recipe: Recipe, genome: Mapping[str, Any]) -> dict[str, Any]:
    """How the values of a range lie over the layers."""
    size = genome.get("layer_granularity") or 0
    if not isinstance(size, int) or size < 1:
        return {"knots": 1}
    depth = make_plan(recipe).depth
    if depth % size:
        raise ArgumentError(f"layer_granularity is {size}, which does not divide the {depth} layers of these models.")
    if genome.get("smooth"):
        return {"knots": depth // size}
    groups = range(0, depth, size)
    return {"layers": tuple(f"{first}-{first + size - 1}" if size > 1 else str(first) for first in groups)}


def _read_tasks(data: Mapping[str, Any], include: tuple[str, ...]) -> tuple[dict[str, TaskScore], dict[str, float]]:
    tasks = data.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise ArgumentError("The file has a genome and no tasks. Add tasks, or pass scores= to search without them.")
    scores: dict[str, TaskScore] = {}
    weights: dict[str, float] = {}
    for task in tasks:
        entry = {"name": task} if isinstance(task, str) else task
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise ArgumentError(f"A task is a name, or a mapping with a name, not {task!r:.80}.")
        name, metric, weight = entry["name"], str(entry.get("metric", METRIC)), entry.get("weight", 1.0)
        if not isinstance(weight, int | float):
            raise ArgumentError(f"The weight of the task {name} is a number, not {weight!r:.80}.")
        label = name if name not in scores else f"{name} {metric}"
        scores[label] = TaskScore(name, metric, include, data.get("limit"), data.get("num_fewshot"))
        weights[label] = float(weight)
    return scores, weights
