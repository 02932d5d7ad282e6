"""A checkpoint: a model folder seen through its headers. Opening one reads config, headers and nothing else."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints import bare, float8, hub, pickle_files
from nbmerge.checkpoints.adapters import adapter
from nbmerge.checkpoints.adapters.apply_adapter import describe_unchanged, with_adapter
from nbmerge.checkpoints.adapters.factors import CONFIG as ADAPTER_CONFIG
from nbmerge.checkpoints.adapters.initial import KINDS, find_initial
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.layout import Layout
from nbmerge.checkpoints.quantisation import refuse_config, refuse_files, refuse_tensors
from nbmerge.checkpoints.stacks import depths
from nbmerge.checkpoints.weights_index import read_index
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_json
from nbmerge.model_ref import ModelRef

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
DEPTH_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
MOST_LAYERS = 100_000
_FAR = re.compile(r"(^|\.)\d{6,}(\.|$)")
Entry = tuple[str, int, int, int, int]
"""Name of a file, and what identifies its state."""
_POSITIONS = re.compile(r"wpe|pos(ition)?(al)?_?(emb|enc)|embed_positions|token_type")


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk, or bare weights.

    Parameters
    ----------
    path : Path
        The folder; of bare weights, the file or the index of the shards.
    config : dict
        Its ``config.json``; empty for bare weights.
    tensors : mapping of str to TensorInput
        Every tensor, by name: stored, computed from stored ones, or the plan of a merge that is not made yet.
    name : str
        Short name for labels.
    adapters : tuple of Path
        Folders of the adapters that are applied, in order. Where one has a vocabulary of its own, `path` is its folder, because
        the model has its tokenizer, and the folder of the base comes first here.
    notes : tuple of str
        Remarks about how it was assembled.
    stacks : tuple of str, optional
        Of bare weights, the lists of modules that count as layers; None for a model, whose config defines its layers.
    """

    path: Path
    config: dict[str, Any]
    tensors: Mapping[str, TensorInput]
    name: str
    adapters: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    stacks: tuple[str, ...] | None = None

    @classmethod
    def open(cls, model: str | Path | ModelRef, ask: bool = True) -> Checkpoint:
        """Open a local folder, a Hub id with the adapters in its name, or a weights file; weights need not be downloaded.

        Parameters
        ----------
        model : str, Path or ModelRef
        ask : bool
            Whether to query the Hub for an id; if not, it must be in the local cache.

        Raises
        ------
        CheckpointError
            When it is neither, its files are incomplete or damaged, or it cannot be merged.
        """
        ref = ModelRef.of(model)
        if (file := bare.find_file(ref, ask)) is not None:
            return _bare(file, _state(file.parent), ref.name)
        path = _folder(ref, ask)
        plain = _plain(path, _state(path), ref.name)
        return plain._adapted(ref.lora, ask) if ref.lora else plain

    def _adapted(self, adapters: tuple[str, ...], ask: bool) -> Checkpoint:
        """The same model with adapters applied, one after another."""
        made = self
        for text in adapters:
            folder = _folder(ModelRef.of(text), ask)
            found = _adapter(folder, _state_of_adapter(folder))
            shared = made.token_embedding if made.tied else None
            before = made
            made = replace(made, tensors=with_adapter(made.tensors, found, shared), adapters=(*made.adapters, folder))
            if note := describe_unchanged(found, before.tensors, made.tensors):
                made = replace(made, notes=(*made.notes, note))
            if made.vocabulary != before.vocabulary:
                made = replace(made, config=_with_vocabulary(made.config, before.vocabulary, made.vocabulary))
                if any((folder / name).is_file() for name in _TOKENIZERS):
                    made = replace(made, path=folder, adapters=(before.path, *made.adapters))
        return made

    def _without_copies(self) -> Checkpoint:
        """The same model without a head that is a copy of its embedding, as pickled files may contain it."""
        heads = self.layout.outside("head")
        said = self.config.get("tie_word_embeddings", True)
        if not heads or not said or next(self.tensors[heads[0]].leaves()).file.suffix == ".safetensors":
            return self
        return replace(self, tensors=pickle_files.without_copies(self.tensors, heads, self.layout.outside("embedding")))

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that identify the model: its own and those of its adapters."""
        return (self.path, *self.adapters)

    @property
    def bare(self) -> bool:
        """Whether it is bare weights: tensors without a config."""
        return self.stacks is not None

    @cached_property
    def layout(self) -> Layout:
        """Layers and roles of its tensors."""
        if self.stacks is not None:
            return Layout.of_bare(self.tensors, self.stacks)
        return Layout(self.tensors, self.config_depth, {d.value for d in depths(self.config)})

    @property
    def config_depth(self) -> int | None:
        """Number of layers by the config, None where it does not declare any."""
        said = (part.get(k) for part in (self.config, self.text_config) for k in DEPTH_KEYS)
        return next((n for n in said if type(n) is int and n >= 0), None)

    @property
    def text_config(self) -> dict[str, Any]:
        """The part of the config that describes the language model, which is often all of it."""
        inner = self.config.get("text_config")
        return inner if isinstance(inner, dict) else self.config

    @property
    def depth(self) -> int:
        """Number of layers by the weights."""
        return self.layout.depth

    @cached_property
    def parameters(self) -> int:
        """Number of stored elements."""
        return sum(t.count for t in self.tensors.values())

    @cached_property
    def nbytes(self) -> int:
        """Size of the weights in bytes."""
        return sum(t.nbytes for t in self.tensors.values())

    @cached_property
    def dtype(self) -> str:
        """The dtype most elements are stored in."""
        sizes: Counter[str] = Counter()
        for tensor in self.tensors.values():
            sizes[tensor.output_dtype] += tensor.count
        return sizes.most_common(1)[0][0]

    @property
    def architecture(self) -> str:
        """The class that the config names, or its model type."""
        named = self.config.get("architectures")
        return str(named[0] if isinstance(named, list) and named else self.config.get("model_type", "unknown"))

    @property
    def tied(self) -> bool:
        """Whether the head shares the embedding's weights and has no tensor of its own."""
        return not self.bare and not self.layout.outside("head") and bool(self.config.get("tie_word_embeddings", True))

    @property
    def vocabulary(self) -> int | None:
        """Rows of the token embedding, None where none is found."""
        return None if self.token_embedding is None else self.tensors[self.token_embedding].shape[0]

    @cached_property
    def token_embedding(self) -> str | None:
        """Name of the tensor with a row for each token, which is not one for positions and the like."""
        tables = [
            n for n in self.layout.outside("embedding") if len(self.tensors[n].shape) == 2 and not _POSITIONS.search(n)
        ]
        said = self.config.get("vocab_size", self.text_config.get("vocab_size"))
        return max(tables, key=lambda n: (self.tensors[n].shape[0] == said, self.tensors[n].shape[0]), default=None)

    def __repr__(self) -> str:
        return (
            f"<Checkpoint {self.name}: {self.architecture}, {self.parameters:,} parameters, {self.depth} layers, "
            f"{self.dtype}, vocabulary {self.vocabulary}>"
        )


