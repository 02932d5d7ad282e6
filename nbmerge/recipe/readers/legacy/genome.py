"""mergekit-evolve's YAML: a search over merges, of which the merge that it starts from is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmerge.problems import Problem, Where
from nbmerge.recipe.readers.recipe_text import RecipeText, check_keys, note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import line_of

KNOWN = (
    "models", "merge_method", "base_model", "tokenizer_source", "layer_granularity", "normalize",
    "allow_negative_weights", "filters", "smooth",
)  # fmt: skip
UNUSED = ("layer_granularity", "filters", "smooth", "allow_negative_weights")
SEARCHED = {
    "linear": ("weight",), "task_arithmetic": ("weight",), "ties": ("weight", "density"),
    "dare_ties": ("weight", "density"), "slerp": ("t",),
}  # fmt: skip
"""Parameters that the search varies, by method."""


def read(text: RecipeText) -> Recipe | None:
    """Read a mapping with ``genome``."""
    genome = text.mapping.get("genome")
    if genome is None:
        return None
    method, models = _check(genome, text)
    line = line_of(("genome",), text.lines)
    what = f"the search would vary {' and '.join(SEARCHED[method])}; the recipe has the values that it starts from."
    unused = [("genome", key) for key in UNUSED if key in genome] + [(key,) for key in text.mapping if key != "genome"]
    notes = [note(what, ("genome",), line), *(_unused(where, text) for where in unused)]
    recipe = Recipe.of(_data(genome, method, models))
    return recipe.with_origin("the recipe template of a mergekit-evolve genome", notes)


def _check(genome: Any, text: RecipeText) -> tuple[str, list[Any]]:
    """Method and models of a valid genome."""
    line = line_of(("genome",), text.lines)
    if not isinstance(genome, Mapping):
        raise reading_error("a genome is a mapping with 'models' and 'merge_method'.", where=("genome",), line=line)
    check_keys(genome, KNOWN, ("genome",), line)
    method, models = genome.get("merge_method"), genome.get("models")
    if not isinstance(method, str) or method not in SEARCHED:
        what = f"the merge_method of a genome is one of {', '.join(SEARCHED)}, not {method!r:.80}."
        where = ("genome", "merge_method")
        raise reading_error(what, where=where, line=line_of(where, text.lines))
    if not isinstance(models, list) or not models:
        raise reading_error("a genome needs a list of models.", where=("genome", "models"), line=line)
    return method, models


def _data(genome: Mapping[str, Any], method: str, models: list[Any]) -> dict[str, Any]:
    """The recipe's plain data."""
    data: dict[str, Any] = {
        "merge_method": method,
        "models": [{"model": m, "parameters": _start(method, len(models))} for m in models],
        "base_model": genome.get("base_model"),
        "tokenizer_source": genome.get("tokenizer_source"),
        "dtype": "bfloat16",
    }
    if method == "slerp":
        return data | {"base_model": data["base_model"] or models[0], "parameters": {"t": 0.5}}
    if genome.get("normalize") is not None or method == "dare_ties":
        return data | {"parameters": {"normalize": genome.get("normalize", True)}}
    return data


def _start(method: str, count: int) -> dict[str, Any]:
    if method == "slerp":
        return {}
    return {"weight": round(1 / count, 6), **({"density": 1} if "density" in SEARCHED[method] else {})}


def _unused(where: Where, text: RecipeText) -> Problem:
    return note(
        f"'{where[-1]}' is ignored: it controls the search, not a single merge.", where, line_of(where, text.lines)
    )
