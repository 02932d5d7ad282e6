"""Load a model that has no numbers: what transformers would miss, not expect, or find of another shape.

transformers' own loading code does the comparison, with all that it renames, ties, splits and ignores. It is given tensors
without numbers, so neither memory nor time grows with their sizes. No code of a model folder is run: what the installed
transformers does not know is not loaded.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nbmerge.checkpoints.declared import building
from nbmerge.engine.loading.pretrained import build_config
from nbmerge.engine.loading.quiet_transformers import without_bars

Shapes = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and dtype of each tensor, by name."""

_NO_THREADS = "HF_DEACTIVATE_ASYNC_LOAD"


@dataclass(frozen=True)
class DryLoad:
    """What transformers says of a model.

    Parameters
    ----------
    missing : frozenset of str
        Weights that the model has and the files lack; they would be random.
    unexpected : frozenset of str
        Weights in the files that the model lacks; they would be ignored.
    unequal : dict of str to tuple
        Weights of another shape: that in the files, and that of the model.
    refusal : str
        Why it cannot be built at all, in transformers' words; empty if it can.
    """

    missing: frozenset[str] = frozenset()
    unexpected: frozenset[str] = frozenset()
    unequal: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    refusal: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.unexpected or self.unequal or self.refusal)


def model_class(config: Mapping[str, Any]) -> type | None:
    """The class of transformers that a config is of, None where the installed version has none."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING or config.get("quantization_config"):
        return None
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""
    found = getattr(transformers, name, None) if re.fullmatch(r"[A-Z]\w+", name) else None
    return found if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel) else None


def load(config: Mapping[str, Any], shapes: Shapes) -> DryLoad | None:
    """Let transformers load a model that has no numbers; None where its architecture is not known."""
    cls = model_class(config)
    if cls is None:
        return None
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    elements = sum(math.prod(shape) for shape, _ in shapes.values())
    try:
        own = build_config(config)
        with building(len(shapes), elements), _silent(), FakeTensorMode(allow_non_fake_inputs=True):
            weights = {n: torch.empty(shape, dtype=getattr(torch, dtype)) for n, (shape, dtype) in shapes.items()}
            _, info = cls.from_pretrained(
                None, config=own, state_dict=weights, output_loading_info=True,
                ignore_mismatched_sizes=True, dtype=torch.float32,
            )  # fmt: skip
    except Exception as error:  # transformers raises anything here
        return DryLoad(refusal=f"{type(error).__name__}: {error}")
    unequal = {name: (tuple(ours), tuple(theirs)) for name, ours, theirs in info["mismatched_keys"]}
    return DryLoad(frozenset(info["missing_keys"]), frozenset(info["unexpected_keys"]), unequal)


@contextmanager
def _silent() -> Iterator[None]:
    """Transformers without its progress bars, its own report and its threads, which tensors without numbers cannot bear."""
    from transformers.utils import logging

    level, threads = logging.get_verbosity(), os.environ.get(_NO_THREADS)
    logging.set_verbosity(logging.CRITICAL)
    os.environ[_NO_THREADS] = "1"
    try:
        with without_bars():
            yield
    finally:
        logging.set_verbosity(level)
        if threads is None:
            del os.environ[_NO_THREADS]
        else:
            os.environ[_NO_THREADS] = threads
