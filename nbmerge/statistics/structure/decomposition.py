"""The leading singular values of task vectors, by a randomised decomposition of matrices that are read in blocks of rows.

A random subspace of the inputs is multiplied by δᵀδ a few times; the singular values are those within the space that all
multiples span together, a block Krylov space (Musco and Musco 2015, https://arxiv.org/abs/1504.05477; Halko, Martinsson and
Tropp 2011, https://arxiv.org/abs/0909.4061). Memory is a few blocks of rows and one thin matrix on each side. The error of each
squared singular value is bounded by the residual of its vector: δᵀδ has an eigenvalue that close. Small matrices are decomposed
as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xxhash

from nbmerge.engine.compute import BLOCK, Blocks

WHOLE = 1 << 20
"""Elements up to which a matrix is decomposed as a whole; all its singular values are then known."""
OVERSAMPLING = 16
"""Dimensions of the random subspace beyond the singular values that are wanted."""
KEPT = 1.1
"""What the allocator keeps beside what is used (measured)."""
PASSES = 3
"""Multiplications by δᵀδ; each reads the tensor once."""
NEGLIGIBLE = 1e-5
"""Length of a new direction, relative to the longest, below which it is rounding."""


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
    inputs, outputs : Tensor, shape (columns, n) and (rows, n)
        Right and left singular vectors of the first n.
    """

    values: np.ndarray
    errors: np.ndarray
    energy: float
    size: int
    inputs: torch.Tensor
    outputs: torch.Tensor


def decompose(
    blocks: Blocks,
    name: str,
    rank: int,
    *,
    whole: int | None = None,
    passes: int = PASSES,
    growth: float = 0.0,
    beyond: int = 0,
) -> list[Decomposition]:
    """Decompose the task vectors of all models of one tensor.

    Parameters
    ----------
    blocks : Blocks
        Of whole rows; the first input is the base.
    name : str
        Seeds the random subspace.
    rank : int
        How many singular values are wanted.
    whole : int, optional
        Elements up to which a matrix is decomposed as a whole; default `WHOLE`.
    passes : int
        The most multiplications by δᵀδ.
    growth : float
        Stop before that, once a pass adds less than this share to the squares of the wanted singular values.
    beyond : int
        How many singular values are given beyond those wanted, without vectors. They are less exact, as their errors tell.
    """
    models, columns = len(blocks.inputs) - 1, blocks.columns
    rows = blocks.count // columns
    if blocks.count <= (WHOLE if whole is None else whole):
        return [_whole(delta.view(rows, columns)) for delta in _all_deltas(blocks)]
    generator = torch.Generator().manual_seed(xxhash.xxh32_intdigest(name.encode()))
    searches = [_Search(rows, columns, rank, generator) for _ in range(models)]
    for _ in range(passes):
        _multiply(blocks, searches)
        if not any([search.extend(growth) for search in searches]):
            break
    return [search.result(beyond) for search in searches]


def worker_bytes(
    rows: int, columns: int, models: int, rank: int, *, whole: int | None = None, passes: int = PASSES
) -> int:
    """The most memory that the decomposition of one tensor needs."""
    blocks = BLOCK * (8 * (models + 1) + 24)  # of rows, and their squares in float64
    if rows * columns <= (WHOLE if whole is None else whole):
        return 8 * rows * columns * (models + 4) + blocks
    new = min(rank + OVERSAMPLING, rows, columns)
    width = min(passes * new, rows, columns)
    held = 4 * rows * (width + new) + columns * (12 * width + 16 * new)  # by the search of each model
    found = 4 * rank * (rows + columns)  # the result of each model
    once = (
        8 * width * (rows + columns) + 8 * rank * rows + 32 * columns * new
    )  # of one model after the other, in float64
    return int(KEPT * (models * (held + found) + once + blocks))


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


