"""The leading singular values of task vectors, by a randomised decomposition of matrices that are read in blocks of rows.

A random subspace of the inputs is multiplied by δᵀδ a few times, which turns it towards the leading right singular vectors
(Halko, Martinsson and Tropp 2011, https://arxiv.org/abs/0909.4061). Memory is a few blocks of rows and one thin matrix on each
side. The error of each squared singular value is bounded by the residual of its vector: δᵀδ has an eigenvalue that close.
Small matrices are decomposed as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xxhash

from nbmerge.engine.compute import Blocks

WHOLE = 1 << 20
"""Elements up to which a matrix is decomposed as a whole; all its singular values are then known."""
OVERSAMPLING = 16
"""Dimensions of the random subspace beyond the singular values that are wanted."""
ITERATIONS = 3
"""Multiplications of the subspace by δᵀδ; each reads the tensor once."""


@dataclass(frozen=True)
class Decomposition:
    """The leading singular values and vectors of one task matrix.

    Parameters
    ----------
    values : ndarray of float64, shape (k,)
        Singular values, the largest first.
    errors : ndarray of float64, shape (k,)
        Bounds of the errors of their squares; 0 where the matrix was decomposed as a whole.
    energy : float
        Sum of the squares of all singular values, ‖δ‖².
    size : int
        Number of all singular values.
    inputs, outputs : Tensor, shape (columns, k) and (rows, k)
        Right and left singular vectors.
    """

    values: np.ndarray
    errors: np.ndarray
    energy: float
    size: int
    inputs: torch.Tensor
    outputs: torch.Tensor


def decompose(blocks: Blocks, name: str, rank: int) -> list[Decomposition]:
    """Decompose the task vectors of all models of one tensor.

    Parameters
    ----------
    blocks : Blocks
        Of whole rows; the first input is the base.
    name : str
        Seeds the random subspace.
    rank : int
        How many singular values are wanted.
    """
    models, columns = len(blocks.inputs) - 1, blocks.columns
    rows = blocks.count // columns
    if blocks.count <= WHOLE:
        return [_whole(delta.view(rows, columns)) for delta in _all_deltas(blocks)]
    width = min(rank + OVERSAMPLING, rows, columns)
    generator = torch.Generator().manual_seed(xxhash.xxh32_intdigest(name.encode()))
    bases = [torch.randn(columns, width, generator=generator) for _ in range(models)]
    for _ in range(ITERATIONS - 1):
        bases = [torch.linalg.qr(image)[0] for image in _multiply(blocks, bases)[0]]
    images, products, energies = _multiply(blocks, bases)
    return [
        _ritz(basis, image, product, float(energy), min(rows, columns), rank)
        for basis, image, product, energy in zip(bases, images, products, energies, strict=True)
    ]


def worker_bytes(rows: int, columns: int, models: int, rank: int) -> int:
    """The most memory that the decomposition of one tensor needs besides blocks."""
    if rows * columns <= WHOLE:
        return 8 * rows * columns * (models + 4)
    return 4 * (rank + OVERSAMPLING) * models * (rows + 4 * columns)


def _all_deltas(blocks: Blocks) -> torch.Tensor:
    deltas = torch.empty(len(blocks.inputs) - 1, blocks.count, dtype=torch.float64)
    for start in blocks.starts():
        rows = blocks.rows(start)
        deltas[:, start : start + blocks.size(start)] = rows[1:].sub_(rows[:1])
    return deltas


def _whole(delta: torch.Tensor) -> Decomposition:
    energy = float(delta.square().sum())
    if not np.isfinite(energy):
        return _unknown(energy, min(delta.shape))
    u, s, vh = torch.linalg.svd(delta, full_matrices=False)
    return Decomposition(s.numpy(), np.zeros(len(s)), energy, len(s), vh.T.float(), u.float())


def _unknown(energy: float, size: int) -> Decomposition:
    """Of a matrix that is not finite; the caller refuses it."""
    return Decomposition(np.zeros(0), np.zeros(0), energy, size, torch.zeros(0, 0), torch.zeros(0, 0))


def _multiply(blocks: Blocks, bases: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor], np.ndarray]:
    """For each model δᵀδQ and δQ, and ‖δ‖², in one pass."""
    columns = blocks.columns
    images = [torch.zeros_like(basis) for basis in bases]
    products = [torch.empty(blocks.count // columns, basis.shape[1]) for basis in bases]
    energies = np.zeros(len(bases))
    for start in blocks.starts():
        rows = blocks.rows(start)
        for m, delta in enumerate(rows[1:].sub_(rows[:1])):
            own = delta.float().view(-1, columns)
            energies[m] += float(own.double().square().sum())
            product = own @ bases[m]
            products[m][start // columns : start // columns + len(own)] = product
            images[m].addmm_(own.T, product)
    return images, products, energies


def _ritz(
    basis: torch.Tensor, image: torch.Tensor, product: torch.Tensor, energy: float, size: int, rank: int
) -> Decomposition:
    """Singular values within a subspace of the inputs, with residuals (Rayleigh-Ritz)."""
    if not np.isfinite(energy):
        return _unknown(energy, size)
    wide = product.double()
    squares, turn = torch.linalg.eigh(wide.T @ wide)
    squares, turn = squares.flip(0)[:rank].clamp(min=0), turn.flip(1)[:, :rank]
    inputs = basis.double() @ turn
    residuals = (image.double() @ turn - inputs * squares).norm(dim=0)
    values = squares.sqrt()
    outputs = wide @ turn / values.clamp(min=torch.finfo(torch.float64).tiny)
    return Decomposition(values.numpy(), residuals.numpy(), energy, size, inputs.float(), outputs.float())
