"""What was found about each tensor, in a file of its own until the adapter is complete: a stopped extraction resumes from them.

Ranks, and what changed at all, are known only at the end, so the adapter's file cannot be laid out before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xxhash
from safetensors import safe_open
from safetensors.torch import save

from nbmerge.adapters.roles import Role
from nbmerge.errors import RESUME, MergeError, advice
from nbmerge.statistics.structure.decomposition import Decomposition

SUFFIX = ".nbmerge-part"
_NEGLIGIBLE = 1e-6
"""Singular values below this share of the largest are rounding: no rank is spent on them."""


@dataclass(frozen=True)
class Budget:
    """How many ranks a module gets.

    Parameters
    ----------
    rank : int
        The most.
    energy : float, optional
        The share of ‖δ‖² that suffices; if None, every module gets `rank`.
    """

    rank: int
    energy: float | None = None

    def choose(self, squares: np.ndarray, total: float) -> int:
        """The rank of one module, by the squares of its singular values and ‖δ‖²."""
        if not total:
            return 0
        squares = squares[: self.rank]
        most = int((squares > _NEGLIGIBLE**2 * squares[:1]).sum())
        if self.energy is None:
            return most
        reached = np.flatnonzero(np.cumsum(squares) >= self.energy * total * (1 - 1e-12))
        return min(most, int(reached[0]) + 1) if len(reached) else most


@dataclass(frozen=True)
class Part:
    """What was found about one tensor.

    Parameters
    ----------
    energy : float
        ‖δ‖².
    size : int
        Number of all singular values; 0 where they were not computed.
    values, errors : ndarray of float64
        Singular values, and bounds of the errors of their squares.
    rank : int
        Of its factors; 0 where it has none.
    rounding : float
        ‖(BA)′ − BA‖², where (BA)′ is the product of the factors as they are stored.
    """

    energy: float
    size: int
    values: np.ndarray
    errors: np.ndarray
    rank: int
    rounding: float


def part_names(roles: tuple[Role, ...]) -> list[str]:
    """Names of the files of an extraction."""
    return [f"{i:06d}{SUFFIX}" for i in range(len(roles))]


class Parts:
    """The files of an extraction.

    Parameters
    ----------
    folder : Path
    roles : sequence of Role
    """

    def __init__(self, folder: Path, roles: tuple[Role, ...]):
        names = part_names(roles)
        self._files = {role.tensor.name: folder / name for role, name in zip(roles, names, strict=True)}

    def write_change(self, name: str, energy: float) -> str:
        """Write the change of a tensor without factors; returns the checksum of the file."""
        nothing = torch.empty(0, dtype=torch.float64)
        return self._write(name, {"values": nothing, "errors": nothing, "sums": _sums(energy, 0.0, 0)})

    def write_factors(self, role: Role, found: Decomposition, budget: Budget, dtype: torch.dtype) -> str:
        """Write the factors of a matrix, B = U√S and A = √SVᵀ; returns the checksum of the file."""
        values = torch.from_numpy(found.values)
        rank = budget.choose(found.values**2, found.energy)
        up, down = found.outputs[:, :rank].double(), found.inputs[:, :rank].double()
        if role.tensor.values.inputs_first:  # the stored matrix is (BA)ᵀ
            up, down = down, up
        root = values[:rank].sqrt()
        b, a = (up * root).to(dtype), (down * root).T.to(dtype)
        rounding = _product_error(b.double(), a.double(), up * root, (down * root).T)
        stored = {"lora_A": a.contiguous(), "lora_B": b.contiguous(), "values": values}
        sums = _sums(found.energy, rounding, found.size)
        return self._write(role.tensor.name, stored | {"errors": torch.from_numpy(found.errors), "sums": sums})

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
        except OSError:
            return False

    def read(self, name: str) -> Part:
        """Read what was found about a tensor, without its factors."""
        with safe_open(self._files[name], "pt") as file:
            energy, rounding, size = file.get_tensor("sums").tolist()
            values, errors = (file.get_tensor(key).numpy() for key in ("values", "errors"))
            rank = file.get_slice("lora_A").get_shape()[0] if "lora_A" in file.keys() else 0  # noqa: SIM118
            return Part(energy, int(size), values, errors, rank, rounding)

    def factor(self, name: str, which: str) -> torch.Tensor:
        """Read "lora_A" or "lora_B" of a tensor."""
        with safe_open(self._files[name], "pt") as file:
            tensor: torch.Tensor = file.get_tensor(which)
            return tensor

    def remove(self) -> None:
        """Remove all files."""
        for file in self._files.values():
            file.unlink(missing_ok=True)


def _sums(energy: float, rounding: float, size: int) -> torch.Tensor:
    return torch.tensor([energy, rounding, size], dtype=torch.float64)


def _product_error(b: torch.Tensor, a: torch.Tensor, exact_b: torch.Tensor, exact_a: torch.Tensor) -> float:
    """‖ba − BA‖², from thin products: ba − BA = [b, B][a; −A]."""
    left, right = torch.cat([b, exact_b], 1), torch.cat([a, -exact_a])
    return max(0.0, float(((left.T @ left) * (right @ right.T)).sum()))
