"""Optimisation: searches good values of a recipe with Optuna.

Start reading at `searching`. `space` is what a search varies, `samplers` draw values, `objective` scores a trial on a live merge,
`store` keeps trials in memory or in an SQLite file, `results` is what comes out.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.optimisation.evolve import EvolveSearch, read_evolve
    from nbmerge.optimisation.goals import Goal
    from nbmerge.optimisation.results import SearchResult
    from nbmerge.optimisation.searching import search
    from nbmerge.optimisation.space import Choice, Range, Space, make_space
    from nbmerge.optimisation.store import find_start
    from nbmerge.optimisation.trials import Trial

__all__ = [
    "Choice",
    "EvolveSearch",
    "Goal",
    "Range",
    "SearchResult",
    "Space",
    "Trial",
    "find_start",
    "make_space",
    "read_evolve",
    "search",
]

__getattr__ = exporter(
    __name__,
    evolve=("EvolveSearch", "read_evolve"),
    goals=("Goal",),
    results=("SearchResult",),
    searching=("search",),
    space=("Choice", "Range", "Space", "make_space"),
    store=("find_start",),
    trials=("Trial",),
)
