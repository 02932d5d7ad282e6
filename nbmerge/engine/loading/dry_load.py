"""Load a model without its numbers, to find out which tensors are missing, unexpected or of another shape.

transformers' own loading code compares them, including everything that it renames, ties, splits and ignores. It gets fake
tensors, so memory and time do not depend on their sizes. No code of a model folder is run: architectures that the installed
transformers does not know are not loaded.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints.declared import building
from nbmerge.engine.loading.pretrained import build_config, load_with_report
from nbmerge.engine.loading.quiet_transformers import hide_progress_bars
from nbmerge.imports import import_lock

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Shapes = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and dtype of each tensor, by name."""

_NO_THREADS = "HF_DEACTIVATE_ASYNC_LOAD"


@dataclass(frozen=True)
class DryLoad:
    """What transformers reports about loading a model.

    Parameters
    ----------
    missing : frozenset of str
        Weights that the files do not have; transformers would initialise them randomly.
    unexpected : frozenset of str
        Weights in the files that the model does not have; they would be ignored.
    unequal : dict of str to tuple
        Weights of another shape: the shape in the files, and that in the model.
    refusal : str
        The error of transformers if the model cannot be built; else empty.
    """

    missing: frozenset[str] = frozenset()
    unexpected: frozenset[str] = frozenset()
    unequal: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    refusal: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.unexpected or self.unequal or self.refusal)


def model_class(config: Mapping[str, Any]) -> type[PreTrainedModel] | None:
    """The class of transformers for a config, None if the installed version has none."""
    with import_lock():
        import transformers
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING or config.get("quantization_config"):
        return None
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""
    with import_lock():
        found = getattr(transformers, name, None) if re.fullmatch(r"[A-Z]\w+", name) else None
        return found if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel) else None


def load(config: Mapping[str, Any], shapes: Shapes) -> DryLoad | None:
    """Let transformers load a model without its numbers; None if its architecture is not known."""
    cls = model_class(config)
    if cls is None:
        return None
    with import_lock():
        import torch
        from torch._subclasses.fake_tensor import FakeTensorMode

    elements = sum(math.prod(shape) for shape, _ in shapes.values())
    try:
        own = build_config(config)
        with building(len(shapes), elements), _silent(), FakeTensorMode(allow_non_fake_inputs=True):
            weights = {n: torch.empty(shape, dtype=getattr(torch, dtype)) for n, (shape, dtype) in shapes.items()}
            _, info = load_with_report(
                cls, None, config=own, state_dict=weights, ignore_mismatched_sizes=True, dtype=torch.float32
            )
    except Exception as error:  # transformers raises anything here
        return DryLoad(refusal=f"{type(error).__name__}: {error}")
    unequal = {name: (tuple(ours), tuple(theirs)) for name, ours, theirs in info["mismatched_keys"]}
    return DryLoad(frozenset(info["missing_keys"]), frozenset(info["unexpected_keys"]), unequal)


@contextmanager
def _silent() -> Iterator[None]:
    """Disable transformers' progress bars, its report and its threads, which do not work with fake tensors."""
    with import_lock():
        from transformers.utils import logging as transformers_logging

    level, threads = transformers_logging.get_verbosity(), os.environ.get(_NO_THREADS)
    transformers_logging.set_verbosity(logging.CRITICAL)
    os.environ[_NO_THREADS] = "1"
    try:
        with hide_progress_bars():
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if threads is None:
            del os.environ[_NO_THREADS]
        else:
            os.environ[_NO_THREADS] = threads