class _Search:
    """A growing subspace of the inputs of one task matrix, with the images of its directions.

    Parameters
    ----------
    rows, columns : int
        Of the task matrix.
    rank : int
        How many singular values are wanted.
    generator : torch.Generator
    """

    def __init__(self, rows: int, columns: int, rank: int, generator: torch.Generator):
        self.rank, self.rows, self.size, self.energy = rank, rows, min(rows, columns), 0.0
        start = torch.randn(columns, min(rank + OVERSAMPLING, self.size), generator=generator, dtype=torch.float64)
        self.newest = torch.linalg.qr(start)[0]
        """Directions that are multiplied next, shape (columns, k)."""
        self.basis = torch.empty(columns, 0, dtype=torch.float64)
        self._images = torch.empty(columns, 0)
        self._products = torch.empty(rows, 0)
        self._held = 0.0

    def begin(self) -> None:
        """Prepare for a pass over the matrix."""
        self.energy = 0.0
        self._thin = self.newest.float()
        self._image = torch.zeros_like(self._thin)
        self._product = torch.empty(self.rows, self._thin.shape[1])

    def add(self, delta: torch.Tensor, first: int) -> None:
        """Multiply the newest directions by some rows of the matrix."""
        self.energy += float(delta.double().square().sum())
        product = delta @ self._thin
        self._product[first : first + len(delta)] = product
        self._image.addmm_(delta.T, product)

    def extend(self, growth: float) -> bool:
        """Take what a pass has multiplied into the basis; whether another pass could find more."""
        self.basis = torch.cat([self.basis, self.newest], 1)
        self._images = torch.cat([self._images, self._image], 1)
        self._products = torch.cat([self._products, self._product], 1)
        if not np.isfinite(self.energy):
            return False
        before, self._held = self._held, float(self._turned()[0][: self.rank].sum())
        self.newest = self._orthogonal(self._image.double())
        return bool(self.newest.shape[1]) and self._held > before * (1 + growth)

    def _orthogonal(self, image: torch.Tensor) -> torch.Tensor:
        """The directions of an image that the basis lacks; none where it spans all inputs."""
        left = min(image.shape[1], self.size - self.basis.shape[1])
        scale = torch.linalg.matrix_norm(image, 2) if left else 0.0
        for _ in range(2):  # the first leaves rounding errors of what it removes
            image = image - self.basis @ (self.basis.T @ image)
            u, s, _ = torch.linalg.svd(image, full_matrices=False)
            image = u[:, : min(left, int((s > NEGLIGIBLE * scale).sum()))]
            scale = 1.0
        return image

    def _turned(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Squared singular values within the basis, the largest first, and their directions in it."""
        products = self._products.double()
        gram = products.T @ products
        del products  # as large as all else together
        squares, turn = torch.linalg.eigh(gram)
        return squares.flip(0).clamp(min=0), turn.flip(1)

    def result(self, beyond: int) -> Decomposition:
        """Singular values within the basis, with residuals (Rayleigh-Ritz)."""
        if not np.isfinite(self.energy):
            return _unknown(self.energy, self.size)
        squares, turn = self._turned()
        squares, turn = squares[: self.rank + beyond], turn[:, : self.rank + beyond]
        inputs = self.basis @ turn
        residuals = (self._images.double() @ turn - inputs * squares).norm(dim=0)
        values = squares.sqrt()
        outputs = self._products.double() @ turn[:, : self.rank]
        outputs /= values[: self.rank].clamp(min=torch.finfo(torch.float64).tiny)
        inputs = inputs[:, : self.rank]
        return Decomposition(values.numpy(), residuals.numpy(), self.energy, self.size, inputs.float(), outputs.float())


def _multiply(blocks: Blocks, searches: list[_Search]) -> None:
    """Multiply the newest directions of each model by its task matrix, in one pass."""
    columns = blocks.columns
    for search in searches:
        search.begin()
    for start in blocks.starts():
        rows = blocks.rows(start)
        for search, delta in zip(searches, rows[1:].sub_(rows[:1]), strict=True):
            search.add(delta.float().view(-1, columns), start // columns)
