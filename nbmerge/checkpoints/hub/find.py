"""From a Hub id to the folder of one commit in the local cache, with config and tokenizer in it.

A branch is resolved once per session, so that a model does not change while it is in use. A commit never changes: where all
its files are in the cache, no request is sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from nbmerge.checkpoints.hub import http
from nbmerge.checkpoints.hub.interruptible import map_all, wait_for
from nbmerge.checkpoints.hub.layout import blob_of, free_bytes, is_whole, link, snapshot_folder, store
from nbmerge.checkpoints.hub.listing import COMMIT, ask_listing
from nbmerge.checkpoints.hub.messages import offline, refused
from nbmerge.checkpoints.hub.ranges import read_small
from nbmerge.checkpoints.hub.snapshot import CONNECTIONS, INDEX, RemoteFile, Snapshot, remember, snapshot_of
from nbmerge.checkpoints.hub_cache import cached_snapshot
from nbmerge.errors import CheckpointError, MergeStopped
from nbmerge.model_ref import ModelRef
from nbmerge.sizes import human

AT_ONCE = (".json", ".jinja", ".model", ".txt", ".md", ".tiktoken", ".yml", ".yaml")
"""Suffixes of the files that are downloaded when a model is first used: config, tokenizer, card, recipe."""
AT_MOST = 64_000_000
"""Bytes of such a file; a larger one is data."""
AT_MOST_TOGETHER = 256_000_000
"""Bytes of all such files of a model."""
MOST_FILES = 200
KNOWN = frozenset((
    "config.json", "adapter_config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "spiece.model",
    "sentencepiece.bpe.model", "chat_template.jinja", "chat_template.json", "preprocessor_config.json",
    "processor_config.json", "README.md", "nbmerge_recipe.yml", "mergekit_config.yml",
))  # fmt: skip
"""Names of the files that come first, and without which a model is refused."""
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
AGAIN = 10.0
"""Seconds for which an error is cached: planning resolves models at every move of a slider."""

_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_found: dict[ModelRef, Path] = {}
_refusals: dict[ModelRef, tuple[float, str]] = {}


def find(ref: ModelRef, ask: bool = True) -> Path:
    """The folder of a Hub model, in the local cache.

    Its weights need not be there: `held` and `read_header` know them, `fetch` downloads them.

    Parameters
    ----------
    ref : ModelRef
        Adapters are not looked at.
    ask : bool
        Whether to query the Hub. If not, the model must be known in this session or cached.

    Raises
    ------
    CheckpointError
        When it is not a Hub id, or neither the Hub nor the cache has it.
    """
    ref = ModelRef(ref.path, ref.revision)
    if not _ID.fullmatch(ref.path):
        raise CheckpointError(_nowhere(ref))
    if ref in _found:
        if _found[ref].is_dir():
            return _found[ref]
        del _found[ref]  # the cache was emptied
    cached = cached_snapshot(ref.path, ref.revision)
    if cached is not None and (not ask or (COMMIT.fullmatch(ref.revision or "") and _complete(cached))):
        return cached if snapshot_of(cached) else _known(ref, cached).folder
    if not ask:
        raise CheckpointError(_nowhere(ref))
    when, refusal = _refusals.get(ref, (-AGAIN, ""))
    if time.monotonic() - when < AGAIN:
        raise CheckpointError(refusal)
    try:
        snapshot = _looked_up(ref, cached)
    except CheckpointError as error:
        _refusals[ref] = time.monotonic(), str(error)
        raise
    _found[ref] = _found[ModelRef(ref.path, snapshot.commit)] = snapshot.folder
    return snapshot.folder


def forget_models() -> None:
    """Forget resolved models, so that the Hub is queried again, for instance because a branch has moved."""
    _found.clear()
    _refusals.clear()


def _looked_up(ref: ModelRef, cached: Path | None) -> Snapshot:
    """The snapshot on the Hub, else the one in the cache."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        if cached is None:
            raise offline(ref.path, ref.revision)
        return _known(ref, cached)
    try:
        return _asked(ref)
    except MergeStopped:
        raise
    except Exception as error:  # of huggingface_hub, of the library below it, of the file system
        refusal = error if isinstance(error, CheckpointError) else refused(error, ref.path, ref.revision)
        if cached is None or not _complete(cached):
            raise refusal from error
        note = f"{refusal} Using the copy in the local cache: commit {cached.name}."
        return _known(ref, cached, note)


