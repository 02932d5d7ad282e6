"""Orthogonal matching pursuit: a row of one model as a sum of few rows whose tokens another model knows as well.

A token that a model lacks has a row in the donor's space. There it is written as a sparse combination of tokens that both
models share; the same combination of the model's own rows is the token's row in the model's space.
Goddard and Fernandes Neto 2025, Training-Free Tokenizer Transplantation via Orthogonal Matching Pursuit,
https://arxiv.org/abs/2506.06607; the algorithm is Pati, Rezaiifar and Krishnaprasad 1993.
"""

from __future__ import annotations

import numpy as np

SPARSITY = 64
"""Most shared tokens that a row is a sum of."""
CHUNK = 256
"""Rows that are approximated at a time."""
SMALL = 1e-6
"""Share of a row's norm below which what is left of it does not count."""


def pursue(atoms: np.ndarray, targets: np.ndarray, sparsity: int = SPARSITY) -> list[list[tuple[int, float]]]:
    """Write rows as combinations of few atoms.

    Parameters
    ----------
    atoms : array of float, shape (atoms, width)
        Rows of the shared tokens, in the donor.
    targets : array of float, shape (targets, width)
        Rows to be approximated, in the donor.
    sparsity : int
        Most atoms in one row.

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
    for first in range(0, len(targets), CHUNK):
        found += _chunk(atoms, directions, np.asarray(targets[first : first + CHUNK], np.float32), sparsity)
    return found


def _chunk(
    atoms: np.ndarray, directions: np.ndarray, targets: np.ndarray, sparsity: int
) -> list[list[tuple[int, float]]]:
    residuals, sizes = targets.copy(), np.linalg.norm(targets, axis=1)
    chosen: list[list[int]] = [[] for _ in targets]
    coefficients: list[np.ndarray] = [np.zeros(0)] * len(targets)
    active = np.flatnonzero(sizes > 0)
    for _ in range(sparsity):
        if not len(active):
            break
        fit = np.abs(residuals[active] @ directions.T)
        for row, i in zip(fit, active, strict=True):
            row[chosen[i]] = -1.0
            chosen[i].append(int(row.argmax()))
            basis = atoms[chosen[i]].astype(np.float64)
            coefficients[i] = np.linalg.lstsq(basis.T, targets[i].astype(np.float64), rcond=None)[0]
            residuals[i] = targets[i] - coefficients[i] @ basis
        active = active[np.linalg.norm(residuals[active], axis=1) > SMALL * sizes[active]]
    return [
        [(a, float(c)) for a, c in zip(*pair, strict=True) if c != 0] for pair in zip(chosen, coefficients, strict=True)
    ]