@lru_cache(maxsize=64)
def _plain(path: Path, state: tuple[Entry, ...], name: str) -> Checkpoint:
    """A model without adapters in one state of its files, read once."""
    config, tensors = _contents(path, state)
    return Checkpoint(path, config, tensors, name)._without_copies()


@lru_cache(maxsize=64)
def _bare(file: Path, state: tuple[Entry, ...], name: str) -> Checkpoint:
    """Bare weights in one state of the files around them, read once."""
    notes: tuple[str, ...] = ()
    if (file.parent / "config.json").is_file():
        notes = (
            f"{file.name} is merged without the config.json beside it. Name the folder to merge the model as a whole.",
        )
    tensors = bare.read_bare(file)
    _refuse_depth(file, {}, tensors)
    return Checkpoint(file, {}, tensors, name, notes=notes, stacks=())


@lru_cache(maxsize=64)
def _contents(path: Path, state: tuple[Entry, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and headers of a folder in one state of its files, read once, with float8 as the weights that it represents."""
    if not os.path.lexists(path / "config.json") and os.path.lexists(path / ADAPTER_CONFIG):
        raise CheckpointError(
            f"{path} is an adapter, not a model. Write it after the model that it was made for, as MODEL+{path.name}, or as the "
            "mapping {path: MODEL, lora: ADAPTER}."
        )
    config = _read_json(path / "config.json")
    refuse_config(path, config)
    tensors = _stored_tensors(path)
    if not tensors:
        raise CheckpointError(f"{path} contains no tensors. Download or save the model again.")
    _refuse_depth(path, config, tensors)
    refuse_tensors(path, config, tensors)
    return float8.weights_of(path, config, tensors)


def open_adapter(name: str | Path | ModelRef) -> adapter.Adapter:
    """Read the config and header of an adapter in a local folder or on the Hub; the weights need not be downloaded.

    Raises
    ------
    CheckpointError
        When it is not a LoRA adapter, its files are incomplete or damaged, or it cannot be applied.
    """
    ref = ModelRef.of(name)
    folder = _folder(ref)
    if ref.lora or not adapter.is_adapter(folder):
        raise CheckpointError(f"{ref} is not an adapter. Name the folder of a LoRA, which contains {ADAPTER_CONFIG}.")
    return _adapter(folder, _state_of_adapter(folder))


def _state_of_adapter(folder: Path) -> tuple[Entry, ...]:
    """The state of an adapter's files and of those of its initial weights, wherever they may be."""
    places = (folder, *(place for kind in KINDS if (place := find_initial(folder, kind))))
    return tuple(entry for place in places for entry in _state(place))


@lru_cache(maxsize=64)
def _adapter(folder: Path, state: tuple[Entry, ...]) -> adapter.Adapter:
    """An adapter in one state of its files, read once."""
    return adapter.read_adapter(folder)


def _with_vocabulary(config: dict[str, Any], before: int | None, after: int | None) -> dict[str, Any]:
    """The config of a model whose token embedding got more rows; rows without a token stay as many as they were."""
    text = config.get("text_config")
    part = text if isinstance(text, dict) else config
    if before is None or after is None or not isinstance(part.get("vocab_size"), int):
        return config
    changed = part | {"vocab_size": part["vocab_size"] + after - before}
    return config | {"text_config": changed} if part is text else changed


def _refuse_depth(path: Path, config: dict[str, Any], tensors: Iterable[str]) -> None:
    """Refuse impossible numbers of layers, before anything counts up to them."""
    if name := next(filter(_FAR.search, tensors), None):
        raise CheckpointError(
            f"{path} has a tensor with an impossible layer number: {name!r:.120}. Do not use this model."
        )
    if declared := next((d for d in depths(config) if d.value > MOST_LAYERS), None):
        raise CheckpointError(
            f"config.json in {path} declares {declared.value:.3g} layers ({'.'.join(declared.path)}). Correct it."
        )


def _state(path: Path) -> tuple[Entry, ...]:
    """Name, inode, size and times of every file: what was read is valid as long as this is the same."""
    try:
        with os.scandir(path) as entries:
            return tuple(sorted(_entry(e) for e in entries))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error


def _entry(entry: os.DirEntry[str]) -> Entry:
    try:
        found = entry.stat()
    except FileNotFoundError:  # a broken link, which may not be needed
        found = entry.stat(follow_symlinks=False)
    return entry.name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _folder(ref: ModelRef, ask: bool = True) -> Path:
    try:
        path = Path(ref.path).expanduser()
        if path.is_dir():
            return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # too long, or an unknown home directory
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"'{ref.path:.200}' is not a valid path: {why}.") from error
    return hub.find(ref, ask)


def _stored_tensors(path: Path) -> dict[str, StoredTensor]:
    index, single = path / INDEX, path / SINGLE
    if os.path.lexists(index):
        return read_index(index, lambda file: hub.read_header(file)[0])
    if hub.held(single):
        return hub.read_header(single)[0]
    if os.path.lexists(path / pickle_files.INDEX):
        return read_index(path / pickle_files.INDEX, pickle_files.read_pickled)
    if found := next((path / name for name in pickle_files.SINGLES if hub.held(path / name)), None):
        return pickle_files.read_pickled(found)
    others = sorted(p.name for p in path.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".gguf", ".safetensors"))
    refuse_files(path, (p.name for p in path.iterdir()))
    if not others:
        raise CheckpointError(f"{path} has no weights: it has neither {SINGLE} nor {INDEX}.")
    raise CheckpointError(
        f"{path} has neither {SINGLE} nor {pickle_files.SINGLES[0]}, only {', '.join(others[:4])}. Load it with transformers and "
        "save it again with save_pretrained."
    )


def _read_json(file: Path) -> dict[str, Any]:
    if not os.path.lexists(file):
        weights = sorted(p.name for p in file.parent.iterdir() if p.name.endswith((bare.SAFETENSORS, bare.INDEX)))
        how = f" To merge its tensors alone, name the file: {file.parent / weights[-1]}." if weights else ""
        raise CheckpointError(f"{file.parent} is not a model folder: it has no {file.name}.{how}")
    return read_model_json(file)
