"""A transformers model and a tokenizer around tensors in memory, made by transformers' own loading code."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nbmerge.engine.loading.pretrained import build_model, load_tokenizer
from nbmerge.engine.output.folder import TOKENIZER_FILES, write_tokenizer
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import SampleError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def empty_weights(plan: Plan) -> dict[str, torch.Tensor]:
    """A place for every tensor of a plan; memory is taken when it is first written to."""
    return {t.name: torch.empty(t.shape, dtype=getattr(torch, t.dtype)) for t in plan.tensors}


def assembled(plan: Plan, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """A transformers model whose parameters are these tensors, in evaluation mode.

    An architecture that fuses or reshapes on loading gets copies of some.

    Raises
    ------
    SampleError
        When transformers does not know the architecture, or a tensor lacks.
    """
    try:
        model, missing = build_model(plan.config, weights)
    except SampleError:
        raise
    except Exception as error:  # transformers raises anything from KeyError to ImportError here
        what = f"transformers cannot make a model of this merge: {type(error).__name__}: {error!s:.400}"
        raise SampleError(f"{what} Merge it to disk and load it as its architecture needs.") from error
    if missing:
        raise SampleError(
            f"The merge lacks {missing[0]!r} ({len(missing)} tensors) of {type(model).__name__}; it would be random."
        )
    return model.eval().requires_grad_(False)


def tokenizer_of(plan: Plan) -> PreTrainedTokenizerBase | None:
    """The result's tokenizer, None where its config donor has none."""
    if plan.tokenizer is None:
        return _loaded_tokenizer(plan.checkpoints[plan.donor].path)
    with tempfile.TemporaryDirectory(prefix="nbmerge-tokenizer-") as name:
        folder = Path(name)
        write_tokenizer(plan, folder)
        (folder / "config.json").write_text(json.dumps(plan.config), encoding="utf-8")
        return _loaded_tokenizer(folder)


def _loaded_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    if not any(os.path.lexists(folder / name) for name in TOKENIZER_FILES):
        return None
    return load_tokenizer(folder)
