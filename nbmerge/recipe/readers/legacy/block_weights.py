"""supermerger's block weights: 26 or 20 numbers for a picture model's blocks, read as a curve over layers.

The first number, BASE, is for what lies outside the blocks; the others run from the input to the output. Each is the
second model's share. They name no models, so A and B stand for them until `Recipe.with_models` puts others there.
"""

from __future__ import annotations

import re

from nbmerge.recipe.constructors import complement
from nbmerge.recipe.edits import LAYERS
from nbmerge.recipe.readers.recipe_text import RecipeText, note, reading_error
from nbmerge.recipe.recipe import Recipe

COUNTS = {26: "SD 1 and 2", 20: "SD XL"}
"""Numbers in a list, by the model family that has so many blocks."""
FEWEST = 12
"""A list of fewer values is taken for something else."""
HEADER = re.compile(r"preset_name\s+preset_weights", re.IGNORECASE)
_VALUE = r"[^\s,:]{0,40}"
_LINE = re.compile(
    rf"^(?:(?P<name>[^\t:,]{{1,60}}?)[\t:]\s*)?(?P<values>{_VALUE}(?:\s*,\s*{_VALUE}){{{FEWEST - 1},200}})$"
)


def read(text: RecipeText) -> Recipe | None:
    """Read one list, alone or with its preset's name before it."""
    if "," not in text.raw or len(text.raw) > 200_000:
        return None
    lines = [(n, line.strip()) for n, line in enumerate(text.raw.splitlines(), start=1 + text.above)]
    lines = [(n, line) for n, line in lines if line and not HEADER.fullmatch(line)]
    found = [(n, m) for n, line in lines[:1000] if (m := _LINE.match(line))]
    if not found or len(found) < len(lines):
        return None
    if len(found) > 1:
        names = ", ".join(m["name"] or f"line {n}" for n, m in found)
        raise reading_error(f"{len(found)} presets are in it: {names:.400}.", "Give the line of one.")
    return _recipe(found[0][1]["name"], [v.strip() for v in found[0][1]["values"].split(",")], found[0][0])


def _recipe(name: str | None, values: list[str], line: int) -> Recipe:
    if len(values) not in COUNTS:
        known = " or ".join(f"{n} ({kind})" for n, kind in COUNTS.items())
        raise reading_error(f"{len(values)} block weights; there are {known}.", line=line)
    base, *shares = (_share(v, line) for v in values)

    def weights(curve: list[float], outside: float) -> dict:
        return {"weight": [{"filter": LAYERS, "value": curve}, {"value": outside}]}

    return Recipe.of({
        "merge_method": "linear",
        "models": [
            {"model": "A", "parameters": weights([complement(s) for s in shares], complement(base))},
            {"model": "B", "parameters": weights(shares, base)},
        ],
        "parameters": {"normalize": False},
    }).with_origin(
        f"supermerger block weights{f' ({name})' if name else ''}",
        [
            note("A and B stand for the two models; with_models({'A': ..., 'B': ...}) puts real ones there."),
            note("values are the share of B."),
            note("the first value, BASE, is for embeddings, final norm and head."),
            note(f"the other {len(shares)} are a curve over the layers."),
        ],
    )  # fmt: skip


def _share(text: str, line: int) -> float:
    if text.upper() in ("R", "U", "X"):
        raise reading_error(f"'{text}' asks for a random number; a recipe holds the numbers.", line=line)
    try:
        return float(text)
    except ValueError:
        raise reading_error(f"{text!r:.60} is not a number.", line=line) from None
