"""The packages of the extra ``nbmerge[search]``, imported when a search begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbmerge.errors import ArgumentError
from nbmerge.optimisation.space import Choice, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

INSTALL = 'pip install "nbmerge[search]"'


def require_optuna() -> Any:
    """The package optuna, which from then on logs warnings only.

    Raises
    ------
    ArgumentError
        When it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ArgumentError(f"Searches need Optuna: {INSTALL}") from None
    if optuna.logging.get_verbosity() == optuna.logging.INFO:  # its default: a line for each trial
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def require_cmaes() -> Any:
    """The package cmaes.

    Raises
    ------
    ArgumentError
        When it is not installed.
    """
    try:
        import cmaes
    except ImportError:
        raise ArgumentError(f"sampler='cmaes' needs the package cmaes: {INSTALL}. Or use sampler='tpe'.") from None
    return cmaes


def make_distributions(space: Space) -> dict[str, BaseDistribution]:
    """The ranges and choices in Optuna's form."""
    require_optuna()
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        name: CategoricalDistribution(part.options)
        if isinstance(part, Choice)
        else FloatDistribution(part.low, part.high, log=part.log)
        for name, part in space.dimensions.items()
    }
