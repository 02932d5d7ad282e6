"""How many directions a fine-tune uses: singular values of task vectors, their effective rank, and what models share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch

from nbmerge.checkpoints import hub
from nbmerge.engine.compute import Blocks, default_threads, run
from nbmerge.engine.cost import require_memory
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import ArgumentError
from nbmerge.presentation import Displayed, draw
from nbmerge.progress_bars import show_progress
from nbmerge.statistics.store import Arrays, recall
from nbmerge.statistics.structure.decomposition import WHOLE, Decomposition, decompose, worker_bytes
from nbmerge.statistics.structure.packed_spectra import pack, shapes_of, unpack
from nbmerge.statistics.structure.spectrum import Overlap, Spectrum
from nbmerge.statistics.survey import Model, fit_models, refuse_not_finite, tensors_of_all, without_merge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, StopSignal

RANKS = (4, 8, 16, 32, 64, 128, 256)
"""Ranks of adapters that the table answers for, up to the rank that was asked for."""
OVERLAP = 16
"""Singular vectors whose spaces are compared by default."""


class Spectra(Displayed):
    """Singular values of task vectors; the result of `measure_spectra`.

    Attributes
    ----------
    models : tuple of str
        Labels, the base first.
    rank : int
        Number of singular values of large matrices.
    depth : int
        Number of layers.
    spectra : tuple of Spectrum
        For each matrix and model.
    overlap_list : tuple of Overlap
        For each matrix and pair of models.
    """

    def __init__(self, plan: Plan, rank: int, spectra: Sequence[Spectrum], overlap_list: Sequence[Overlap]):
        self.models = plan.parents
        self.rank = rank
        self.depth = plan.depth
        self.spectra = tuple(spectra)
        self.overlap_list = tuple(overlap_list)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each matrix and model.

        tensor, layer, kind, model, ``norm`` (‖δ‖), ``size`` (number of singular values), ``stable rank``,
        ``effective rank low`` and ``high`` (see `Spectrum.effective_rank`), ``rank for 90 %`` of ‖δ‖² (missing if it is above
        what was computed), and for adapters of several ranks r ``kept[r]``, the share of ‖δ‖² that they can hold, and
        ``error[r]``, the bound of its error.
        """
        return pd.DataFrame([self._row(s) for s in self.spectra]).astype({"layer": "Int64", "rank for 90 %": "Int64"})

    @cached_property
    def overlaps(self) -> pd.DataFrame:
        """One row for each matrix and pair of models, with the fields of `Overlap`."""
        names = list(Overlap.__dataclass_fields__)
        rows = [[getattr(overlap, name) for name in names] for overlap in self.overlap_list]
        return pd.DataFrame(rows, columns=names).astype({"layer": "Int64"})

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Models × ranks: the share of ‖δ‖² of all matrices that adapters of each rank can hold."""
        return self.kept()

    def kept(self, ranks: Iterable[int] | None = None) -> pd.DataFrame:
        """Compute the share of ‖δ‖² that adapters of some ranks can hold.

        Parameters
        ----------
        ranks : iterable of int, optional
            Default those of the table.

        Returns
        -------
        DataFrame, shape (models, ranks)
            Over all matrices, each with its best approximation of that rank.
        """
        wanted = self._ranks if ranks is None else list(ranks)
        frame = pd.DataFrame(index=pd.Index(self.models[1:], name="model"), columns=wanted, dtype=float)
        for model in self.models[1:]:
            own = [s for s in self.spectra if s.model == model and s.energy]
            total = sum(s.energy for s in own)
            for rank in wanted:
                frame.loc[model, rank] = sum(s.kept(rank) * s.energy for s in own) / total if total else np.nan
        return frame

    def plot(
        self,
        what: str = "kept",
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot what adapters of each rank can hold, singular values, effective ranks, or shared directions.

        Parameters
        ----------
        what : "kept", "values", "effective rank" or "overlap"
            ``"kept"`` is drawn against the rank; ``"values"`` are the singular values of each kind of tensor, relative to the largest;
            ``"effective rank"`` and ``"overlap"`` are heat maps of layers × kinds.
        theme, width, font_size
            As in `Recipe.plot`.

        Raises
        ------
        ArgumentError
            For another plot, and for the overlap of one model.
        """
        return draw("spectra", self, what, theme=theme, width=width, font_size=font_size)

    @property
    def _ranks(self) -> list[int]:
        return [r for r in RANKS if r <= self.rank]

    def _row(self, spectrum: Spectrum) -> dict[str, object]:
        low, high = spectrum.effective_rank
        row: dict[str, object] = {name: getattr(spectrum, name) for name in ("tensor", "layer", "kind", "model")}
        row |= {"norm": np.sqrt(spectrum.energy), "size": spectrum.size, "stable rank": spectrum.stable_rank}
        row |= {"effective rank low": low, "effective rank high": high, "rank for 90 %": spectrum.sufficient_rank()}
        for rank in self._ranks:
            row |= {f"kept[{rank}]": spectrum.kept(rank), f"error[{rank}]": spectrum.kept_error(rank)}
        return row

    def __repr__(self) -> str:
        kept = self.summary
        held = ", ".join(f"{100 * kept.loc[m].iloc[-1]:.3g} % of {m}" for m in self.models[1:])
        return f"<Spectra: {len(self.spectra)} task matrices; rank {kept.columns[-1]} holds {held}>"


