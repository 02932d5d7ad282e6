"""The command lines of BlockMerge_Gradient: over a range of layers in its first version, over tensors in the later one."""

from __future__ import annotations

import ast
import math

from nbmerge.problems import Problem
from nbmerge.recipe.constructors import ALL_LAYERS
from nbmerge.recipe.readers.command import FLAG, VALUE, Command, Options, find_commands, parse_options
from nbmerge.recipe.readers.recipe_text import RecipeText, note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.sizes import human, parse_size

PATHS = {"model_path1": VALUE, "model_path2": VALUE, "output_model_path": VALUE, "max_shard_size": VALUE}
LAYERS = {"gradient_start": VALUE, "gradient_end": VALUE, "layer_start": VALUE, "layer_end": VALUE, **PATHS}
TENSORS = {"gradient_values": VALUE, "layer_only": FLAG, "no_layers": FLAG, "custom_filter": VALUE, **PATHS}


def read(text: RecipeText) -> Recipe | None:
    """Read the first such command of a text."""
    if "--model_path1" not in text.raw:
        return None
    for command in find_commands(text.raw, text.above):
        named = {w.split("=")[0] for w in command.words}
        if "--model_path1" in named:
            later = named & {"--gradient_values", "--layer_only", "--no_layers", "--custom_filter"}
            return _over_tensors(command) if later else _over_layers(command)
    return None


def _over_layers(command: Command) -> Recipe:
    given = parse_options(command, LAYERS)
    first, second = _models(given, command)
    return Recipe.block_gradient(
        first, second,
        given.number("gradient_start", 0.0), given.number("gradient_end", 1.0),
        int(given.number("layer_start", 0, int)), int(given.number("layer_end", ALL_LAYERS, int)),
    ).with_origin("a command line of BlockMerge_Gradient", _notes(given, command))  # fmt: skip


def _over_tensors(command: Command) -> Recipe:
    from nbmerge.recipe.readers.legacy.tensor_gradient import Operation, make_recipe

    given = parse_options(command, TENSORS)
    first, second = _models(given, command)
    values = parse_numbers(given.one("gradient_values"), "--gradient_values", command.line)
    if len(values) < 2:
        raise reading_error("expected at least two values.", where=("--gradient_values",), line=command.line)
    layers = True if given.flags.get("layer_only") else False if given.flags.get("no_layers") else None
    operation = Operation(values, layers, given.one("custom_filter"))
    recipe = make_recipe(first, second, [operation])
    return recipe.with_origin("a command line of BlockMerge_Gradient (over tensors)", _notes(given, command))


def parse_numbers(text: str | None, where: str, line: int) -> list[float]:
    """A list of numbers as Python writes it."""
    try:
        data = ast.literal_eval((text or "").strip()) if text and len(text) < 100_000 else None
        values = [float(v) for v in data] if isinstance(data, list | tuple) else []
    except (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError):
        values = []
    if not values or not all(math.isfinite(v) for v in values):
        raise reading_error(f"{text!r:.80} is not a list of numbers such as [0.9, 0.5, 0].", where=(where,), line=line)
    return values


def _models(given: Options, command: Command) -> tuple[str, str]:
    paths = []
    for name in ("model_path1", "model_path2"):
        path = given.one(name)
        if not path:
            raise reading_error("this option is required.", where=(f"--{name}",), line=command.line)
        paths.append(path)
    if given.rest:
        raise reading_error(f"{command.program} has no argument {given.rest[0]!r:.80}.", line=command.line)
    return paths[0], paths[1]


def _notes(given: Options, command: Command) -> list[Problem]:
    notes = []
    if out := given.one("output_model_path"):
        notes.append(note(f"the output folder {out} is ignored: it is not part of a recipe.", line=command.line))
    if size := given.one("max_shard_size"):
        try:
            what = f"--max_shard_size {size} ({human(parse_size(size))}) is not part of a recipe; pass it to merge()."
        except ValueError as error:
            raise reading_error(str(error), where=("--max_shard_size",), line=command.line) from error
        notes.append(note(what, line=command.line))
    return notes
