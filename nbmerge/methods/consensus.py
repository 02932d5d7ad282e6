"""Sign election: of several task vectors, keep at each element what agrees with the weighted majority.

Yadav et al. 2023, TIES-Merging, https://arxiv.org/abs/2306.01708, section 4 (elect, disjoint merge).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def elect(weighted: list[torch.Tensor], weights: list[float], normalize: bool, consensus: str = "sum") -> torch.Tensor:
    """Merge weighted task vectors by the sign of their sum.

    Parameters
    ----------
    weighted : list of Tensor
        wᵢδᵢ, 1-D, of one length; overwritten.
    weights : list of float
        wᵢ.
    normalize : bool
        Divide each element by the weights of the models that agree there.
    consensus : "sum" or "count"
        Whether models vote with the size of their change, or with one vote each.

    Returns
    -------
    Tensor
        Σ mᵢwᵢδᵢ (/ Σ mᵢwᵢ), where mᵢ says that wᵢδᵢ has the elected sign. A sum of zero elects plus; zeros never agree.
    """
    import torch

    total = weighted[0].sign() if consensus == "count" else weighted[0].clone()
    for delta in weighted[1:]:
        total.add_(delta.sign() if consensus == "count" else delta)
    # Comparisons write floats at once: going through a tensor of booleans costs ten times as much.
    sign = torch.ge(total, 0, out=torch.empty_like(total)).mul_(2).sub_(1)
    merged, agrees = total.zero_(), torch.empty_like(total)
    share = torch.zeros_like(total) if normalize else None
    for delta, weight in zip(weighted, weights, strict=True):
        delta.mul_(sign).relu_()
        merged.add_(delta)
        if normalize:
            share.add_(torch.gt(delta, 0, out=agrees), alpha=weight)
    merged.mul_(sign)
    if not normalize:
        return merged
    # Where nobody agrees, or negative weights cancel, there is nothing to divide by.
    return merged.div_(share.add_(torch.lt(share.abs(), 1e-8, out=agrees)))