@hub.stopping
def measure_spectra(
    base: Model,
    *models: Model,
    rank: int = 64,
    layers: Iterable[int] | None = None,
    overlap_rank: int | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    cache: bool | str | Path = True,
) -> Spectra:
    """Compute the leading singular values of task vectors, matrix by matrix.

    They show how many directions a fine-tune uses, whether an adapter of some rank would hold it, and whether two fine-tunes use
    the same directions. Large matrices are read in blocks of rows, three times; memory holds thin matrices only.

    Parameters
    ----------
    base, *models : path, Hub id in the local cache, or ModelRef
    rank : int
        Number of singular values of each matrix; those with up to a million elements have all.
    layers : iterable of int, optional
        Layers to measure, for a sample of a large model; default all, with the embedding and the head.
    overlap_rank : int
        Number of singular vectors whose spaces are compared; default 16, or `rank` if that is lower.
    progress, cancel, threads
        As in `nbmerge.merge`; the numbers do not depend on `threads`.
    cache : bool or path
        Whether to cache the result on disk, and to reuse it, as in `measure_models`.

    Raises
    ------
    ArgumentError
        For ranks that are none, and for layers that the models do not have.
    CheckpointError
        When models cannot be read or do not fit each other.
    TooLargeError
        When thin matrices do not fit into memory.
    MergeStopped
        When `cancel` was set.

    Notes
    -----
    Vectors, and stacks of the matrices of several experts, are left out.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> family = nbm.demo.family()
    >>> found = nbm.measure_spectra(family.base, *family.experts.values(), rank=16, progress=False)
    >>> found.summary.columns.to_list()
    [4, 8, 16]
    """
    shared = min(OVERLAP, rank) if overlap_rank is None else overlap_rank
    if rank < RANKS[0] or not 1 <= shared <= rank:
        raise ArgumentError(f"rank must be at least {RANKS[0]}, and overlap_rank from 1 to rank ({rank}).")
    if not models:
        raise ArgumentError("Task vectors need a model beside the base. Name at least one.")
    plan = fit_models(base, *models)
    tensors = _choose(plan, layers)

    def measure() -> Arrays:
        _check_memory(tensors, rank, threads)
        return pack(*_decompose(tensors, rank, shared, progress, cancel, threads))

    pairs = len(plan.parents) - 1, (len(plan.parents) - 1) * (len(plan.parents) - 2) // 2
    arrays, _ = recall(
        cache, tensors, f"spectra {rank} {shared}", lambda known: shapes_of(known, len(tensors), *pairs), measure
    )
    return Spectra(plan, rank, *unpack(arrays, tensors))


