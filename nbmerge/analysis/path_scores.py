"""Scores along a path between two recipes, or over a plane between three."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from nbmerge.analysis.measure import ScoreLike, choose_names, measure_plans, read_scores
from nbmerge.analysis.paths import blend_along
from nbmerge.arguments import parse_count_argument
from nbmerge.checkpoints import hub
from nbmerge.engine.differences import describe_difference
from nbmerge.engine.planning import plan as make_plan
from nbmerge.engine.planning import plan_after, read_recipe
from nbmerge.errors import ArgumentError
from nbmerge.presentation import Displayed, draw
from nbmerge.progress_bars import show_progress
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


@dataclass(frozen=True)
class Barrier:
    """The highest point of a path above the straight line between the scores of its ends.

    Parameters
    ----------
    height : float
        In units of the score; 0 if no point is worse than the line. Of a score that is better when higher, how far the path
        falls below the line.
    at : float
        Position on the path, from 0 to 1.
    """

    height: float
    at: float


@dataclass(frozen=True)
class PathScores(Displayed):
    """Scores along a path or over a plane; returned by `sweep`.

    Parameters
    ----------
    recipes : tuple of Recipe
        The recipe of each point.
    positions : tuple of tuple of float
        ``(t,)`` on a path, ``(x, y)`` on a plane.
    values : dict of str to tuple of float
        For each score, one number per point; NaN where it failed.
    lower : dict of str to bool
        Whether lower is better.
    fallback : str
        Why a live merge was updated for every point; empty if all points were evaluated together, layer by layer.
    notes : tuple of str
        What went wrong at single points, and how texts longer than the context were read.
    seconds : float
    along : tuple of str
        What changes along each axis, in words such as "weight of math 0.3 → 0.9"; empty where it is more than one parameter.
    """

    recipes: tuple[Recipe, ...]
    positions: tuple[tuple[float, ...], ...]
    values: dict[str, tuple[float, ...]]
    lower: dict[str, bool]
    fallback: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    along: tuple[str, ...] = ()

    @property
    def is_plane(self) -> bool:
        """Whether the points lie on a plane instead of a path."""
        return len(self.positions[0]) == 2

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per point: ``t`` or ``x`` and ``y``, and the scores."""
        import pandas as pd

        names = ("x", "y") if self.is_plane else ("t",)
        return pd.DataFrame(self.positions, columns=list(names)).assign(**self.values)

    def best(self, score: str | None = None) -> Recipe:
        """The recipe of the best point.

        Parameters
        ----------
        score : str, optional
            Default the first one.
        """
        name = self._name(score)
        return self.recipes[self._find_best(name)]

    def barrier(self, score: str | None = None) -> Barrier:
        """How far the path is worse than the straight line between its ends.

        Parameters
        ----------
        score : str, optional
            Default the first one.

        Raises
        ------
        ArgumentError
            On a plane, and where an end has no score.
        """
        if self.is_plane:
            raise ArgumentError("A plane has no barrier. Sweep the path between two of its corners.")
        name = self._name(score)
        values, sign = self.values[name], 1.0 if self.lower[name] else -1.0
        ends = {t: value for (t,), value in zip(self.positions, values, strict=True) if t in (0.0, 1.0)}
        if len(ends) < 2 or any(map(math.isnan, ends.values())):
            raise ArgumentError(f"The score {name!r} is not known at both ends of the path, so it has no barrier.")
        above = [
            (sign * (value - (1 - t) * ends[0.0] - t * ends[1.0]), t)
            for (t,), value in zip(self.positions, values, strict=True)
            if 0 <= t <= 1 and not math.isnan(value)
        ]
        height, at = max(above)
        return Barrier(height if height > 0 else 0.0, at)

    def plot(
        self,
        scores: str | Sequence[str] | None = None,
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot the scores: a curve with its ends and its barrier marked, or a heat map with contour lines.

        Parameters
        ----------
        scores : str or sequence of str, optional
            Default all, below each other.
        theme, width, font_size
            As in `Recipe.plot`.
        """
        names = choose_names(self.values, scores)
        return draw("path_scores", self, names, theme=theme, width=width, font_size=font_size)

    def _find_best(self, name: str) -> int:
        rated = [(value if self.lower[name] else -value, i) for i, value in enumerate(self.values[name])]
        return min(pair for pair in rated if not math.isnan(pair[0]))[1]

    def _say_best(self, name: str) -> str:
        i = self._find_best(name)
        place = ", ".join(
            f"{letter} = {x:.3g}" for letter, x in zip(self.table.columns, self.positions[i], strict=False)
        )
        return f"{self.values[name][i]:.4g} at {place}"

    def _name(self, score: str | None) -> str:
        return choose_names(self.values, score)[0]

    def __repr__(self) -> str:
        best = ", ".join(f"{name} {self._say_best(name)}" for name in self.values)
        how = "by live updates" if self.fallback else "layer by layer"
        return f"<PathScores: {len(self.positions)} points {how}, best {best}>"


@hub.stopping
def sweep(
    first: RecipeLike,
    second: RecipeLike,
    points: int = 11,
    scores: Mapping[str, ScoreLike] | ScoreLike = (),
    *,
    plane: RecipeLike | None = None,
    span: tuple[float, float] = (0.0, 1.0),
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> PathScores:
    """Compute scores along the path between two recipes.

    At ``t`` of the path every number of a parameter is ``(1 − t)`` times that of the first recipe plus ``t`` times that of the
    second. All points are evaluated together, layer by layer: each layer of the parents is read once, and no more than one
    layer of one merge, or of four where there is room, is in memory. Results are those of separate merges.

    Parameters
    ----------
    first, second : Recipe, Plan, or anything that `Recipe.load` reads
        They must be alike except for the numbers of their parameters. Filters may differ; the recipes between are then written
        with the values of each tensor.
    points : int
        Number of points on the path, or on each axis of the plane; at least 2.
    scores : mapping of str to score, or one score
        A text, or a list of texts: its perplexity. `nbmerge.sampling.Phrase`: log odds. Any function of a model that
        returns a number; a live merge is then updated for each point, which `PathScores.fallback` states.
    plane : Recipe, optional
        A third recipe: points then cover the plane ``first + x (second − first) + y (plane − first)``. If `second` differs from
        `first` in one parameter and `plane` in another, its axes are these two parameters.
    span : (float, float)
        Range of t, or of x and y; beyond 0 and 1 the path goes past the recipes.
    progress, cancel, threads
        As in `nbmerge.merge`.
    device : str, optional
        Where the model is evaluated, as in `nbmerge.live`: "cuda", "mps", "auto".

    Raises
    ------
    ArgumentError
        When the recipes differ in more than numbers, or an argument is out of range.
    RecipeError
        When a point is not a valid recipe.
    SampleError
        When a text is empty, or a score fails at all points.
    TooLargeError
        When the hidden states of all points do not fit into memory.
    MergeStopped
        When `cancel` was set.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> from nbmerge.demo import flat
    >>> result = nbm.sweep(flat(0.0), flat(1.0), points=3, scores={"story": "the fox went to the river."})
    >>> result.table.columns.to_list(), len(result.recipes)
    (['t', 'story'], 3)
    """
    began = time.perf_counter()
    named = read_scores(scores)
    count = parse_count_argument("points", points, 11)
    if count < 2 or not span[0] < span[1]:
        raise ArgumentError(f"points must be at least 2 and span an interval, not {points!r} and {span!r}.")
    ends = [read_recipe(source) for source in ((first, second) if plane is None else (first, second, plane))]
    axis = [round(span[0] + (span[1] - span[0]) * i / (count - 1), 12) for i in range(count)]
    positions = [(t,) for t in axis] if plane is None else [(x, y) for y in axis for x in axis]
    recipes = blend_along(ends, [(1 - sum(p), *p) for p in positions])
    plans = [make_plan(recipes[0])]
    plans += [plan_after(plans[0], recipe) for recipe in recipes[1:]]
    with show_progress(progress, "Sweeping") as listener:
        found = measure_plans(plans, named, progress=listener, cancel=cancel, threads=threads, device=device)
    seconds, along = time.perf_counter() - began, tuple(_describe_axis(ends[0], end) for end in ends[1:])
    return PathScores(
        tuple(recipes), tuple(positions), found.values, found.lower, found.fallback, found.notes, seconds, along
    )


def _describe_axis(first: Recipe, end: Recipe) -> str:
    words = describe_difference(first, end).words
    return words[0] if len(words) == 1 else ""
