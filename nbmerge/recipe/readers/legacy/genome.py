"""mergekit-evolve's YAML: a search over merges. What is read is the merge it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmerge.recipe.readers.recipe_text import RecipeText, check_keys, note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import line_of

KNOWN = (
    "models", "merge_method", "base_model", "tokenizer_source", "layer_granularity", "normalize",
    "allow_negative_weights", "filters", "smooth",
)  # fmt: skip
SEARCHED = {
    "linear": ("weight",), "task_arithmetic": ("weight",), "ties": ("weight", "density"),
    "dare_ties": ("weight", "density"), "slerp": ("t",),
}  # fmt: skip
"""What the search changes, by method."""


def read(text: RecipeText) -> Recipe | None:
    """Read a mapping with ``genome``."""
    genome = text.mapping.get("genome")
    if genome is None:
        return None
    line = line_of(("genome",), text.lines)
    if not isinstance(genome, Mapping):
        raise reading_error("a genome is a mapping with 'models' and 'merge_method'.", where=("genome",), line=line)
    check_keys(genome, KNOWN, ("genome",), line)
    method, models = genome.get("merge_method"), genome.get("models")
    if method not in SEARCHED:
        what = f"a genome's merge_method is one of {', '.join(SEARCHED)}, not {method!r:.80}."
        raise reading_error(
            what, where=("genome", "merge_method"), line=line_of(("genome", "merge_method"), text.lines)
        )
    if not isinstance(models, list) or not models:
        raise reading_error("a genome lists its models.", where=("genome", "models"), line=line)
    recipe = {
        "merge_method": method,
        "models": [{"model": m, "parameters": _start(method, len(models))} for m in models],
        "base_model": genome.get("base_model"),
        "tokenizer_source": genome.get("tokenizer_source"),
        "dtype": "bfloat16",
    }
    if method == "slerp":
        recipe |= {"base_model": recipe["base_model"] or models[0], "parameters": {"t": 0.5}}
    elif genome.get("normalize") is not None or method == "dare_ties":
        recipe["parameters"] = {"normalize": genome.get("normalize", True)}
    notes = [
        note(
            f"the search would vary {' and '.join(SEARCHED[method])}; here they are where it begins.", ("genome",), line
        )
    ]
    notes += [
        _unused(("genome", k), text)
        for k in ("layer_granularity", "filters", "smooth", "allow_negative_weights")
        if k in genome
    ]
    notes += [_unused((k,), text) for k in text.mapping if k != "genome"]
    return Recipe.of(recipe).with_origin("the recipe template of a mergekit-evolve genome", notes)


def _start(method: str, count: int) -> dict[str, Any]:
    if method == "slerp":
        return {}
    return {"weight": round(1 / count, 6), **({"density": 1} if "density" in SEARCHED[method] else {})}


def _unused(where: tuple[str, ...], text: RecipeText):
    return note(f"'{where[-1]}' steers the search and has no meaning for one merge.", where, line_of(where, text.lines))
