"""Statistics of models on texts, which data-informed methods read: files of `nbmerge.gather_statistics`.

A recipe names them for each model, by a key that follows from the model's weights and the texts, or by the path of a file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.cache_folder import cache_folder
from nbmerge.errors import CheckpointError, MergeError
from nbmerge.guarded_files import check_model_file
from nbmerge.methods.framework.method import Parameter, Values

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks

CACHE, SUFFIX = "texts", ".safetensors"
"""Name of the cache, and the suffix of its files."""
ALIASES = "aliases"
"""Entry of a file's metadata: names of tensors that share the statistics of another one, as JSON."""
STATISTICS = Parameter(
    "statistics", "What nbmerge.gather_statistics gathered for this model: its key in the cache, or a file.",
    default=None, scope="input", kind="text",
)  # fmt: skip


def find_file(key: str) -> Path | None:
    """The file of some statistics, None if there is none."""
    folder = cache_folder(CACHE)
    is_path = key.endswith(SUFFIX)
    file = Path(key).expanduser() if is_path else None if folder is None else folder / f"{key}{SUFFIX}"
    return file if file is not None and (is_path or Path(key).name == key) and file.is_file() else None


def check_files(values: Values) -> str | None:
    """What is wrong with the statistics that a recipe names, None if all are there, or none is named."""
    named = [key for key in values.each["statistics"] if key is not None]
    if 0 < len(named) < len(values.each["statistics"]):
        return "some models have statistics and others do not. Gather all: nbmerge.gather_statistics(recipe, texts)."
    if missing := [key for key in named if isinstance(key, str) and find_file(key) is None]:
        return f"there are no statistics {missing[0]!r} on this machine. Gather them: nbmerge.gather_statistics(recipe, texts)."
    return None


def advise_gathering(values: Values) -> str | None:
    """A warning for a recipe without statistics."""
    if values.each["statistics"][0] is not None:
        return None
    return (
        "without statistics of texts this is the weighted mean of the models. Gather them: "
        "nbmerge.gather_statistics(recipe, texts) returns the recipe with its statistics."
    )


def is_plain_mean(values: Values) -> bool:
    """Whether the result is the weighted mean: without statistics, and where one model has all the weight."""
    return values.each["statistics"][0] is None or sum(w != 0 for w in values.each["weight"]) == 1


def weighted_mean(values: Values, gram: None = None) -> list[float]:
    """The coefficients of the weighted mean."""
    weights = values.each["weight"]
    return [w / sum(weights) for w in weights]


def check_weighted(values: Values) -> str | None:
    """What is wrong with the weights."""
    if min(values.each["weight"]) < 0 or sum(values.each["weight"]) <= 0:
        return "weights must not be negative, and at least one must be above 0."
    return None


def read_all(tensors: InputBlocks, values: Values, shape: tuple[int, ...]) -> list[torch.Tensor] | None:
    """The statistics of one tensor of every model, see `read_gathered`; None unless all have them."""
    found = []
    for key, source in zip(values.each["statistics"], tensors.inputs, strict=True):
        own = None if key is None else read_gathered(key, source.name, shape)
        if own is None:
            return None
        found.append(own)
    return found


def read_gathered(key: str, name: str, shape: tuple[int, ...]) -> torch.Tensor | None:
    """The statistics of one tensor, memory-mapped; None where there are none for it.

    Parameters
    ----------
    key : str
    name : str
        Name of the tensor in its model.
    shape : tuple of int
        What the statistics must have.

    Raises
    ------
    MergeError
        When the file cannot be read or is of another model.
    """
    from safetensors import SafetensorError, safe_open

    file = find_file(key)
    if file is None:
        raise MergeError(f"The statistics {key!r} are not on this machine any more. Gather them again.")
    try:
        check_model_file(file)  # a recipe of somebody else may name any file
        with safe_open(file, framework="pt") as opened:
            aliases: dict[str, Any] = json.loads((opened.metadata() or {}).get(ALIASES, "{}"))
            name = aliases.get(name, name)
            if name not in opened.keys():  # noqa: SIM118  # not a mapping
                return None
            found: torch.Tensor = opened.get_tensor(name)
    except CheckpointError as error:
        raise MergeError(str(error)) from error
    except (OSError, SafetensorError, ValueError) as error:
        raise MergeError(f"{file} cannot be read: {error}. Delete it, and gather the statistics again.") from error
    if tuple(found.shape) != shape:
        raise MergeError(f"The statistics {key!r} of {name} are of another model: gather them for this one.")
    return found
