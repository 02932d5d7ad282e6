"""One method on a few tensors that are written as a list with the base first, and yardsticks for its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from nbmerge.engine.merge_tensors import merge_tensors, values_for
from nbmerge.methods import Values, methods


def values_of(
    name: str, count: int, parameters: Mapping[str, Any], based: bool, position: float = 0.0, matrix: bool = False
) -> Values:
    """Values for `count` inputs: the method's defaults, and what is given (a list for one value per merged input)."""
    return values_for(methods()[name], count, based, parameters, position=position, matrix=matrix)


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
    base, others = (tensors[0], tensors[1:]) if has_base(name, based) else (None, tensors)
    settings = {"seed": seed, "position": position, "matrix": matrix, "dtype": out or tensors[0].dtype}
    return merge_tensors(name, others, base=base, parameters=parameters, **settings)


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
