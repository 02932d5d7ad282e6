"""Extract a LoRA adapter from a fine-tune: the best low-rank approximation of its difference from the base."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nbmerge.adapters.budget import Budget, check_budget
from nbmerge.adapters.extraction import ExtractedTensor, Extraction
from nbmerge.adapters.folder import Contents, write_adapter
from nbmerge.adapters.parts import Part, Parts, balanced_factors, part_names
from nbmerge.adapters.roles import Pair, Role, check_rank, pair_models, refuse_other_changes, refuse_unrelated
from nbmerge.checkpoints import hub
from nbmerge.checkpoints.adapters.adapter import WEIGHTS
from nbmerge.checkpoints.dtypes import FLOATS, item_bytes
from nbmerge.engine.compute import Blocks, parse_threads, run
from nbmerge.engine.cost import require_memory
from nbmerge.engine.output import absolute, building_in_steps, check_place, discard_unfinished
from nbmerge.engine.planning import TensorPlan
from nbmerge.errors import ArgumentError, CheckpointError, OutputError
from nbmerge.progress_bars import show_progress
from nbmerge.recipe import ModelRef
from nbmerge.statistics.structure import Spectrum
from nbmerge.statistics.structure.decomposition import decompose, worker_bytes
from nbmerge.statistics.survey import refuse_not_finite, without_merge

if TYPE_CHECKING:
    from nbmerge.engine.output import Journal
    from nbmerge.progress import Listener
    from nbmerge.typing import ModelLike, ProgressLike, StopSignal

RANK = 32
"""Rank of every module where none is given."""
MOST_RANK = 256
"""The most ranks of a module where a share of ‖δ‖² is given, and no rank."""
WHOLE = 1 << 18
"""Elements up to which a matrix is decomposed as a whole."""
PASSES = 8
"""The most times that a matrix is read."""
GROWTH = 5e-3
"""Share that a pass must add to what the factors hold for another one to follow."""
_SPACE = "Free some space, choose another disk, or a lower rank."
_FORMAT = "1"


@dataclass(frozen=True)
class _Task:
    """The checked arguments."""

    pair: Pair
    budget: Budget
    dtype: str

    @property
    def identity(self) -> dict[str, str]:
        """What determines the bytes besides the inputs."""
        return {
            "extract": _FORMAT,
            "rank": str(self.budget.rank),
            "energy": str(self.budget.energy),
            "dtype": self.dtype,
        }

    @property
    def nbytes(self) -> int:
        """The most space that the adapter and its parts take."""
        size = item_bytes(self.dtype)
        factors = sum(min(self.budget.rank, *r.tensor.shape) * sum(r.tensor.shape) * size for r in self.pair.matrices)
        copies = sum(r.tensor.inputs[-1].nbytes for r in self.pair.roles if r.way in ("module", "bias"))
        return 2 * factors + copies * (2 if self.pair.shared else 1)


@hub.stopping
def extract_lora(
    model: ModelLike,
    base: ModelLike,
    out: str | Path,
    *,
    rank: int | None = None,
    energy: float | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
) -> Extraction:
    """Write the difference of a fine-tune from its base as a LoRA adapter, which peft loads.

    Every matrix inside the layers gets factors B and A whose product is nearest to its change δ. Embeddings, the head, norms and
    convolutions are saved whole if they changed, biases of matrices as well; what did not change is not in the adapter. Weights
    are streamed: memory holds thin matrices and a few blocks of rows for each thread.

    Parameters
    ----------
    model, base : path, Hub id or ModelRef
        The fine-tune, and the model that it was trained from.
    out : path
        Folder to create.
    rank : int, optional
        Rank of every module, or with `energy` the most; default 32, or 256 with `energy`. Smaller matrices, and changes of lower
        rank, get fewer.
    energy : float, optional
        Choose the rank of each module: the lowest that holds this share of ‖δ‖², such as 0.9.
    dtype : str, optional
        dtype of the factors: "float32", "bfloat16" or "float16"; default that of the fine-tune.
    overwrite : bool
        Replace an existing model or adapter folder, once the new one is complete.
    threads, progress, cancel
        As in `nbmerge.merge`; the bytes do not depend on `threads`.

    Raises
    ------
    ArgumentError, CheckpointError, OutputError, TooLargeError
        Before a matrix is decomposed, where arguments, models, folder or memory cannot be used; a CheckpointError also at the end,
        where nothing changed, or something that an adapter cannot hold.
    MergeStopped, MergeError
        When it was stopped or failed. Finished modules are kept next to the folder: the same call resumes.

    Notes
    -----
    Matrices of more than 262,144 elements are decomposed by a randomised block Krylov method with a seed (see
    `nbmerge.statistics.structure`), which reads them up to eight times. The error in the table is that of the factors, not an
    estimate; ``possible`` bounds how much more the best factors could hold.

    Examples
    --------
    >>> import tempfile
    >>> import nbmerge as nbm
    >>> family = nbm.demo.family()
    >>> folder = tempfile.mkdtemp()
    >>> adapter = nbm.extract_lora(family.experts["shouter"], family.base, f"{folder}/lora", rank=8, progress=False)
    >>> set(adapter.ranks.values())
    {8}
    """
    began = time.perf_counter()
    count = parse_threads(threads)
    budget = check_budget(rank, energy, RANK, MOST_RANK)
    folder = absolute(out)
    pair = pair_models(ModelRef.of(model), ModelRef.of(base))
    if rank is not None:
        check_rank(pair, rank)
    task = _Task(pair, budget, _check_dtype(dtype, pair))
    check_place(pair.plan, folder, overwrite, task.nbytes, _SPACE)
    _check_memory(task, count)
    refuse_unrelated(pair)
    with show_progress(progress, "Extracting") as listener:
        try:
            contents = _extract(task, folder, overwrite, listener, cancel, count)
        except CheckpointError:  # another run would find the same
            with suppress(OutputError):
                discard_unfinished(folder)
            raise
    size = (folder / WEIGHTS[0]).stat().st_size
    return _describe(contents, folder, size, time.perf_counter() - began)


def _check_dtype(dtype: str | None, pair: Pair) -> str:
    text = str(dtype or pair.plan.checkpoints[pair.model].dtype).removeprefix("torch.")
    if text not in FLOATS or text == "float64":
        if dtype is None:
            return "float32"
        raise ArgumentError(f"dtype must be float32, bfloat16 or float16, not {dtype!r}.")
    return text


def _check_memory(task: _Task, threads: int) -> None:
    rank = task.budget.rank
    shapes = {(role.tensor.shape[0], role.tensor.shape[1]) for role in task.pair.matrices}
    most = max(worker_bytes(rows, columns, 1, rank, whole=WHOLE, passes=PASSES) for rows, columns in shapes)
    require_memory(
        most * threads, f"Decomposing {len(task.pair.matrices)} matrices to rank {rank}",
        "Use a lower rank, or fewer threads.",
    )  # fmt: skip


def _extract(
    task: _Task, out: Path, overwrite: bool, progress: Listener | None, cancel: StopSignal | None, threads: int
) -> Contents:
    """Decompose what an earlier run has not, and write the adapter."""
    tensors = [role.tensor for role in task.pair.roles]
    steps = part_names(len(tensors))
    with building_in_steps(out, overwrite, tensors, task.identity, steps) as (folder, journal):
        parts = Parts(folder, [tensor.name for tensor in tensors])
        journal.begin({name: checksum for name, checksum in journal.finished.items() if parts.holds(name, checksum)})
        left = [without_merge(tensor) for tensor in tensors if tensor.name not in journal.finished]
        run(left, _sink(task, parts, journal), progress=progress, cancel=cancel, threads=threads)
        found = {tensor.name: parts.read(tensor.name) for tensor in tensors}
        _refuse_changes(task.pair, found)
        contents = Contents(task.pair, found)
        write_adapter(contents, parts, folder, task.dtype, cancel)
        parts.remove()
    return contents


def _sink(task: _Task, parts: Parts, journal: Journal) -> Callable[[TensorPlan, Blocks], Callable[..., None]]:
    """What every worker does with a tensor: decompose or measure its change, and write that down."""
    roles = {role.tensor.name: role for role in task.pair.roles}
    rank, dtype = task.budget.rank, getattr(torch, task.dtype)

    def sink(tensor: TensorPlan, blocks: Blocks) -> Callable[..., None]:
        role, name = roles[tensor.name], tensor.name
        if role.way == "factors":
            rows = blocks.by_rows(tensor)
            found = decompose(rows, name, rank, whole=WHOLE, passes=PASSES, growth=GROWTH, beyond=rank)[0]
            chosen = task.budget.choose(found.values**2, found.energy)
            factors = balanced_factors(found, chosen, role.tensor.values.inputs_first, dtype)
            journal.note(name, parts.write_factors(name, factors, found))
        else:
            journal.note(name, parts.write_change(name, _measure(blocks)))
        return lambda start, block: None

    return sink


def _measure(blocks: Blocks) -> float:
    """‖δ‖², without a matrix."""
    return sum(float(delta.double().square().sum()) for _, delta in blocks.deltas(1))


def _refuse_changes(pair: Pair, found: dict[str, Part]) -> None:
    tensors = [role.tensor for role in pair.roles]
    refuse_not_finite(tensors, np.array([[found[t.name].energy] for t in tensors]))
    refuse_other_changes(pair, {name: part.energy for name, part in found.items()})


def _describe(contents: Contents, folder: Path, nbytes: int, seconds: float) -> Extraction:
    base, model = contents.pair.plan.parents
    tensors = [_describe_tensor(contents, role, model) for role in contents.pair.roles]
    return Extraction(folder, (model, base), tensors, contents.pair.plan.depth, nbytes, seconds)


def _describe_tensor(contents: Contents, role: Role, model: str) -> ExtractedTensor:
    part, own = contents.parts[role.tensor.name], role.tensor
    spectrum = Spectrum(own.name, own.layer, own.kind, model, part.values, part.errors, part.energy, part.size)
    return ExtractedTensor(spectrum, contents.way(role), part.rank, part.lost)
