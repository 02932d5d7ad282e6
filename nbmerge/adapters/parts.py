"""What was found about each tensor, in a file of its own until the adapter is complete: a stopped run resumes from them.

Ranks, and what changed at all, are known only at the end, so the adapter's file cannot be laid out before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xxhash
from safetensors import safe_open
from safetensors.torch import save

from nbmerge.errors import RESUME, MergeError, advice
from nbmerge.statistics.structure.decomposition import Decomposition

SUFFIX = ".nbmerge-part"


@dataclass(frozen=True)
class Part:
    """What was found about one tensor, without its factors.

    Parameters
    ----------
    energy : float
        ‖δ‖².
    size : int
        Number of all singular values; 0 where none were computed.
    values, errors : ndarray of float64
        The largest singular values, and bounds of the errors of their squares.
    rank : int
        Of its factors; 0 where it has none.
    lost : float
        ‖δ′ − (BA)′‖², where (BA)′ is the product of the factors as they are stored, and δ′ what they stand for.
    """

    energy: float
    size: int
    values: np.ndarray
    errors: np.ndarray
    rank: int
    lost: float


@dataclass(frozen=True)
class Factors:
    """Factors B and A of one tensor, in the dtype that they are stored in.

    Parameters
    ----------
    b : Tensor, shape (outputs, rank)
    a : Tensor, shape (rank, inputs)
    lost : float
        As in `Part`.
    """

    b: torch.Tensor
    a: torch.Tensor
    lost: float


def part_names(count: int) -> list[str]:
    """Names of the files of a run."""
    return [f"{i:06d}{SUFFIX}" for i in range(count)]


class Parts:
    """The files of a run.

    Parameters
    ----------
    folder : Path
    tensors : sequence of str
        Names of the tensors, in the order of the files.
    """

    def __init__(self, folder: Path, tensors: Sequence[str]):
        names = part_names(len(tensors))
        self._files = {tensor: folder / name for tensor, name in zip(tensors, names, strict=True)}

    def write_change(self, name: str, energy: float) -> str:
        """Write the change of a tensor without factors; returns the checksum of the file."""
        nothing = torch.empty(0, dtype=torch.float64)
        return self._write(name, {"values": nothing, "errors": nothing, "sums": _sums(energy, 0.0, 0)})

    def write_factors(self, name: str, factors: Factors, found: Decomposition) -> str:
        """Write the factors of a matrix with its singular values; returns the checksum of the file."""
        values, errors = torch.from_numpy(found.values), torch.from_numpy(found.errors)
        sums = _sums(found.energy, factors.lost, found.size)
        stored = {"lora_A": factors.a, "lora_B": factors.b, "values": values, "errors": errors, "sums": sums}
        return self._write(name, stored)

    def _write(self, name: str, tensors: dict[str, torch.Tensor]) -> str:
        data = save({key: tensor.contiguous().clone() for key, tensor in tensors.items()})
        try:
            self._files[name].write_bytes(data)
        except OSError as error:
            raise MergeError(f"cannot write to {self._files[name].parent}: {advice(error)} {RESUME}") from error
        return xxhash.xxh3_64_hexdigest(data)

    def holds(self, name: str, checksum: str) -> bool:
        """Whether the file of a tensor is complete and undamaged."""
        try:
            return xxhash.xxh3_64_hexdigest(self._files[name].read_bytes()) == checksum
        except (OSError, KeyError):
            return False

    def read(self, name: str, experts: int = 1) -> Part:
        """Read what was found about a tensor, without its factors, which may be those of several experts."""
        with safe_open(self._files[name], "pt") as file:
            energy, lost, size = file.get_tensor("sums").tolist()
            values, errors = (file.get_tensor(key).numpy() for key in ("values", "errors"))
            rank = file.get_slice("lora_A").get_shape()[0] if "lora_A" in file.keys() else 0  # noqa: SIM118
            return Part(energy, int(size), values, errors, rank // experts, lost)

    def factor(self, name: str, which: str) -> torch.Tensor:
        """Read "lora_A" or "lora_B" of a tensor."""
        with safe_open(self._files[name], "pt") as file:
            tensor: torch.Tensor = file.get_tensor(which)
            return tensor

    def remove(self) -> None:
        """Remove all files."""
        for file in self._files.values():
            file.unlink(missing_ok=True)


def balanced_factors(found: Decomposition, rank: int, transposed: bool, dtype: torch.dtype) -> Factors:
    """B = U√S and A = √SVᵀ of a decomposition.

    Parameters
    ----------
    found : Decomposition
    rank : int
    transposed : bool
        Whether the decomposed matrix is (BA)ᵀ.
    dtype : torch.dtype
        In which they are stored.
    """
    up, down = found.outputs[:, :rank].double(), found.inputs[:, :rank].double()
    if transposed:
        up, down = down, up
    root = torch.from_numpy(found.values[:rank]).sqrt()
    b, a = (up * root).to(dtype), (down * root).T.to(dtype)
    return Factors(b, a.contiguous(), product_error(b.double(), a.double(), up * root, (down * root).T))


def product_error(b: torch.Tensor, a: torch.Tensor, exact_b: torch.Tensor, exact_a: torch.Tensor) -> float:
    """‖ba − BA‖², from thin products: ba − BA = [b, B][a; −A]."""
    left, right = torch.cat([b, exact_b], 1), torch.cat([a, -exact_a])
    return max(0.0, float(((left.T @ left) * (right @ right.T)).sum()))


def _sums(energy: float, lost: float, size: int) -> torch.Tensor:
    return torch.tensor([energy, lost, size], dtype=torch.float64)
