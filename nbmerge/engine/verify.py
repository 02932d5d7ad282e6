"""Whether a merged folder is still what was written, and what its recipe says."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import xxhash

from nbmerge.checkpoints import Checkpoint, StoredTensor, hub
from nbmerge.checkpoints.header import read_header
from nbmerge.engine.compute.arithmetic import RECORD, arithmetic, difference
from nbmerge.engine.compute.device import DEVICE
from nbmerge.engine.compute.device import found as found_device
from nbmerge.engine.compute.pool import run
from nbmerge.engine.output.folder import MANIFEST, absolute
from nbmerge.engine.output.shards import checksum_at
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.errors import CheckpointError, MergeError, MergeStopped
from nbmerge.guarded_files import open_model_file, read_model_json
from nbmerge.progress import Listener, Reporter
from nbmerge.recipe import RECIPE_FILE, Recipe


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    path : Path
    checked : int
        Tensors whose bytes were compared with their recorded checksum.
    damaged : tuple of str
        Tensors whose bytes are not those that were written.
    derived : int
        Tensors that were computed again from recipe and parents.
    differing : tuple of str
        Those of them that came out differently: recipe, a parent or the file was changed.
    device : str, optional
        Where the folder was mixed, if not on the processor.
    arithmetic : str, optional
        What decides rounding and was another when the folder was written than it is here, in words; None where it is the same.
    """

    path: Path
    checked: int
    damaged: tuple[str, ...]
    derived: int = 0
    differing: tuple[str, ...] = ()
    device: str | None = None
    arithmetic: str | None = None

    @property
    def ok(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.damaged or self.differing)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.checked} tensors checked, {len(self.damaged)} damaged."]
        if self.derived:
            lines.append(f"{self.derived} derived again from recipe and parents, {len(self.differing)} differ.")
        if self.differing and self.device:
            lines.append(f"It was mixed on {self.device}: on other hardware numbers differ in their last place.")
        if self.arithmetic and (self.differing or not self.derived):
            cause = (
                "the likely cause, rather than recipe or parents"
                if self.differing
                else "so deriving it here may differ"
            )
            lines.append(f"It was rounded otherwise than here ({self.arithmetic}): {cause}.")
        return "\n".join([*lines, *(f"damaged: {n}" for n in self.damaged), *(f"differs: {n}" for n in self.differing)])

    __repr__ = __str__


@hub.stopping
def verify(
    out: str | Path,
    derive: bool | Iterable[str] = False,
    *,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
) -> Verification:
    """Compare a merged folder's tensors with the checksums recorded when they were written.

    Parameters
    ----------
    out : path
        A folder that `nbmerge.merge` wrote.
    derive : bool or iterable of str
        Also compute all tensors, or those named, again from the folder's recipe and its parents.

    Raises
    ------
    CheckpointError
        When it is no such folder, or lacks tensors.
    RecipeError
        When its recipe can no longer be carried out, with `derive`.
    """
    folder = absolute(out)
    checksums, then = _recorded(folder)
    rounded = difference(then, arithmetic())
    stored = Checkpoint.open(folder).tensors
    if lost := sorted(set(checksums) - set(stored)):
        raise CheckpointError(f"{folder} lacks {len(lost)} of the tensors that were written: {', '.join(lost[:4])}.")
    damaged = _damaged(checksums, stored, progress, cancel)
    if not derive:
        return Verification(folder, len(checksums), damaged, arithmetic=rounded)
    plan = make_plan(Recipe.load(folder / RECIPE_FILE))
    wanted = plan.tensors if derive is True else tuple(plan[name] for name in derive)
    found: dict[str, str] = {}

    def sink(tensor, blocks):
        digest = xxhash.xxh3_64()

        def take(start: int, block: torch.Tensor) -> None:
            digest.update(memoryview(block.contiguous().view(torch.uint8).numpy()))
            found[tensor.name] = digest.hexdigest()

        return take

    device = next((read_header(s.file)[1].get(DEVICE) for s in stored.values()), None)
    run(wanted, sink, progress=progress, cancel=cancel, allow_nonfinite=True, device=_device(device))
    differing = tuple(n for n, c in found.items() if checksums.get(n) != c)
    return Verification(folder, len(checksums), damaged, len(found), differing, device, rounded)


def _device(name: str | None) -> torch.device | None:
    """Where to derive what was mixed there: the same device, else the processor."""
    try:
        return found_device(name)
    except MergeError:
        return None


def _recorded(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Checksums by tensor, and what decided rounding when they were computed: empty in folders of older versions."""
    if not folder.is_dir():
        raise CheckpointError(f"there is no folder {folder}. Check the path.")
    if not os.path.lexists(folder / MANIFEST):
        raise CheckpointError(f"{folder} has no {MANIFEST}; only folders that nbmerge wrote can be verified.")
    try:
        manifest = read_model_json(folder / MANIFEST)
        return tuple(
            {str(k): str(v)[:200] for k, v in part.items()} for part in (manifest["tensors"], manifest.get(RECORD, {}))
        )
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{MANIFEST} in {folder} names no tensors; only folders that nbmerge wrote can be verified."
        ) from error


def _damaged(
    checksums: Mapping[str, str],
    stored: Mapping[str, StoredTensor],
    progress: Listener | None,
    cancel: threading.Event | None,
) -> tuple[str, ...]:
    """Tensors whose bytes have another checksum."""
    report = Reporter(progress, len(checksums), sum(stored[n].nbytes for n in checksums))
    report.tell("planned")
    found = []
    for name, checksum in checksums.items():
        try:
            same = _checksum(stored[name], cancel) == checksum
        except MergeStopped as error:
            report.tell("stopped", error=str(error))
            raise
        except OSError as error:
            report.tell("failed", error=str(error))
            raise CheckpointError(
                f"{stored[name].file} cannot be read ({name}): {error.strerror or error}. Check the disk, and copy the "
                "model from elsewhere."
            ) from error
        if not same:
            found.append(name)
        report.tell("tensor", name, stored[name].nbytes)
    report.tell("finished")
    return tuple(found)


def _checksum(stored: StoredTensor, cancel: threading.Event | None) -> str:
    with open_model_file(stored.file) as descriptor:
        return checksum_at(descriptor, stored.start, stored.nbytes, cancel)
