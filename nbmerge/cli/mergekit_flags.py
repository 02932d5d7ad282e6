"""mergekit-yaml's options at ``nbmerge merge``, so that old scripts run: carried over, or named as meaning nothing here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

SAME = {
    "--random-seed": "--seed",
    "--num-threads": "--threads",
    "-j": "--threads",
    "--out-shard-size": "--max-shard-size",
}
"""Options with a value that have another name here."""

MEANT = {"--cuda": ["--device", "cuda"], "--gpu-rich": ["--device", "cuda"]}
"""Switches that are said in other words here, where there is a GPU; their opposite is what is done anyway."""

SWITCHES = {
    "--low-cpu-memory": "memory is a few blocks anyway",
    "--read-to-gpu": "blocks go by way of the processor",
    "--multi-gpu": "one device mixes; several take a cluster's workers with one each",
    "--lazy-unpickle": "weights are streamed, and nothing is unpickled",
    "--clone-tensors": "a layer that is used twice is written twice anyway",
    "--safe-serialization": "only safetensors are written",
    "--write-model-card": "the card is always written",
    "--copy-tokenizer": "the tokenizer is always written",
    "--async-write": "reading, merging and writing overlap anyway",
    "--allow-crimes": "models whose tensors fit are merged with a warning, others never",
    "--trust-remote-code": "no code of a model is ever run",
    "--unsafe-truncate-embeddings": "say so in the recipe: vocabulary: truncate",
    "--verbose": "", "-v": "",
}  # fmt: skip
"""Switches, and why they mean nothing here; nothing is said where there is nothing to say."""

VALUES = {
    "--transformers-cache": "models are taken from folders and the Hugging Face cache",
    "--lora-merge-cache": "nothing is cached",
    "--lora-merge-dtype": "adapters are applied in float32",
    "--write-threads": "workers write what they merge",
}
"""Options with a value, and why they mean nothing here."""

_SIZE = re.compile(r"(\d+)([KMB])", re.IGNORECASE)
_UNITS = {"K": "KB", "M": "MB", "B": "GB"}


def translated(arguments: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """Put our options in the place of mergekit's.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``nbmerge merge``.
    say : callable
        Takes a line for each option that means nothing here.
    """
    done: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, given, value = word.partition("=")
        positive = "--" + name.removeprefix("--no-") if name.startswith("--no-") else name
        if name in SAME or name in VALUES:
            value = value if given else rest.pop(0) if rest else ""
            if name in SAME:
                done += [SAME[name], _size(value) if name == "--out-shard-size" else value]
            else:
                say(f"{name} means nothing here: {VALUES[name]}.")
        elif positive in MEANT:
            if name == positive and _has_cuda():
                done += MEANT[name]
            elif name == positive:
                say(f"{name} means nothing here: there is no CUDA device, and the processor gives the same result.")
        elif positive in SWITCHES:
            if SWITCHES[positive]:
                say(f"{name} means nothing here: {SWITCHES[positive]}.")
        else:
            done.append(word)
    return done


def _has_cuda() -> bool:
    from nbmerge.engine.compute.device import available

    return any(name.startswith("cuda") for name in available())


def _size(text: str) -> str:
    """Spell out a size: 5B, 500M and 100K are decimal bytes there."""
    match = _SIZE.fullmatch(text)
    return f"{match[1]}{_UNITS[match[2].upper()]}" if match else text
