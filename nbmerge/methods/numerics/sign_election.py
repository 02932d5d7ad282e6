"""Sign election: of several task vectors, keep at each element what agrees with the weighted majority.

Yadav et al. 2023, TIES-Merging, https://arxiv.org/abs/2306.01708, section 4 (elect, disjoint merge).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ALMOST_ZERO = 1e-8
"""Sum of weights up to which there is nothing to divide by."""


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

    votes = [delta.sign() for delta in weighted] if consensus == "count" else weighted
    total = votes[0] + votes[1] if len(votes) > 1 else votes[0].clone()
    for vote in votes[2:]:
        total.add_(vote)
    # Comparisons write floats at once: going through a tensor of booleans costs ten times as much.
    sign = torch.ge(total, 0, out=total).mul_(2).sub_(1)
    for delta in weighted:
        delta.mul_(sign).relu_()
    share = _share(weighted, weights) if normalize else None
    merged, *others = weighted
    for delta in others:
        merged.add_(delta)
    merged.mul_(sign)
    return merged if share is None else merged.div_(share)


def _share(agreeing: list[torch.Tensor], weights: list[float]) -> torch.Tensor:
    """Σ mᵢwᵢ, 1 where there is nothing to divide by: no model agrees, or negative weights cancel."""
    import torch

    share = torch.gt(agreeing[0], 0, out=torch.empty_like(agreeing[0])).mul_(weights[0])
    agrees = torch.empty_like(share)
    for delta, weight in zip(agreeing[1:], weights[1:], strict=True):
        share.add_(torch.gt(delta, 0, out=agrees), alpha=weight)  # a product with 0 or 1 is exact
    if min(weights) > ALMOST_ZERO:
        return share.clamp_min_(min(weights))  # the numerator is 0 there
    return share.add_(torch.lt(share.abs(), ALMOST_ZERO, out=agrees))
