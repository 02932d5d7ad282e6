"""Modules that evaluate a weighted sum of the same module of several models, without computing its weights: Σ cᵢ(Wᵢx).

In float32 the result is that of the merged module up to rounding. In bfloat16 or float16 each parent's product is rounded
before the sum, whereas a computed merge rounds its weights. Both errors are about half a unit in the last place of an
activation, but they differ, so a text can diverge from the saved model's where two tokens are almost equally likely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional


class Blend:
    """The parents of a matrix and their coefficients; shared by modules that share the matrix.

    Parameters
    ----------
    parents : sequence of Tensor
        The parents' matrices, of one shape.
    dtype : torch.dtype
        The dtype of the merged matrix.
    """

    def __init__(self, parents: Sequence[torch.Tensor], dtype: torch.dtype):
        self.parents = nn.ParameterList(nn.Parameter(p, requires_grad=False) for p in parents)
        self.dtype = dtype
        self.coefficients: tuple[float, ...] = (0.0,) * len(parents)

    @property
    def shape(self) -> torch.Size:
        """Shape of the matrix."""
        return self.parents[0].shape

    def apply(self, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Σ cᵢ f(Wᵢ) for a linear function f, in the merge's dtype.

        Parents with coefficient 0 are not evaluated. Coefficients that sum to one are applied as differences from the first
        parent, so that a model merged with itself is exactly that model.
        """
        used = [(c, p) for c, p in zip(self.coefficients, self.parents, strict=True) if c != 0]
        if not used:
            return torch.zeros_like(function(self.parents[0]), dtype=self.dtype)
        (weight, parent), *rest = used
        affine = abs(sum(c for c, _ in used) - 1.0) < 1e-12
        first = function(parent)
        if affine and not rest:
            return first.to(self.dtype)
        first = first.to(torch.promote_types(first.dtype, torch.float32))
        total = first.clone() if affine else first.mul_(weight)
        for weight, parent in rest:
            value = function(parent).to(first.dtype)
            total.add_(value.sub_(first) if affine else value, alpha=weight)
        return total.to(self.dtype)


class _Blended(nn.Module):
    """The base of blended modules: `weight` for code that reads its shape."""

    def __init__(self, blend: Blend):
        super().__init__()
        self.blend = blend
        self.parents = blend.parents

    @property
    def weight(self) -> torch.Tensor:
        """The first parent's matrix: shape and device are those of the merge, the numbers are not."""
        return self.blend.parents[0]


class BlendedLinear(_Blended):
    """``y = Σ cᵢ(Wᵢx) + b``; the bias is computed.

    Parameters
    ----------
    blend : Blend
        Matrices of shape (outputs, inputs), or (inputs, outputs) if `transposed` (GPT-2).
    bias : Parameter, optional
    """

    def __init__(self, blend: Blend, bias: nn.Parameter | None, transposed: bool = False):
        super().__init__(blend)
        self.bias, self.transposed = bias, transposed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (..., inputs) to (..., outputs)."""
        y = self.blend.apply(lambda w: self._product(x, w))
        return y if self.bias is None else y + self.bias

    def _product(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        dtype = torch.promote_types(x.dtype, w.dtype)
        x, w = x.to(dtype), w.to(dtype)
        return x @ w if self.transposed else functional.linear(x, w)


class BlendedEmbedding(_Blended):
    """Rows of Σ cᵢWᵢ, gathered before they are summed."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Shape (...) to (..., width)."""
        return self.blend.apply(lambda w: functional.embedding(ids, w))