def _asked(ref: ModelRef) -> Snapshot:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # not in its __all__

    try:
        validate_repo_id(ref.path)
    except HFValidationError as error:
        raise CheckpointError(_nowhere(ref)) from error
    commit, files = wait_for(
        lambda: ask_listing(ref.path, ref.revision), http.PATIENCE, f"resolving '{ref.path}' on the Hub"
    )
    if not {"config.json", "adapter_config.json"} & set(files):
        raise CheckpointError(f"cannot merge '{ref.path}' from the Hub: it has no config.json.")
    folder = snapshot_folder(ref.path, commit)
    branch = None if ref.revision == commit else ref.revision or "main"
    snapshot = Snapshot(ref.path, commit, folder, branch, files)
    _bring_small_files(snapshot)
    _refuse_unreadable(ref, folder, files)
    return remember(snapshot)


def _bring_small_files(snapshot: Snapshot) -> None:
    """Download the small files that planning needs, each compared with its checksum."""
    folder = snapshot.folder
    absent = {n: f for n, f in _small(snapshot).items() if not (folder / n).is_file()}
    total = sum(f.size for f in absent.values())
    if absent and (free := free_bytes(folder)) < total:
        raise CheckpointError(
            f"not enough disk space in the Hugging Face cache ({folder.parent.parent.parent}) for config and tokenizer of "
            f"{snapshot.name}: {human(free)} are free. Free some space, or set HF_HUB_CACHE to another disk."
        )

    def bring(name: str) -> None:
        listed = absent[name]
        if not is_whole(blob := blob_of(snapshot.root, listed), listed):
            return store(snapshot, name, read_small(snapshot, name, listed.size))
        link(folder, name, blob)

    seconds = http.PATIENCE + total / http.SLOWEST
    map_all(bring, list(absent), CONNECTIONS, seconds, f"downloading config and tokenizer of {snapshot.name}")


def _small(snapshot: Snapshot) -> dict[str, RemoteFile]:
    """Config, tokenizer, card and the like, and other small files within limits."""
    small = {
        n: f for n, f in snapshot.files.items() if n in KNOWN or (n.lower().endswith(AT_ONCE) and f.size <= AT_MOST)
    }
    chosen: dict[str, RemoteFile] = {}
    total = 0
    for name in sorted(small, key=lambda n: (n not in KNOWN and not n.endswith(".index.json"), small[n].size, n)):
        if small[name].size > AT_MOST or total + small[name].size > AT_MOST_TOGETHER or len(chosen) >= MOST_FILES:
            if name in KNOWN:
                raise CheckpointError(
                    f"config and tokenizer of {snapshot.name} are larger than those of real models ({name}: "
                    f"{human(small[name].size)}). If you trust it, run: hf download {snapshot.repo_id} --revision {snapshot.commit}"
                )
            continue
        chosen[name], total = small[name], total + small[name].size
    return chosen


def _refuse_unreadable(ref: ModelRef, folder: Path, files: Mapping[str, RemoteFile]) -> None:
    """Refuse models whose headers cannot be read remotely, unless they have been downloaded."""
    weights = [n for n in files if n.lower().endswith(WEIGHTS) and "training_args" not in n]
    if any(n.endswith(".safetensors") for n in weights) or any((folder / n).is_file() for n in weights):
        return
    if weights:
        raise CheckpointError(
            f"'{ref}' has no safetensors, only {', '.join(weights[:3])}, which cannot be inspected before the download. "
            f"Download it first: hf download {ref.path} --revision {folder.name}"
        )
    raise CheckpointError(f"cannot merge '{ref}' from the Hub: it has no safetensors.")


def _known(ref: ModelRef, folder: Path, note: str = "") -> Snapshot:
    """A snapshot that is known from the cache only."""
    branch = None if ref.revision == folder.name else ref.revision or "main"
    before = snapshot_of(folder)  # the listing of a commit never changes
    return remember(Snapshot(ref.path, folder.name, folder, branch, before.files if before else {}, note))


def _complete(folder: Path) -> bool:
    """Whether a cached snapshot has all its weights: those of the index, or any."""
    if (folder / INDEX).is_file():
        probe = Snapshot("", folder.name, folder)
        named = probe.indexed
        return bool(named) and all((folder / n).is_file() for n in named)
    return any(p.suffix in WEIGHTS for p in folder.iterdir())


def _nowhere(ref: ModelRef) -> str:
    return f"'{ref}' is neither a local folder nor a model in the Hugging Face cache. Check the path" + (
        f", or download it first: hf download {ref.path}" if _ID.fullmatch(ref.path) else "."
    )
