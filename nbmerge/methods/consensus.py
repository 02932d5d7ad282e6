"""Sign election: of several task vectors, keep at each element what agrees with the weighted majority.

Yadav et al. 2023, TIES-Merging, https://arxiv.org/abs/2306.01708, section 4 (elect, disjoint merge).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def elect(weighted: list[torch.Tensor], weights: list[float], normalize: bool) -> torch.Tensor:
    """Merge weighted task vectors by the sign of their sum.

    Parameters
    ----------
    weighted : list of Tensor
        wᵢδᵢ, 1-D, of one length; overwritten.
    weights : list of float
        wᵢ.
    normalize : bool
        Divide each element by the weights of the models that agree there.

    Returns
    -------
    Tensor
        Σ mᵢwᵢδᵢ (/ Σ mᵢwᵢ), where mᵢ says that wᵢδᵢ has the elected sign. A sum of zero elects plus; zeros never agree.
    """
    total = weighted[0].clone()
    for delta in weighted[1:]:
        total.add_(delta)
    sign = total.ge(0).to(total.dtype).mul_(2).sub_(1)
    merged = total.zero_()
    share = sign.clone().zero_() if normalize else None
    for delta, weight in zip(weighted, weights, strict=True):
        delta.mul_(sign).relu_()
        merged.add_(delta)
        if normalize:
            share.add_(delta.gt(0).to(share.dtype), alpha=weight)
    merged.mul_(sign)
    # Where nobody agrees, or negative weights cancel, there is nothing to divide by.
    return merged.div_(share.masked_fill_(share.abs() < 1e-8, 1.0)) if normalize else merged
