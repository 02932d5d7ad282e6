"""What a config declares, compared with the weights that are there, before anything is built that large.

transformers builds a model as its config says, and looks at the weights afterwards: ninety thousand layers that no file
holds take minutes, and a million labels make a table of each. So numbers that make it loop are compared with the headers
first (`check_declared`), and while it builds, the parts and their sizes are counted (`building`).
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
"""Layers that may be declared beyond twice those that are there; transformers then says itself what is missing."""
MOST_COUNTED = 100_000
"""Largest number of things that are made one by one, such as labels or experts."""
MOST_ENTRIES = 30_000
"""Most entries of a list or mapping; ImageNet has 21,841 labels."""
MOST_POSITIONS = 1 << 24
"""Largest number of anything else, such as positions."""
PARTS_PER_TENSOR, MORE_PARTS = 20, 5_000
"""Modules that a model may have for each of its tensors, and beside them."""
ELEMENTS_PER_STORED, MORE_ELEMENTS = 4, 50_000_000
"""Numbers that a model may have for each that is stored, and beside them."""

_COUNTED = re.compile(r"(^|_)(n|num|number|labels?|layers?|experts?|heads?|blocks?|groups?|depths?|stages?)(_|$)")
_FREE = re.compile(
    r"(^|_)(id|ids|token|tokens|seed|theta|base|params?|parameters|flops|size_bytes|index)(_|$)|rope|alpha|factor"
)
"""Numbers that nothing is made of: ids, seeds, bases of frequencies, remarks."""


def check_declared(path: Path, config: Mapping[str, Any], tensors: Iterable[str]) -> None:
    """Refuse a config whose numbers are far from the weights.

    Parameters
    ----------
    path : Path
        The folder that it is in, for the message.
    config : mapping
    tensors : iterable of str
        Names of the weights.

    Raises
    ------
    CheckpointError
        With the number, and what is there.
    """
    present = max((int(m["index"]) + 1 for m in map(NUMBERED.match, tensors) if m), default=0)
    for said in depths(config):
        if said.value > 2 * present + MOST_MISSING_LAYERS:
            raise CheckpointError(
                f"config.json in {path} declares {said.value:,} layers ({'.'.join(said.path):.200}), and the weights have "
                f"{present}. Correct it, or download the model again."
            )
    text = config.get("text_config")
    for part in (config, text if isinstance(text, Mapping) else {}):
        if wrong := next((k for k in DEPTH_KEYS if type(part.get(k)) is int and part[k] < 0), None):
            raise CheckpointError(f"config.json in {path} declares {wrong} = {part[wrong]}. Correct it.")
    for key, number in _numbers(path, config):
        most = MOST_COUNTED if _COUNTED.search(key) else MOST_POSITIONS
        if abs(number) > most and not _FREE.search(key):
            raise CheckpointError(
                f"config.json in {path} declares {key:.80} = {number:.6g}, which no model has. Correct it, or download the "
                "model again."
            )


def _numbers(path: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Every whole number of a config, with the key that it or its list has."""
    below: list[tuple[Any, str]] = [(config, "")]
    while below:
        value, key = below.pop()
        if isinstance(value, Mapping | list) and len(value) > MOST_ENTRIES:
            raise CheckpointError(
                f"config.json in {path} has {len(value):,} entries in {key or 'itself':.80}, which no model has. Correct it, or "
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
    """While a model is built in this thread, stop it when it becomes much larger than its weights.

    Parameters
    ----------
    tensors, elements : int
        Tensors and numbers in the weights.

    Raises
    ------
    CheckpointError
        From within what builds it.
    """
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
                raise _too_large(f"{numbers:,} numbers and more, where the weights have {elements:,}")

    with ExitStack() as stack:
        for register, count in (
            (registry.register_module_module_registration_hook, count_part),
            (registry.register_module_parameter_registration_hook, count_numbers),
            (registry.register_module_buffer_registration_hook, count_numbers),
        ):
            stack.callback(register(count).remove)
        yield


def _too_large(what: str) -> CheckpointError:
    return CheckpointError(f"its config describes a model of {what}. Correct config.json, or download the model again.")
