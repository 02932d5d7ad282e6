"""supermerger's block weights: 26 or 20 numbers for a picture model's blocks, or the name of a preset, as a curve over layers.

The first number, BASE, is for what lies outside the blocks; the others run from the input to the output. Each is the
second model's share. bbc-mc's lists have 25 or 19 numbers, because BASE has a slider of its own there. They do not name models;
A and B are placeholders, which `Recipe.with_models` replaces.
"""

from __future__ import annotations

import re
from typing import Any

from nbmerge.errors import RecipeError
from nbmerge.recipe.constructors import complement
from nbmerge.recipe.edits import LAYERS
from nbmerge.recipe.readers.legacy.block_presets import RANDOM, find_preset, suggest_preset
from nbmerge.recipe.readers.recipe_text import RecipeText, note, reading_error
from nbmerge.recipe.recipe import Recipe

COUNTS = {26: "SD 1 and 2", 20: "SD XL"}
"""Length of a list with BASE, and the model family that has so many blocks."""
FEWEST = 12
"""A list of fewer values is not read as block weights."""
HEADER = re.compile(r"preset_name\s+preset_weights", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][\w*/-]{3,40}")
_VALUE = r"[^\s,:]{0,40}"
_LINE = re.compile(
    rf"^(?:(?P<name>[^\t:,]{{1,60}}?)[\t:]\s*)?(?P<values>{_VALUE}(?:\s*,\s*{_VALUE}){{{FEWEST - 1},200}})$"
)


def read(text: RecipeText) -> Recipe | None:
    """Read one list, alone or with its preset's name before it, or the name of a preset that everyone has."""
    if _NAME.fullmatch(text.raw.strip()):
        return _named(text.raw.strip())
    if "," not in text.raw or len(text.raw) > 200_000:
        return None
    presets = _presets(text)
    if len(presets) > 1:
        names = ", ".join(match["name"] or f"line {n}" for n, match in presets)
        raise reading_error(f"the text contains {len(presets)} presets: {names:.400}.", "Give the line of one of them.")
    for line, match in presets:
        return _recipe(match["name"], [v.strip() for v in match["values"].split(",")], line)
    return None


def _presets(text: RecipeText) -> list[tuple[int, re.Match[str]]]:
    """The number and parts of each line; none where any line is something else."""
    numbered = enumerate(map(str.strip, text.raw.splitlines()), start=1 + text.above)
    lines = [(n, line) for n, line in numbered if line and not HEADER.fullmatch(line)]
    presets = [(n, match) for n, line in lines[:1000] if (match := _LINE.match(line))]
    return presets if len(presets) == len(lines) else []


def _named(name: str) -> Recipe | None:
    """The preset of a name; None for a word that is nothing like one, which may be a model."""
    if name.upper() in RANDOM:
        raise _random(name)
    shares = find_preset(name)
    if shares is not None:
        base = 1.0 if min(shares) == 1 else 0.0
        return _curve(name, base, list(shares), "BASE is 0 in supermerger's table (1 for ALL_B)")
    if name.isupper() and (how := suggest_preset(name)):
        raise reading_error(f"there are no block weights named '{name}'.", how)
    return None


def _recipe(name: str | None, values: list[str], line: int) -> Recipe:
    shares = [_share(v, line) for v in values]
    if len(shares) + 1 in COUNTS:
        return _curve(name, 0.0, shares, f"a list of {len(shares)} has no BASE; it was set to 0")
    if len(shares) not in COUNTS:
        known = " or ".join(f"{n} ({kind})" for n, kind in COUNTS.items())
        raise reading_error(
            f"the list has {len(shares)} block weights; expected {known}, or one less without BASE.", line=line
        )
    return _curve(name, shares[0], shares[1:])


def _curve(name: str | None, base: float, shares: list[float], assumed: str = "") -> Recipe:
    def weights(curve: list[float], outside: float) -> dict[str, Any]:
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
            note("A and B are placeholders; with_models({'A': ..., 'B': ...}) replaces them with real models."),
            note("values are shares of B."),
            note(f"BASE is for embeddings, final norm and head{f'; {assumed}' if assumed else ''}."),
            note(f"the {len(shares)} values for blocks are a curve over the layers, from the first to the last."),
        ],
    )  # fmt: skip


def _share(text: str, line: int) -> float:
    if text.upper() in ("R", "U", "X"):
        raise _random(text, line)
    try:
        return float(text)
    except ValueError:
        raise reading_error(f"{text!r:.60} is not a number.", line=line) from None


def _random(text: str, line: int | None = None) -> RecipeError:
    what = f"'{text}' means random numbers that are drawn for each merge; a recipe needs the numbers themselves."
    return reading_error(what, line=line)