def _decompose(
    tensors: list[TensorPlan],
    rank: int,
    shared: int,
    progress: ProgressLike,
    cancel: StopSignal | None,
    threads: int | None,
) -> tuple[list[Spectrum], list[Overlap]]:
    """Decompose all matrices."""
    found: dict[str, tuple[list[Spectrum], list[Overlap]]] = {}
    results = _allocate_results(tensors, rank)

    def sink(tensor: TensorPlan, blocks: Blocks) -> Callable[[int, torch.Tensor], None]:
        parts = decompose(blocks.by_rows(tensor), tensor.name, rank)
        pairs = zip(parts, results[tensor.name], strict=True)
        found[tensor.name] = (
            [_spectrum(originals[tensor.name], m, part, out) for m, (part, out) in enumerate(pairs, start=1)],
            list(_overlaps(originals[tensor.name], parts, shared)),
        )
        return lambda start, block: None

    originals = {t.name: t for t in tensors}
    with show_progress(progress, "Decomposing") as listener:
        run([without_merge(t) for t in tensors], sink, progress=listener, cancel=cancel, threads=threads)
    ordered = [found[t.name] for t in tensors]
    energies = np.array([[s.energy for s in spectra] for spectra, _ in ordered])
    refuse_not_finite(tensors, energies)
    return [s for spectra, _ in ordered for s in spectra], [o for _, overlaps in ordered for o in overlaps]


def _choose(plan: Plan, layers: Iterable[int] | None) -> list[TensorPlan]:
    wanted = None if layers is None else set(layers)
    if wanted is not None and not wanted <= set(range(plan.depth)):
        raise ArgumentError(f"layers must be numbers from 0 to {plan.depth - 1}, not {sorted(wanted)}.")
    matrices = [t for t in tensors_of_all(plan) if len(t.shape) == 2 and min(t.shape) > 1]
    chosen = [t for t in matrices if wanted is None or t.layer in wanted]
    if not chosen:
        raise ArgumentError("These models have no matrix in these layers, so there is nothing to decompose.")
    return chosen


def _check_memory(tensors: Sequence[TensorPlan], rank: int, threads: int | None) -> None:
    most = max(worker_bytes(t.shape[0], t.shape[1], len(t.inputs) - 1, rank) for t in tensors)
    require_memory(
        most * (threads or default_threads()),
        f"Decomposing {tensors[0].name} and {len(tensors) - 1} other matrices to rank {rank}",
        "Use a lower rank, or fewer threads.",
    )


def _allocate_results(tensors: Sequence[TensorPlan], rank: int) -> dict[str, np.ndarray]:
    """For each tensor an array of shape (models, 2, singular values): values, and bounds of their errors.

    All are allocated before the first matrix. If each was allocated between two matrices, it would fragment the memory that the first one
    frees, so that the next one would not fit there, and memory would grow with the number of layers.
    """
    widest = max(max(rank, min(t.shape)) if t.count <= WHOLE else rank for t in tensors)
    results = np.empty((len(tensors), len(tensors[0].inputs) - 1, 2, widest))
    return {t.name: own for t, own in zip(tensors, results, strict=True)}


def _spectrum(tensor: TensorPlan, m: int, part: Decomposition, out: np.ndarray) -> Spectrum:
    values, errors = out[:, : len(part.values)]
    values[:], errors[:] = part.values, part.errors
    return Spectrum(tensor.name, tensor.layer, tensor.kind, tensor.models[m], values, errors, part.energy, part.size)


def _overlaps(tensor: TensorPlan, parts: Sequence[Decomposition], rank: int) -> Iterator[Overlap]:
    rows, columns = tensor.shape
    sides = ("outputs", "inputs") if tensor.values.inputs_first else ("inputs", "outputs")
    for (i, one), (j, other) in combinations(enumerate(parts, start=1), 2):
        k = min(rank, *(int((p.values > 1e-9 * (p.values[0] if len(p.values) else 1)).sum()) for p in (one, other)))
        shares = [_shared(a[:, :k], b[:, :k]) for a, b in ((one.inputs, other.inputs), (one.outputs, other.outputs))]
        found = dict(zip(sides, shares, strict=True))
        chance = dict(zip(sides, (k / columns, k / rows), strict=True))
        yield Overlap(
            tensor.name, tensor.layer, tensor.kind, tensor.models[i], tensor.models[j], k,
            found["inputs"], found["outputs"], chance["inputs"], chance["outputs"],
        )  # fmt: skip


def _shared(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean squared cosine of the principal angles of two spaces with orthonormal bases."""
    if not one.shape[1]:
        return np.nan
    return float((one.double().T @ other.double()).square().sum()) / one.shape[1]
