"""A transformers model and a tokenizer around tensors in memory, built by transformers' own loading code."""

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


def allocate_weights(plan: Plan) -> dict[str, torch.Tensor]:
    """Allocate every tensor of a plan; the system provides memory when it is first written to."""
    return {t.name: torch.empty(t.shape, dtype=getattr(torch, t.dtype)) for t in plan.tensors}


def assemble_model(plan: Plan, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """A transformers model whose parameters are these tensors, in evaluation mode.

    If the architecture fuses or reshapes tensors on loading, the model has copies of these.

    Raises
    ------
    SampleError
        When transformers does not know the architecture, or a tensor is missing.
    """
    try:
        model, missing = build_model(plan.config, weights)
    except SampleError:
        raise
    except Exception as error:  # transformers raises anything from KeyError to ImportError here
        what = f"transformers cannot build a model from this merge: {type(error).__name__}: {error!s:.400}"
        raise SampleError(
            f"{what} Merge to disk, and load the folder with the code that its architecture needs."
        ) from error
    if missing:
        raise SampleError(
            f"The merge has no values for {len(missing)} tensors of {type(model).__name__} (first: {missing[0]!r}); transformers would "
            "initialise them randomly."
        )
    return model.eval().requires_grad_(False)


def build_tokenizer(plan: Plan) -> PreTrainedTokenizerBase | None:
    """The result's tokenizer, None if its config donor has none."""
    if plan.tokenizer is None:
        return _load_tokenizer_if_present(plan.checkpoints[plan.donor].path)
    with tempfile.TemporaryDirectory(prefix="nbmerge-tokenizer-") as name:
        folder = Path(name)
        write_tokenizer(plan, folder)
        (folder / "config.json").write_text(json.dumps(plan.config), encoding="utf-8")
        return _load_tokenizer_if_present(folder)


def _load_tokenizer_if_present(folder: Path) -> PreTrainedTokenizerBase | None:
    if not any(os.path.lexists(folder / name) for name in TOKENIZER_FILES):
        return None
    return load_tokenizer(folder)
