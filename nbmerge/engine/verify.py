"""Check that a merged model is what was written, and what its recipe produces."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import xxhash

from nbmerge.checkpoints import Checkpoint, StoredTensor, hub
from nbmerge.checkpoints.adapters.adapter import is_adapter, read_adapter_tensors
from nbmerge.checkpoints.bare import read_bare
from nbmerge.checkpoints.checkpoint import INDEX, SINGLE
from nbmerge.checkpoints.header import read_header
from nbmerge.engine.compute.arithmetic import RECORD, arithmetic, difference
from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.device import DEVICE, find_device
from nbmerge.engine.compute.pool import run
from nbmerge.engine.compute.workspace import Emit
from nbmerge.engine.output.folder import MANIFEST, absolute
from nbmerge.engine.output.shards import bytes_of, checksum_at
from nbmerge.engine.output.weights_file import recorded_checksums
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import CheckpointError, MergeError, MergeStopped
from nbmerge.guarded_files import open_model_file, read_model_json
from nbmerge.progress import Listener, Reporter
from nbmerge.progress_bars import show_progress
from nbmerge.quoting import quote
from nbmerge.recipe import RECIPE_FILE, Recipe

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, StopSignal


@dataclass(frozen=True)
class Verification:
    """Result of `verify`.

    Parameters
    ----------
    path : Path
    checked : int
        Tensors whose bytes were compared with their recorded checksum.
    damaged : tuple of str
        Tensors whose bytes do not match.
    derived : int
        Number of tensors that were computed again from the recipe and its models.
    differing : tuple of str
        Those of them that came out differently: the recipe, a model or the file was modified.
    device : str, optional
        The device that the merge was computed on, if not the CPU.
    arithmetic : str, optional
        How the arithmetic of the machine that wrote the folder differs from this one, in words; None if it does not.
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
        """Whether nothing is damaged or differs."""
        return not (self.damaged or self.differing)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.checked} tensors checked, {len(self.damaged)} damaged."]
        if self.derived:
            lines.append(f"{self.derived} computed again from the recipe and its models, {len(self.differing)} differ.")
        if self.differing and self.device:
            lines.append(
                f"It was computed on {self.device}; on other hardware, numbers can differ in their last digit."
            )
        if self.arithmetic and (self.differing or not self.derived):
            cause = (
                "This is the likely cause, rather than the recipe or its models."
                if self.differing
                else "Tensors that are computed again here may differ."
            )
            lines.append(f"The arithmetic of this machine rounds differently ({self.arithmetic}). {cause}")
        lines += [f"damaged: {quote(n)}" for n in self.damaged] + [f"differs: {quote(n)}" for n in self.differing]
        return "\n".join(lines)

    __repr__ = __str__


@hub.stopping
def verify(
    folder: str | Path,
    derive: bool | Iterable[str] = False,
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
) -> Verification:
    """Compare the tensors of a merged model with the checksums that were recorded when they were written.

    Parameters
    ----------
    folder : path
        A folder that `nbmerge.merge`, `nbmerge.extract_lora` or `nbmerge.merge_adapters` wrote, or a file of bare weights.
    derive : bool or iterable of str
        Also compute all tensors, or those named, again from the recipe in the folder and its models. Adapters have no recipe: extract
        them again to compare.
    progress, cancel
        As in `nbmerge.merge`.

    Raises
    ------
    MergeStopped
        When `cancel` was set.
    CheckpointError
        When it is not such a folder, or tensors are missing.
    RecipeError
        With `derive`, when its recipe can no longer be run.
    """
    folder = absolute(folder)
    if derive and is_adapter(folder):
        raise CheckpointError(
            f"{folder} is an adapter, which has no recipe. Extract it again to compare, or verify without derive."
        )
    checksums, then = _recorded(folder)
    now = arithmetic()
    rounded = difference(then, {k: v for k, v in now.items() if k in then} if then else now)
    tensors = _tensors(folder)
    stored = {name: tensor for name, tensor in tensors.items() if isinstance(tensor, StoredTensor)}
    if lost := sorted(set(checksums) - set(stored)):
        raise CheckpointError(
            f"{folder} is missing {len(lost)} of the tensors that were written: {', '.join(map(quote, lost[:4]))}."
        )
    with show_progress(progress, "Verifying") as listener:
        damaged = _damaged(checksums, stored, listener, cancel)
    if not derive:
        return Verification(folder, len(checksums), damaged, arithmetic=rounded)
    plan = make_plan(Recipe.load(folder if folder.is_file() else folder / RECIPE_FILE))
    wanted = plan.tensors if derive is True else tuple(plan[name] for name in derive)
    computed: dict[str, str] = {}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Emit:
        digest = xxhash.xxh3_64()

        def update(start: int, block: torch.Tensor) -> None:
            digest.update(bytes_of(block))
            computed[tensor.name] = digest.hexdigest()

        return update

    device = next((read_header(s.file)[1].get(DEVICE) for s in stored.values()), None)
    with show_progress(progress, "Merging again") as listener:
        run(wanted, sink, progress=listener, cancel=cancel, allow_nonfinite=True, device=_device(device))
    differing = tuple(n for n, c in computed.items() if checksums.get(n) != c)
    return Verification(folder, len(checksums), damaged, len(computed), differing, device, rounded)


