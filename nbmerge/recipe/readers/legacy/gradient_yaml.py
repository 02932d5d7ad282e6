"""BlockMerge_Gradient's YAML: operations on two models, applied one after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbmerge.problems import Where
from nbmerge.recipe.readers.recipe_text import RecipeText, check_keys, note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import line_of

if TYPE_CHECKING:
    from nbmerge.recipe.readers.legacy.tensor_gradient import Operation

KEYS = ("model_path1", "model_path2", "output_model_path", "operations", "max_shard_size")
OPERATION_KEYS = ("operation", "filter", "gradient_values", "layer_only", "no_layers")


def read(text: RecipeText) -> Recipe | None:
    """Read a mapping with ``operations``."""
    data = text.mapping
    if "operations" not in data or "merge_method" in data:
        return None
    from nbmerge.recipe.readers.legacy.tensor_gradient import make_recipe

    check_keys(data, KEYS)
    for key in ("model_path1", "model_path2"):
        if not isinstance(data.get(key), str):
            raise reading_error(
                "this key is required: a folder or a Hub id.", where=(key,), line=line_of((key,), text.lines)
            )
    operations = data["operations"]
    if not isinstance(operations, list) or not operations:
        raise reading_error(
            "expected at least one operation.", where=("operations",), line=line_of(("operations",), text.lines)
        )
    recipe = make_recipe(
        data["model_path1"],
        data["model_path2"],
        [_operation(o, ("operations", i), text) for i, o in enumerate(operations)],
    )
    notes = [
        note(f"'{k}' is ignored: it is not part of a recipe.", (k,), text.lines[(k,)])
        for k in ("output_model_path", "max_shard_size")
        if k in data
    ]
    return recipe.with_origin("a BlockMerge_Gradient config", notes)


def _operation(data: Any, where: Where, text: RecipeText) -> Operation:
    from nbmerge.recipe.readers.legacy.tensor_gradient import Operation

    line = line_of(where, text.lines)
    if not isinstance(data, Mapping):
        raise reading_error("an operation is a mapping with 'gradient_values'.", where=where, line=line)
    check_keys(data, OPERATION_KEYS, where, line)
    values = data.get("gradient_values")
    if not isinstance(values, list) or not values or not all(_is_share(v) for v in values):
        raise reading_error(f"{values!r:.80} is not a list of numbers.", where=(*where, "gradient_values"), line=line)
    filter = data.get("filter")
    if filter is not None and not isinstance(filter, str):
        raise reading_error("a filter is a string that tensor names contain.", where=(*where, "filter"), line=line)
    layers = True if data.get("layer_only") else False if data.get("no_layers") else None
    return Operation([float(v) for v in values], layers, filter, where)


def _is_share(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )
