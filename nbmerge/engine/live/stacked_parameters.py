"""Parameters into which transformers stacks several tensors, such as all experts of a layer: where each of them is inside.

transformers copies what it stacks. A tensor that is found again, once and with the same bytes, needs no memory of its own: what is
written into its place changes the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import torch

_NUMBER = re.compile(r"\.(\d+)\.")
_Places = dict[tuple[str, torch.dtype], list[torch.Tensor]]


def find_places(
    weights: Mapping[str, torch.Tensor], parameters: Iterable[tuple[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Views of parameters that have the bytes of tensors; what is not found, or found twice, is left out.

    Parameters
    ----------
    weights : mapping of str to Tensor
        Matrices that are in no parameter of their own.
    parameters : iterable of (str, Tensor)
        Those of the model. Layers have the numbers that they have in the names of the weights.
    """
    stacks: _Places = {}
    for name, parameter in parameters:
        if parameter.dim() == 3 and parameter.is_contiguous():
            stacks.setdefault((_layer(name), parameter.dtype), []).append(parameter.data)
    found = {}
    for name, weight in weights.items():
        alike = [
            place for place in _places(weight, stacks.get((_layer(name), weight.dtype), ())) if _same(place, weight)
        ]
        if len(alike) == 1:
            found[name] = alike[0]
    return found


def _places(weight: torch.Tensor, stacks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Parts of stacks that a matrix may be: all of an entry, or one of several equal parts of its rows."""
    for stack in stacks if weight.dim() == 2 and weight.numel() else ():
        if stack.shape[2] == weight.shape[1] and not stack.shape[1] % weight.shape[0]:
            yield from stack.view(-1, *weight.shape)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether the bytes are equal; most are told apart by their first row."""
    first, second = one.view(torch.uint8), other.view(torch.uint8)
    return torch.equal(first[0], second[0]) and torch.equal(first, second)


def _layer(name: str) -> str:
    found = _NUMBER.search(name)
    return found[1] if found else ""
