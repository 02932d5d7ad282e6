"""Weights files on the Hub that are named by themselves, also in subfolders: parts of diffusion models, adapters, bare weights.

They are named ``owner/name/path/to/file.safetensors``. What is in their folder beside them is not looked at, apart from the shards of
an index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nbmerge.bounded import is_name
from nbmerge.checkpoints.hub import http
from nbmerge.checkpoints.hub.find import AT_MOST, forget_models
from nbmerge.checkpoints.hub.interruptible import wait_for
from nbmerge.checkpoints.hub.layout import snapshot_folder, store
from nbmerge.checkpoints.hub.listing import COMMIT, ask_listing
from nbmerge.checkpoints.hub.messages import refused
from nbmerge.checkpoints.hub.ranges import read_small
from nbmerge.checkpoints.hub.snapshot import Snapshot, remember, snapshot_of
from nbmerge.errors import CheckpointError, MergeStopped
from nbmerge.model_ref import ModelRef
from nbmerge.problems import nearest
from nbmerge.sizes import human

INSPECTED = (".safetensors", ".index.json")
"""Ends of the names of files that can be inspected before they are downloaded."""
_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_found: dict[tuple[str, str, str | None], Snapshot] = {}
"""By repository, subfolder and revision."""


@dataclass(frozen=True)
class _Place:
    """Where a file is on the Hub."""

    repo_id: str
    inner: str
    name: str
    revision: str | None

    @property
    def path(self) -> str:
        return f"{self.inner}/{self.name}" if self.inner else self.name

    @property
    def command(self) -> str:
        """The command that downloads it."""
        return f"hf download {self.repo_id} {self.path}" + (f" --revision {self.revision}" if self.revision else "")


def is_file_on_hub(path: str) -> bool:
    """Whether a path can be that of a file on the Hub: it has an owner, a repository and a file, and is not below a local folder."""
    owner, _, rest = path.partition("/")
    repo, _, inside = rest.partition("/")
    return (
        bool(_REPO.fullmatch(f"{owner}/{repo}"))
        and bool(inside)
        and all(map(is_name, inside.split("/")))
        and not Path(owner).exists()
    )


def find_file(ref: ModelRef, ask: bool = True) -> Path:
    """The path that a weights file of the Hub has in the local cache; `fetch` downloads it.

    Parameters
    ----------
    ref : ModelRef
        Its path is one for which `is_file_on_hub` holds.
    ask : bool
        Whether to query the Hub. If not, the file must be known in this session or cached.

    Raises
    ------
    CheckpointError
        When neither the Hub nor the cache has it, or it cannot be inspected before it is downloaded.
    """
    owner, repo, *inner, name = ref.path.split("/")
    place = _Place(f"{owner}/{repo}", "/".join(inner), name, ref.revision)
    key = place.repo_id, place.inner, place.revision
    snapshot = _found.get(key)
    if snapshot is None or not snapshot.folder.is_dir():
        snapshot = _find_folder(place, ask)
        if snapshot.files:
            for revision in (place.revision, snapshot.commit):
                _found[place.repo_id, place.inner, revision] = snapshot
    file = snapshot.folder / name
    if not file.is_file():
        _refuse_absent(place, snapshot)
        if name.endswith(".json"):
            _bring_index(snapshot, name)
    return file


def forget() -> None:
    """Forget resolved models and files, so that the Hub is queried again, for instance because a branch has moved."""
    forget_models()
    _found.clear()


def _find_folder(place: _Place, ask: bool) -> Snapshot:
    """The folder of a file on the Hub, else the one in the cache."""
    from huggingface_hub import constants

    cached = _cached_folder(place)
    is_whole = COMMIT.fullmatch(place.revision or "") and not place.name.endswith(".json")  # shards may be missing
    if cached is not None and (not ask or constants.HF_HUB_OFFLINE or is_whole):
        return snapshot_of(cached.folder) or remember(cached)
    if not ask or constants.HF_HUB_OFFLINE:
        why = "and offline mode (HF_HUB_OFFLINE) is on" if constants.HF_HUB_OFFLINE else "and the Hub is not asked now"
        raise CheckpointError(
            f"'{place.repo_id}/{place.path}' is neither a local file nor in the Hugging Face cache, {why}. Check the path, or "
            f"download it first: {place.command}"
        )
    try:
        commit, files = wait_for(
            lambda: ask_listing(place.repo_id, place.revision, place.inner),
            http.PATIENCE, f"resolving '{place.repo_id}' on the Hub",
        )  # fmt: skip
    except MergeStopped:
        raise
    except Exception as error:  # of huggingface_hub, of the library below it
        refusal = error if isinstance(error, CheckpointError) else refused(error, place.repo_id, place.revision)
        if cached is None:
            raise CheckpointError(
                f"there is no file {place.repo_id}/{place.path} here, and none on the Hub: {refusal}"
            ) from error
        note = f"{refusal} Using the copy in the local cache: commit {cached.commit}."
        return remember(Snapshot(cached.repo_id, cached.commit, cached.folder, None, {}, note, cached.inner))
    branch = None if place.revision == commit else place.revision or "main"
    folder = snapshot_folder(place.repo_id, commit).joinpath(*filter(None, place.inner.split("/")))
    snapshot = remember(Snapshot(place.repo_id, commit, folder, branch, files, inner=place.inner))
    for made in (snapshot.folder, snapshot.root.parent.parent / "blobs"):
        made.mkdir(parents=True, exist_ok=True)
    return snapshot


def _cached_folder(place: _Place) -> Snapshot | None:
    """The folder of a file that is in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(place.repo_id, place.path, revision=place.revision)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    made = Snapshot(place.repo_id, "", folder, inner=place.inner)
    return Snapshot(place.repo_id, made.root.name, folder, inner=place.inner)


def _refuse_absent(place: _Place, snapshot: Snapshot) -> None:
    """Refuse a file that the Hub does not list, and one that cannot be inspected from afar."""
    if place.name not in snapshot.files:
        weights = [snapshot.path_of(n) for n in snapshot.files if n.endswith(INSPECTED)]
        how = nearest(place.path, weights) if weights else "It has no safetensors there."
        raise CheckpointError(f"'{place.repo_id}' has no file {place.path} at {snapshot.commit[:8]}. {how}")
    if not place.name.endswith(INSPECTED):
        raise CheckpointError(
            f"{place.path} of '{place.repo_id}' is not a safetensors file, so it cannot be inspected before the download. Download it "
            f"first, and name the downloaded file: {place.command}"
        )


def _bring_index(snapshot: Snapshot, name: str) -> None:
    """Download the index of shards."""
    listed = snapshot.files[name]
    if listed.size > AT_MOST:
        raise CheckpointError(
            f"{snapshot.path_of(name)} of {snapshot.name} is too large for an index of shards ({human(listed.size)}). Check that it is "
            f"one. If you trust it, run: hf download {snapshot.repo_id} --revision {snapshot.commit}"
        )
    store(snapshot, name, read_small(snapshot, name, listed.size))
