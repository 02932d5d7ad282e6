"""What a config declares, compared with the existing weights before a model is built.

transformers builds a model as its config declares, and reads the weights afterwards: ninety thousand layers without weights
take minutes, and a million labels make a table of each. So numbers that make it loop are compared with the headers first
(`check_declared`), and the modules and their sizes are counted while it builds (`building`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nbmerge.checkpoints.checkpoint import DEPTH_KEYS
from nbmerge.checkpoints.stacks import NUMBERED, depths
from nbmerge.errors import CheckpointError

MOST_MISSING_LAYERS = 64
"""Layers that may be declared beyond twice the existing ones; transformers then reports what is missing."""
MOST_COUNTED = 100_000
"""Largest number of things that are created one by one, such as labels or experts."""
MOST_ENTRIES = 30_000
"""Most entries of a list or mapping; ImageNet has 21,841 labels."""
MOST_POSITIONS = 1 << 24
"""Largest number of anything else, such as positions."""
PARTS_PER_TENSOR, MORE_PARTS = 20, 5_000
"""Modules that a model may have for each of its tensors, and in addition."""
ELEMENTS_PER_STORED, MORE_ELEMENTS = 4, 50_000_000
"""Elements that a model may have for each that is stored, and in addition."""

_COUNTED = re.compile(r"(^|_)(n|num|number|labels?|layers?|experts?|heads?|blocks?|groups?|depths?|stages?)(_|$)")
_FREE = re.compile(
    r"(^|_)(id|ids|token|tokens|seed|theta|base|params?|parameters|flops|size_bytes|index)(_|$)|rope|alpha|factor"
)
"""Numbers that do not determine sizes: ids, seeds, bases of frequencies, remarks."""


def check_declared(path: Path, config: Mapping[str, Any], tensors: Iterable[str]) -> None:
    """Refuse a config whose numbers are far from those of the weights.

    Parameters
    ----------
    path : Path
        The folder of the config, for the message.
    config : mapping
    tensors : iterable of str
        Names of the weights.

    Raises
    ------
    CheckpointError
        With the declared and the actual number.
    """
    present = max((int(m["index"]) + 1 for m in map(NUMBERED.match, tensors) if m), default=0)
    for declared in depths(config):
        if declared.value > 2 * present + MOST_MISSING_LAYERS:
            raise CheckpointError(
                f"config.json in {path} declares {declared.value:,} layers ({'.'.join(declared.path):.200}), but the weights "
                f"have {present}. Correct it, or download the model again."
            )
    text = config.get("text_config")
    for part in (config, text if isinstance(text, Mapping) else {}):
        if wrong := next((k for k in DEPTH_KEYS if type(part.get(k)) is int and part[k] < 0), None):
            raise CheckpointError(f"config.json in {path} declares {wrong} = {part[wrong]}. Correct it.")
    for key, number in _numbers(path, config):
        most = MOST_COUNTED if _COUNTED.search(key) else MOST_POSITIONS
        if abs(number) > most and not _FREE.search(key):
            raise CheckpointError(
                f"config.json in {path} declares {key:.80} = {number:.6g}, which is impossible. Correct it, or download the "
                "model again."
            )


def _numbers(path: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Every integer in a config, with the key of it or of its list."""
    below: list[tuple[Any, str]] = [(config, "")]
    while below:
        value, key = below.pop()
        if isinstance(value, Mapping | list) and len(value) > MOST_ENTRIES:
            raise CheckpointError(
                f"config.json in {path} has {len(value):,} entries in {key or 'itself':.80}, which is impossible. Correct it, or "
                "download the model again."
            )
        if isinstance(value, Mapping):
            below.extend((v, str(k).lower()) for k, v in value.items())
        elif isinstance(value, list):
            below.extend((v, key) for v in value)
        elif type(value) is int:
            yield key, value


@contextmanager
def building(tensors: int, elements: int) -> Iterator[None]:
    """Stop building a model in this thread when it becomes much larger than its weights.

    Parameters
    ----------
    tensors, elements : int
        Number of tensors and elements in the weights.

    Raises
    ------
    CheckpointError
        While the model is built.
    """
    import torch  # noqa: F401  # before its parts: see nbmerge.imports
    from torch.nn.modules import module as registry

    thread, parts, numbers = threading.get_ident(), 0, 0

    def count_part(*_: Any) -> None:
        nonlocal parts
        if threading.get_ident() == thread:
            parts += 1
            if parts > PARTS_PER_TENSOR * tensors + MORE_PARTS:
                raise _too_large(f"more than {parts - 1:,} modules for {tensors:,} tensors")

    def count_numbers(module: Any, name: str, tensor: Any) -> None:
        nonlocal numbers
        if threading.get_ident() == thread and tensor is not None:
            numbers += tensor.numel()
            if numbers > ELEMENTS_PER_STORED * elements + MORE_ELEMENTS:
                raise _too_large(f"more than {numbers:,} elements, while the weights have {elements:,}")

    with ExitStack() as stack:
        for register, count in (
            (registry.register_module_module_registration_hook, count_part),
            (registry.register_module_parameter_registration_hook, count_numbers),
            (registry.register_module_buffer_registration_hook, count_numbers),
        ):
            stack.callback(register(count).remove)
        yield


def _too_large(what: str) -> CheckpointError:
    return CheckpointError(
        f"its config declares a model with {what}. Correct config.json, or download the model again."
    )
