"""The options of mergekit-yaml and mergekit-pytorch for ``nbmerge merge``, so that old scripts run.

They are translated, or ignored with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

SAME = {
    "--random-seed": "--seed",
    "--num-threads": "--threads",
    "-j": "--threads",
    "--out-shard-size": "--max-shard-size",
}
"""Options with a value that have another name in nbmerge."""

DEVICES = {"--cuda": ["--device", "cuda"], "--gpu-rich": ["--device", "cuda"]}
"""Switches that select a device, where there is a GPU; their opposites are the default."""

SWITCHES = {
    "--low-cpu-memory": "merging streams; memory use does not grow with the models",
    "--read-to-gpu": "blocks are read by the processor and copied to the device",
    "--multi-gpu": "a merge uses one device; for several, use --dask with one worker each",
    "--lazy-unpickle": "weights are streamed, and nothing is unpickled",
    "--clone-tensors": "a layer that is used twice is always written twice",
    "--safe-serialization": "only safetensors are written",
    "--write-model-card": "the model card is always written",
    "--copy-tokenizer": "the tokenizer is always written",
    "--async-write": "reading, merging and writing always overlap",
    "--allow-crimes": "models whose tensors have the same shapes are merged with a warning, others are refused",
    "--trust-remote-code": "code of a model is never run",
    "--unsafe-truncate-embeddings": "write vocabulary: truncate into the recipe instead",
    "--tensor-intersection": "write missing_tensors: leave-out into the recipe instead",
    "-i": "write missing_tensors: leave-out into the recipe instead",
    "--tensor-union": "write missing_tensors: merge-rest into the recipe instead",
    "-u": "write missing_tensors: merge-rest into the recipe instead",
    "--verbose": "", "-v": "",
}  # fmt: skip
"""Switches that are ignored, with the reason for the warning; no warning where the reason is empty."""

VALUES = {
    "--transformers-cache": "models are read from folders and the Hugging Face cache; set HF_HUB_CACHE to move it",
    "--lora-merge-cache": "adapters are applied while streaming, without a cache",
    "--lora-merge-dtype": "adapters are applied in float32",
    "--write-threads": "each thread writes the tensors that it merges",
}
"""Options with a value that are ignored, with the reason for the warning."""

_SIZE = re.compile(r"(\d+)([KMB])", re.IGNORECASE)
_UNITS = {"K": "kB", "M": "MB", "B": "GB"}


def translate_flags(arguments: Sequence[str], warn: Callable[[str], None]) -> list[str]:
    """Replace options of mergekit-yaml by those of nbmerge.

    Parameters
    ----------
    arguments : sequence of str
        The words after ``nbmerge merge``.
    warn : callable
        Called with one line for each option that is ignored.
    """
    result: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, given, value = word.partition("=")
        positive = "--" + name.removeprefix("--no-") if name.startswith("--no-") else name
        if name in SAME or name in VALUES:
            value = value if given else rest.pop(0) if rest else ""
            if name in SAME:
                result += [SAME[name], _translate_size(value) if name == "--out-shard-size" else value]
            else:
                warn(f"{name} is ignored: {VALUES[name]}.")
        elif positive in DEVICES:
            if name == positive and _has_cuda():
                result += DEVICES[name]
            elif name == positive:
                warn(f"{name} is ignored: there is no CUDA device; merging on the processor instead.")
        elif positive in SWITCHES:
            if SWITCHES[positive]:
                warn(f"{name} is ignored: {SWITCHES[positive]}.")
        else:
            result.append(word)
    return result


def _has_cuda() -> bool:
    from nbmerge.engine.compute import available_devices

    return any(name.startswith("cuda") for name in available_devices())


def _translate_size(text: str) -> str:
    """Translate a size: 5B, 500M and 100K are decimal units in mergekit."""
    match = _SIZE.fullmatch(text)
    return f"{match[1]}{_UNITS[match[2].upper()]}" if match else text
