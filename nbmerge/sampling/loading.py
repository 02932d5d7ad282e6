"""Load a model folder with transformers, quietly, and refuse what would only look like a model.

Weights come from safetensors alone, code from nowhere: no unpickling, no remote code, no download.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbmerge.checkpoints import Checkpoint, StoredTensor, hub
from nbmerge.engine.loading import load_model, load_tokenizer
from nbmerge.errors import CheckpointError, NbmergeError, SampleError
from nbmerge.recipe import ModelRef

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Loaded(NamedTuple):
    """A model that can be asked, and what turns text into its tokens."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load(folder: str | PathLike | ModelRef) -> Loaded:
    """Load a model folder or a Hub id, which is downloaded as far as it is not here, in the dtype it is stored in.

    A model with adapters, of pickled shards or of float8 with scales is put together in memory, as a merge of one model.

    Raises
    ------
    SampleError
        When it holds no model or no tokenizer, or a file is damaged or does not fit the config.
    """
    try:
        ref = ModelRef.of(folder if isinstance(folder, str | ModelRef) else Path(folder))
        checkpoint = Checkpoint.open(ref)
        hub.fetch(leaf.file for t in checkpoint.tensors.values() for leaf in t.leaves())
    except (CheckpointError, ValueError) as error:  # ValueError: a name that no model can have
        raise SampleError(str(error)) from error
    if not all(isinstance(t, StoredTensor) and t.file.suffix == ".safetensors" for t in checkpoint.tensors.values()):
        return _put_together(ref, checkpoint)
    return Loaded(_model(checkpoint.path), load_tokenizer(checkpoint.path))


def asked(model: Any, tokenizer: Any = None) -> Loaded:
    """Make a model and a tokenizer of anything that `sample` takes.

    Parameters
    ----------
    model : path, `Loaded`, LiveMerge or PreTrainedModel
    tokenizer : PreTrainedTokenizerBase, optional
        Wins over the model's own.
    """
    if isinstance(model, str | PathLike):
        model = load(model)
    # A transformers model has a `.model` too, its inner one, but no tokenizer.
    if hasattr(model, "tokenizer") and hasattr(model, "model"):
        model, tokenizer = model.model, tokenizer or model.tokenizer
    if not hasattr(model, "generate"):
        what = f"not {type(model).__name__}."
        raise TypeError(f"a model to sample from is a folder, a transformers model or a live merge, {what}")
    if tokenizer is None:
        raise SampleError(f"{type(model).__name__} comes without a tokenizer. Pass one: tokenizer=...")
    return Loaded(model, tokenizer)


def held(model: Any) -> AbstractContextManager:
    """Keep a model that can change under way (a live merge) as it is, while it is asked."""
    return model.held() if hasattr(model, "held") else nullcontext()


def _put_together(ref: ModelRef, checkpoint: Checkpoint) -> Loaded:
    from nbmerge.engine.live import live

    try:
        made = live({"merge_method": "passthrough", "models": [{"model": ref.plain()}]})
    except NbmergeError as error:
        raise error if isinstance(error, SampleError) else SampleError(str(error)) from error
    return Loaded(made.model, load_tokenizer(checkpoint.path))


def _model(path: Path) -> PreTrainedModel:
    model, missing = load_model(path)
    if missing:
        what = f"{path} lacks {missing[0]!r} ({len(missing)} tensors) of {type(model).__name__}; they would be random."
        raise SampleError(f"{what} Save or download the model again.")
    return model.eval()