def _tensors(folder: Path) -> Mapping[str, object]:
    """The tensors of a model folder, of bare weights, or of an adapter without its model."""
    if folder.is_file():
        return read_bare(folder)
    if not os.path.lexists(folder / "config.json") and not is_adapter(folder):
        return read_bare(folder / (INDEX if os.path.lexists(folder / INDEX) else SINGLE))
    return read_adapter_tensors(folder) if is_adapter(folder) else Checkpoint.open(folder).tensors


def _device(name: str | None) -> torch.device | None:
    """The device to compute on: the one of the merge if it is available, else the CPU."""
    try:
        return find_device(name)
    except MergeError:
        return None


def _recorded(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Checksums by tensor, and the arithmetic that they were computed with (empty in folders of older versions)."""
    if folder.is_file():
        return recorded_checksums(folder), arithmetic()  # a file has no record of its own
    if not folder.is_dir():
        raise CheckpointError(f"the folder {folder} does not exist. Check the path.")
    if not os.path.lexists(folder / MANIFEST):
        raise CheckpointError(
            f"{folder} cannot be verified: it has no {MANIFEST}. Only folders that nbmerge wrote can be verified."
        )
    try:
        manifest = read_model_json(folder / MANIFEST)
        return _texts(manifest["tensors"]), _texts(manifest.get(RECORD, {}))
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder} cannot be verified: {MANIFEST} does not list any tensors.") from error


def _texts(table: Mapping[str, object]) -> dict[str, str]:
    return {str(k): str(v)[:200] for k, v in table.items()}


def _damaged(
    checksums: Mapping[str, str],
    stored: Mapping[str, StoredTensor],
    progress: Listener | None,
    cancel: StopSignal | None,
) -> tuple[str, ...]:
    """Tensors whose bytes do not match their checksum."""
    report = Reporter(progress, len(checksums), sum(stored[n].nbytes for n in checksums))
    report.tell("planned")
    damaged: list[str] = []
    for name, checksum in checksums.items():
        try:
            same = _checksum(stored[name], cancel) == checksum
        except MergeStopped as error:
            report.tell("stopped", error=str(error))
            raise
        except OSError as error:
            report.tell("failed", error=str(error))
            raise CheckpointError(
                f"cannot read {quote(name)} in {stored[name].file}: {error.strerror or error}. Check the disk, and restore the model from "
                "a copy."
            ) from error
        if not same:
            damaged.append(name)
        report.tell("tensor", name, stored[name].nbytes)
    report.tell("finished")
    return tuple(damaged)


def _checksum(stored: StoredTensor, cancel: StopSignal | None) -> str:
    with open_model_file(stored.file) as descriptor:
        return checksum_at(descriptor, stored.start, stored.nbytes, cancel)
