"""What is refused for bare weights: everything that needs a model."""

from __future__ import annotations

from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import SampleError

WAYS = "Bare weights can be planned, checked, merged to disk, verified and measured; nbmerge.compute_tensors returns the merged tensors."


def require_model(plan: Plan, what: str) -> None:
    """Refuse bare weights where a model is needed.

    Parameters
    ----------
    plan : Plan
    what : str
        The work: "<what> needs a model".

    Raises
    ------
    SampleError
    """
    if plan.bare:
        raise no_model(what)


def no_model(what: str) -> SampleError:
    """The error for work that needs a model."""
    return SampleError(f"{what} needs a model, and weights without a config.json are none. {WAYS}")
