"""Models to sample and score: load a folder with transformers, or take a model that is in memory already.

Weights are read from safetensors alone: nothing is unpickled, no remote code runs.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbmerge.checkpoints import Checkpoint, StoredTensor, hub
from nbmerge.engine.loading import load_model, load_tokenizer
from nbmerge.engine.planning.bare import no_model
from nbmerge.errors import CheckpointError, MergeStopped, NbmergeError, SampleError
from nbmerge.quoting import quote
from nbmerge.recipe import ModelRef
from nbmerge.sampling.threads import limit_threads

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from nbmerge.typing import Askable, ModelLike, StopSignal


class Loaded(NamedTuple):
    """A model in memory with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load(model: ModelLike, *, cancel: StopSignal | None = None) -> Loaded:
    """Load a model folder, or a model of the Hub, in the dtype that it is stored in; missing files are downloaded.

    A model with adapters, pickled shards or scaled float8 weights is assembled in memory, as a merge of one model.

    Parameters
    ----------
    model : path, Hub id or ModelRef
    cancel : StopSignal, optional
        Stops a download; partial downloads are kept.

    Raises
    ------
    SampleError
        When there is no model or no tokenizer, or a file is damaged or does not match the config.
    MergeStopped
        When `cancel` was set during a download.
    """
    try:
        ref = ModelRef.of(model if isinstance(model, str | ModelRef) else Path(model))
        checkpoint = Checkpoint.open(ref)
        if checkpoint.bare:
            raise no_model(f"Loading {ref.name}")
        hub.fetch((leaf.file for t in checkpoint.tensors.values() for leaf in t.leaves()), cancel=cancel)
    except (CheckpointError, ValueError) as error:  # ValueError: not a possible name of a model
        raise SampleError(str(error)) from error
    if not all(isinstance(t, StoredTensor) and t.file.suffix == ".safetensors" for t in checkpoint.tensors.values()):
        return _assemble(ref, checkpoint, cancel)
    return Loaded(_load_complete(checkpoint.path), load_tokenizer(checkpoint.path))


def resolve_model(model: Askable, tokenizer: Any = None, *, cancel: StopSignal | None = None) -> Loaded:
    """Find the model and the tokenizer in anything that `sample` takes.

    Parameters
    ----------
    model : path, `Loaded`, LiveMerge, VirtualMerge, Pin or PreTrainedModel
    tokenizer : PreTrainedTokenizerBase, optional
        Used instead of the model's own.
    """
    source: Any = load(model, cancel=cancel) if isinstance(model, str | PathLike) else model
    # A transformers model has a `.model` too, its inner one, but no tokenizer.
    if hasattr(source, "tokenizer") and hasattr(source, "model"):
        source, tokenizer = source.model, tokenizer or source.tokenizer
    if not hasattr(source, "generate"):
        raise TypeError(
            f"model must be a folder, a Hub id, a transformers model or a merge in memory, not {type(source).__name__}."
        )
    if tokenizer is None:
        raise SampleError(f"{type(source).__name__} has no tokenizer. Pass one: tokenizer=...")
    return Loaded(source, tokenizer)


def keep_unchanged(model: Any) -> AbstractContextManager[None]:
    """Make updates of a merge in memory wait; other models cannot change."""
    return model.locked() if hasattr(model, "locked") else nullcontext()


@contextmanager
def evaluation_mode(
    model: Askable, tokenizer: Any = None, *, cancel: StopSignal | None = None
) -> Iterator[Loaded]:  # fmt: skip
    """A model that does not change meanwhile, in evaluation mode, with as many threads as suit it."""
    import torch

    with keep_unchanged(model):
        loaded = resolve_model(model, tokenizer, cancel=cancel)
        was_training = loaded.model.training
        failure = library_errors("transformers cannot score texts with this model")
        with failure, limit_threads(loaded.model), torch.inference_mode():
            loaded.model.train(False)
            try:
                yield loaded
            finally:
                loaded.model.train(was_training)


@contextmanager
def library_errors(what: str, passing: Container[Exception] = ()) -> Iterator[None]:
    """Replace what transformers, tokenizers and torch raise because of a model's files by a `SampleError`.

    Parameters
    ----------
    what : str
        What failed; the message begins with it.
    passing : container of Exception, optional
        Errors of a caller's own functions, which are raised as they are.

    Raises
    ------
    SampleError
        For anything but errors of nbmerge, those that pass, and a lack of memory.
    """
    try:
        yield
    except (NbmergeError, MemoryError):
        raise
    except Exception as error:  # anything from TypeError to IndexError: the files of a model can be wrong in every way
        if error in passing:
            raise
        raise SampleError(f"{what}: {type(error).__name__}: {quote(str(error), 400)}") from error


def _assemble(ref: ModelRef, checkpoint: Checkpoint, cancel: StopSignal | None) -> Loaded:
    from nbmerge.engine.live import live

    try:
        merge = live({"merge_method": "passthrough", "models": [{"model": ref.plain()}]}, cancel=cancel)
    except NbmergeError as error:
        raise error if isinstance(error, SampleError | MergeStopped) else SampleError(str(error)) from error
    return Loaded(merge.model, load_tokenizer(checkpoint.path))


def _load_complete(path: Path) -> PreTrainedModel:
    model, missing = load_model(path)
    if missing:
        raise SampleError(
            f"{path} has no values for {len(missing)} {'tensor' if len(missing) == 1 else 'tensors'} of "
            f"{type(model).__name__} (first: {missing[0]!r}); transformers would initialise them randomly. "
            "Save or download the model again."
        )
    model.train(False)
    return model
