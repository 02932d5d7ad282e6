"""Bare weights: tensors without a config, in one file or in the shards of an index.

Diffusion models, adapters and parts of models are stored like this. Nothing is known of them but names, shapes and numbers: no
layers, no vocabulary and no tokenizer.
"""

from __future__ import annotations

import os
from pathlib import Path

from nbmerge.checkpoints import hub, pickle_files
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.weights_index import read_index
from nbmerge.errors import CheckpointError
from nbmerge.model_ref import ModelRef

SAFETENSORS = ".safetensors"
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
"""Suffixes of torch's files, whose pickle is read without running it."""
INDEX = ".index.json"
"""How the name of an index of shards ends."""
NESTED = "state_dict"
"""Where training programs put the tensors in a torch file, beside other things."""


def is_weights_name(name: str) -> bool:
    """Whether a file of this name contains weights, or lists the shards that do."""
    return name.endswith((SAFETENSORS, *PICKLED, INDEX))


def find_file(ref: ModelRef, ask: bool = True) -> Path | None:
    """The weights file that a reference names, on disk or on the Hub; None if it names a folder or a model of the Hub.

    Parameters
    ----------
    ref : ModelRef
    ask : bool
        Whether to query the Hub for a file that is named like one of its files.

    Raises
    ------
    CheckpointError
        When it is a file of another kind, does not exist although it is named like weights, or has adapters.
    """
    try:
        path = Path(ref.path).expanduser()
        there, is_folder = os.path.lexists(path), path.is_dir()
    except (OSError, RuntimeError, ValueError):
        return None  # whatever is wrong with the path is reported where folders are looked for
    if is_folder or not (there or is_weights_name(path.name)):
        return None
    if not there and not hub.is_file_on_hub(ref.path):
        raise CheckpointError(f"there is no file {path}. Check the path, or download the file first.")
    if not is_weights_name(path.name):
        kinds = ", ".join((SAFETENSORS, *PICKLED))
        raise CheckpointError(
            f"{path} is a file, and not one with weights. Name a model's folder, which contains config.json, a weights file "
            f"({kinds}), or the index of its shards (*{INDEX})."
        )
    if ref.lora:
        raise CheckpointError(
            f"an adapter cannot be applied to the single file {path}, because a model's modules are not known without its "
            "config. Name the model's folder."
        )
    if not there:
        return hub.find_file(ref, ask)
    return path.absolute().parent.resolve() / path.name  # a link keeps its name: the blobs of a cache have no suffix


def read_bare(file: Path) -> dict[str, StoredTensor]:
    """Every tensor of a weights file, or of the shards that an index lists.

    Raises
    ------
    CheckpointError
        When it cannot be read, or contains no tensor.
    """
    tensors = read_index(file, _read_one) if file.name.endswith(INDEX) else _read_one(file)
    if not tensors:
        raise CheckpointError(f"{file} contains no tensors. Download or save it again.")
    return tensors


def _read_one(file: Path) -> dict[str, StoredTensor]:
    if file.suffix == SAFETENSORS:
        return hub.read_header(file)[0]
    if file.suffix not in PICKLED:
        raise CheckpointError(f"{file} is neither a safetensors file nor one of torch's ({', '.join(PICKLED)}).")
    return pickle_files.read_pickled(file, NESTED)
