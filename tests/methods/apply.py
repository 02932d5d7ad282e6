"""One method on a few tensors, by the engine's own way from files to blocks, and yardsticks for its errors."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nbmerge.checkpoints.header import read_header
from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.tensor import compute
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.methods import REQUIRED, Values, methods


def values_of(
    name: str,
    count: int,
    parameters: Mapping[str, Any],
    based: bool,
    seed: int = 0,
    position: float = 0.0,
    matrix: bool = False,
) -> Values:
    """Values for `count` inputs: the method's defaults, and what is given (a list for one value per merged input)."""
    shared, each = {}, {}
    unknown = set(parameters) - {p.name for p in methods()[name].parameters}
    assert not unknown, f"{name} has no {unknown}"
    for p in methods()[name].parameters:
        given = parameters.get(p.name, p.default)
        assert given is not REQUIRED, f"{name} needs {p.name}"
        if p.scope == "global":
            assert p.fault(given) is None, p.fault(given)
            shared[p.name] = given
            continue
        row = list(given) if isinstance(given, list | tuple) else [given] * (count - based)
        assert len(row) == count - based
        each[p.name] = ((None,) if based else ()) + tuple(row)
    return Values(shared, each, tuple(f"{seed}/{i}/x" for i in range(count)), position, matrix)


def has_base(name: str, based: bool) -> bool:
    """Whether the first tensor is a base in the sense of `Values`."""
    kind = methods()[name].base
    return kind == "required" or (kind == "optional" and based)


def merged(
    name: str,
    tensors: Sequence[torch.Tensor],
    parameters: Mapping[str, Any] | None = None,
    *,
    based: bool = True,
    out: torch.dtype | None = None,
    seed: int = 0,
    position: float = 0.0,
    matrix: bool | None = None,
) -> torch.Tensor:
    """The merge of tensors, the base first; `based` matters where a base is optional."""
    matrix = tensors[0].dim() > 1 if matrix is None else matrix
    values = values_of(name, len(tensors), parameters or {}, has_base(name, based), seed, position, matrix)
    fault = methods()[name].fault(values)
    if fault:
        raise ValueError(fault)
    dtype = out or tensors[0].dtype
    with tempfile.TemporaryDirectory() as folder, InputFiles() as files:
        file = Path(folder) / "x.safetensors"
        save_file({f"{i:02d}": t.contiguous().clone() for i, t in enumerate(tensors)}, file)
        stored, _ = read_header(file)
        inputs = tuple(stored[f"{i:02d}"] for i in range(len(tensors)))
        text = str(dtype).removeprefix("torch.")
        plan = TensorPlan(
            "x", tuple(tensors[0].shape), text, 0, "rest", name, inputs, tuple("abcdefgh")[: len(tensors)], values
        )
        result = torch.empty(plan.count, dtype=dtype)

        def emit(start: int, block: torch.Tensor) -> None:
            assert block.dtype == dtype
            result[start : start + block.numel()] = block

        compute(plan, Blocks(plan, Workspace(files)), emit)
    return result.view(tensors[0].shape)


def ulps(result: torch.Tensor, exact: torch.Tensor, terms: Sequence[torch.Tensor]) -> float:
    """Largest error in units in the last place of the result's dtype, at the size of the largest number in the sum.

    Where terms cancel, no arithmetic in the working precision is exact relative to what is left; the unit is therefore
    that of the largest of terms (the inputs, and sums on the way) and result at each element.
    """
    info = torch.finfo(result.dtype)
    size = torch.stack([exact.abs(), *(t.double().abs() for t in terms)]).amax(0).clamp(min=info.tiny)
    unit = torch.exp2(torch.floor(torch.log2(size))) * info.eps
    return float(((result.double() - exact).abs() / unit).max()) if result.numel() else 0.0


def family(
    shape: tuple[int, ...], count: int = 3, dtype: torch.dtype = torch.float32, seed: int = 0, scale: float = 0.1
) -> list:
    """A base and `count` task vectors on it, correlated as fine-tunes are."""
    g = torch.Generator().manual_seed(seed)

    def draw() -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64)

    base, common = draw(), draw()
    return [base.to(dtype), *((base + scale * (0.6 * common + 0.8 * draw())).to(dtype) for _ in range(count))]


SHAPES = ((1,), (9,), (515,), (1, 7), (7, 1), (13, 37), (3, 5, 11))
"""Vectors, single rows and columns, odd sizes, and a stack of matrices."""
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def wide(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The base and the task vectors in float64."""
    base, *tuned = (t.double() for t in tensors)
    return base, [own - base for own in tuned]
