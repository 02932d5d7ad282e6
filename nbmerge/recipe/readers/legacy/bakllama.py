"""bakllama's YAML, from mergekit's early days: layers of several models stacked on top of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmerge.problems import Where
from nbmerge.recipe.readers.recipe_text import RecipeText, check_keys, note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import line_of

SCALED = "mlp.down_proj"
"""The one matrix of a layer that bakllama's scale multiplies."""


def read(text: RecipeText) -> Recipe | None:
    """Read a mapping with ``layer_slices``."""
    data = text.mapping
    if "layer_slices" not in data:
        return None
    check_keys(data, ("layer_slices", "embedding_source", "lm_head_source"))
    pieces = data["layer_slices"]
    if not isinstance(pieces, list) or not pieces:
        raise reading_error(
            "a bakllama config needs at least one slice.", where=("layer_slices",), line=text.lines[("layer_slices",)]
        )
    recipe: dict[str, Any] = {
        "merge_method": "passthrough",
        "slices": [_slice(p, ("layer_slices", i), text) for i, p in enumerate(pieces)],
        "embedding_source": data.get("embedding_source"),
        "lm_head_source": (head := data.get("lm_head_source")),
        "final_norm_source": head,
        "config_source": pieces[0]["model"],
    }
    notes = [note("config and tokenizer are taken from the first slice's model; bakllama took them from any model.")]
    if head is not None:
        notes.append(note("the final norm is taken from lm_head_source as well.", ("lm_head_source",)))
    return Recipe.of(recipe).with_origin("a bakllama config", notes)


def _slice(piece: Any, where: Where, text: RecipeText) -> dict[str, Any]:
    line = line_of(where, text.lines)
    if not isinstance(piece, Mapping):
        raise reading_error("a slice needs 'model', 'start' and 'end'.", where=where, line=line)
    check_keys(piece, ("model", "start", "end", "scale"), where, line)
    for key in ("model", "start", "end"):
        if piece.get(key) is None:
            raise reading_error(f"'{key}' is missing.", where=(*where, key), line=line)
    start, end = piece["start"], piece["end"]
    if not (type(start) is int and type(end) is int and 0 <= start < end):
        how = "Count from 0; 'end' is not included."
        raise reading_error(
            f"[{start}, {end}) contains no layer.", how, (*where, "end"), line_of((*where, "end"), text.lines)
        )
    source: dict[str, Any] = {"model": piece["model"], "layer_range": [start, end]}
    if piece.get("scale") is not None:
        source["parameters"] = {"scale": [{"filter": SCALED, "value": piece["scale"]}, {"value": 1}]}
    return {"sources": [source]}
