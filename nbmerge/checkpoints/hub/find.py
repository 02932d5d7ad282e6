"""From a Hub id to the folder of one commit in the local cache, with config and tokenizer in it.

Whether a branch has moved is asked once in a session, so that a model does not change while somebody works with it. A
commit never changes: where its files are all here, the Hub is not asked at all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nbmerge.checkpoints.cache import cached_snapshot
from nbmerge.checkpoints.hub.snapshot import CONNECTIONS, INDEX, RemoteFile, Snapshot, remember, snapshot_of
from nbmerge.checkpoints.hub.words import offline, refused
from nbmerge.errors import CheckpointError
from nbmerge.recipe.reference import ModelRef

AT_ONCE = (".json", ".jinja", ".model", ".txt", ".md", ".tiktoken", ".yml", ".yaml")
"""Endings of what is downloaded when a model is first looked at: config, tokenizer, card, recipe."""
AT_MOST = 64_000_000
"""Bytes of such a file; a larger one is data."""
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
AGAIN = 10.0
"""Seconds for which a refusal stands: planning asks at every move of a slider."""

_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
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
        Whether the Hub may be asked. If not, what this session or the cache knows has to do.

    Raises
    ------
    CheckpointError
        When it is no Hub id, or neither the Hub nor the cache has it.
    """
    ref = ModelRef(ref.path, ref.revision)
    if not _ID.fullmatch(ref.path):
        raise CheckpointError(_nowhere(ref))
    if ref in _found:
        if _found[ref].is_dir():
            return _found[ref]
        del _found[ref]  # somebody emptied the cache
    cached = cached_snapshot(ref.path, ref.revision)
    if cached is not None and (not ask or (_COMMIT.fullmatch(ref.revision or "") and _complete(cached))):
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


def forget() -> None:
    """Let the next look at any model ask the Hub anew, such as whether a branch has moved."""
    _found.clear()
    _refusals.clear()


def _looked_up(ref: ModelRef, cached: Path | None) -> Snapshot:
    """What the Hub says, else what the cache has."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        if cached is None:
            raise offline(ref.path, ref.revision)
        return _known(ref, cached)
    try:
        return _asked(ref)
    except Exception as error:  # of huggingface_hub, of the library below it, of the file system
        refusal = error if isinstance(error, CheckpointError) else refused(error, ref.path, ref.revision)
        if cached is None or not _complete(cached):
            raise refusal from error
        note = f"{refusal} Its copy in the local cache is taken: commit {cached.name}."
        return _known(ref, cached, note)


def _asked(ref: ModelRef) -> Snapshot:
    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        info = HfApi().model_info(
            ref.path, revision=ref.revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
    except HFValidationError as error:
        raise CheckpointError(_nowhere(ref)) from error
    files = {s.rfilename: _listed(s) for s in info.siblings or () if "/" not in s.rfilename and s.size is not None}
    small = [n for n, f in files.items() if n.lower().endswith(AT_ONCE) and f.size <= AT_MOST]
    marker = next((n for n in ("config.json", "adapter_config.json") if n in small), None)
    if marker is None:
        raise CheckpointError(f"'{ref.path}' on the Hub is no model that can be merged: it has no config.json.")

    def fetch(name: str) -> Path:
        return Path(hf_hub_download(ref.path, name, revision=info.sha))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        folder = dict(zip(small, pool.map(fetch, small), strict=True))[marker].parent
    _refuse_unreadable(ref, folder, files)
    branch = None if ref.revision == info.sha else ref.revision or "main"
    return remember(Snapshot(ref.path, info.sha, folder, branch, files))


def _listed(sibling) -> RemoteFile:
    lfs = sibling.lfs
    sha256 = None if lfs is None else lfs["sha256"] if isinstance(lfs, Mapping) else lfs.sha256
    return RemoteFile(sibling.size, sha256 or sibling.blob_id or "", sha256 is not None)


def _refuse_unreadable(ref: ModelRef, folder: Path, files: Mapping[str, RemoteFile]) -> None:
    """Refuse what has no header to be read from afar, unless it is here already."""
    weights = [n for n in files if n.lower().endswith(WEIGHTS) and "training_args" not in n]
    if any(n.endswith(".safetensors") for n in weights) or any((folder / n).is_file() for n in weights):
        return
    if weights:
        raise CheckpointError(
            f"'{ref}' has no safetensors but {', '.join(weights[:3])}, which cannot be looked at before the download. "
            f"Fetch it first: hf download {ref.path} --revision {folder.name}"
        )
    raise CheckpointError(f"'{ref}' on the Hub holds no weights that can be merged (safetensors).")


def _known(ref: ModelRef, folder: Path, note: str = "") -> Snapshot:
    """A snapshot of which only the cache tells."""
    branch = None if ref.revision == folder.name else ref.revision or "main"
    before = snapshot_of(folder)  # what the Hub once said of a commit holds
    return remember(Snapshot(ref.path, folder.name, folder, branch, before.files if before else {}, note))


def _complete(folder: Path) -> bool:
    """Whether a cached snapshot has all its weights: those of the index, or any."""
    if (folder / INDEX).is_file():
        probe = Snapshot("", folder.name, folder)
        named = probe.indexed
        return bool(named) and all((folder / n).is_file() for n in named)
    return any(p.suffix in WEIGHTS for p in folder.iterdir())


def _nowhere(ref: ModelRef) -> str:
    return (
        f"'{ref}' is neither a folder here nor a model in the local Hugging Face cache. "
        f"Check the path, or fetch it first: hf download {ref.path}"
    )
