"""Orthogonal matching pursuit: a row of one model as a sum of few rows whose tokens another model also has.

A token that a model does not have has a row in the donor's space. There it is written as a sparse combination of tokens that both
models share; the same combination of the model's own rows is the token's row in the model's space.
Goddard and Fernandes Neto 2025, Training-Free Tokenizer Transplantation via Orthogonal Matching Pursuit,
https://arxiv.org/abs/2506.06607; the algorithm is Pati, Rezaiifar and Krishnaprasad 1993.
"""

from __future__ import annotations

import numpy as np

SPARSITY = 64
"""Maximum number of shared tokens that a row is a sum of."""
CHUNK = 1 << 23
"""Most numbers in the bases of the rows that are approximated at a time: 64 MiB."""
SMALL = 1e-6
"""Share of a row's norm below which the residual is ignored."""


def pursue(atoms: np.ndarray, targets: np.ndarray, sparsity: int = SPARSITY) -> list[list[tuple[int, float]]]:
    """Write rows as combinations of few atoms.

    Parameters
    ----------
    atoms : array of float, shape (atoms, width)
        Rows of the shared tokens, in the donor.
    targets : array of float, shape (targets, width)
        Rows to be approximated, in the donor.
    sparsity : int
        Maximum number of atoms in one row.

    Returns
    -------
    list of list of (int, float)
        For each target, its atoms with their coefficients; empty for a row of zeros.
    """
    atoms = np.asarray(atoms, np.float32)
    norms = np.linalg.norm(atoms, axis=1)
    directions = atoms / np.where(norms > 0, norms, 1.0)[:, None]
    sparsity = min(sparsity, len(atoms), atoms.shape[1])
    found: list[list[tuple[int, float]]] = []
    step = max(1, CHUNK // max(1, sparsity * atoms.shape[1]))
    for first in range(0, len(targets), step):
        found += _chunk(atoms, directions, np.asarray(targets[first : first + step], np.float32), sparsity)
    return found


def _chunk(
    atoms: np.ndarray, directions: np.ndarray, targets: np.ndarray, sparsity: int
) -> list[list[tuple[int, float]]]:
    """The pursuit of some targets at once, each with its own basis: atoms made orthonormal one after another (QR)."""
    n, width = targets.shape
    goal, every = targets.astype(np.float64), np.arange(n)
    residuals, sizes = goal.copy(), np.linalg.norm(goal, axis=1)
    basis = np.zeros((n, sparsity, width))
    triangle = np.tile(np.eye(sparsity), (n, 1, 1))
    along, chosen = np.zeros((n, sparsity)), np.zeros((n, sparsity), np.int64)
    active = sizes > 0
    for j in range(sparsity):
        if not active.any():
            break
        fit = np.abs(residuals.astype(np.float32) @ directions.T)
        fit[every[:, None], chosen[:, :j]] = -1.0
        chosen[:, j] = fit.argmax(axis=1)
        atom = atoms[chosen[:, j]].astype(np.float64)
        own, before = np.linalg.norm(atom, axis=1), np.zeros((n, j))
        for _ in range(2):  # the second time takes away what rounding left
            share = np.einsum("nkw,nw->nk", basis[:, :j], atom)
            atom -= np.einsum("nk,nkw->nw", share, basis[:, :j])
            before += share
        length = np.linalg.norm(atom, axis=1)
        active &= length > SMALL * own  # nothing new: the atoms chosen span this one
        unit = np.where(active, 1.0 / np.where(length > 0, length, 1.0), 0.0)[:, None] * atom
        basis[:, j] = unit
        triangle[active, :j, j], triangle[active, j, j] = before[active], length[active]
        along[:, j] = np.einsum("nw,nw->n", unit, residuals)
        residuals -= along[:, j, None] * unit
        active &= np.linalg.norm(residuals, axis=1) > SMALL * sizes
    coefficients = np.linalg.solve(triangle, along[..., None])[..., 0]
    return [
        [(int(a), float(c)) for a, c in zip(*pair, strict=True) if c != 0]
        for pair in zip(chosen, coefficients, strict=True)
    ]
