"""Sample one merge for several values of one or two of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmerge.errors import ArgumentError, MergeStopped
from nbmerge.presentation import Displayed
from nbmerge.progress import Reporter
from nbmerge.progress_bars import show_progress
from nbmerge.recipe import Recipe
from nbmerge.sampling.generate import sample
from nbmerge.sampling.result import Sample

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal

MOST_CELLS = 400
"""Most cells of a grid."""


@dataclass(frozen=True)
class GridAxis:
    """Several values of one parameter.

    Parameters
    ----------
    parameter : str
    values : sequence of scalars or gradients
    model : str, optional
        The model whose parameter it is, by reference or short name; None for one of the whole merge.
    """

    parameter: str
    values: Sequence[Any]
    model: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ArgumentError(f"the axis {self.title!r} has no values.")

    @property
    def title(self) -> str:
        """The parameter's name, with its model."""
        return self.parameter if self.model is None else f"{self.parameter} of {self.model}"

    def apply(self, recipe: Recipe, number: int) -> Recipe:
        """The recipe with one of the values."""
        return recipe.with_parameter(self.parameter, self.values[number], self.model)


@dataclass(frozen=True)
class SampleGrid(Displayed):
    """Samples of one merge for several values; made by `sample_grid`.

    Parameters
    ----------
    recipe : Recipe
        The recipe that is varied.
    prompt : str
    columns : GridAxis
    rows : GridAxis or None
        None for a grid of one row.
    samples : tuple of tuple of Sample or None
        Row by row; None where sampling was stopped before.
    """

    recipe: Recipe
    prompt: str
    columns: GridAxis
    rows: GridAxis | None
    samples: tuple[tuple[Sample | None, ...], ...]

    def recipe_at(self, column: int, row: int = 0) -> Recipe:
        """The recipe of one cell."""
        recipe = self.columns.apply(self.recipe, column)
        return recipe if self.rows is None else self.rows.apply(recipe, row)

    @property
    def table(self) -> pd.DataFrame:
        """The continuations, with the values as labels; None where sampling was stopped before."""
        import pandas as pd

        texts = [[None if s is None else s.text for s in row] for row in self.samples]
        columns = pd.Index([str(v) for v in self.columns.values], name=self.columns.title)
        if self.rows is None:
            return pd.DataFrame(texts, columns=columns)
        return pd.DataFrame(texts, pd.Index([str(v) for v in self.rows.values], name=self.rows.title), columns)

    def __repr__(self) -> str:
        known = sum(s is not None for row in self.samples for s in row)
        rows = "" if self.rows is None else f" × {self.rows.title}"
        return f"<SampleGrid of {self.prompt!r}: {self.columns.title}{rows}, {known} of {self._count} samples>"

    @property
    def _count(self) -> int:
        return sum(map(len, self.samples))


def sample_grid(
    recipe: RecipeLike,
    prompt: str,
    columns: GridAxis,
    rows: GridAxis | None = None,
    *,
    max_new_tokens: int = 40,
    temperature: float = 0.0,
    seed: int = 0,
    on_sample: Callable[[int, int, Sample], Any] | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
) -> SampleGrid:
    """Sample a merge for every combination of the values of one or two parameters.

    The merge is made in memory once; from cell to cell only the tensors that change are computed again.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    prompt : str
    columns, rows : GridAxis
        `rows` may be left out.
    max_new_tokens, temperature, seed
        As in `sample`.
    on_sample : callable, optional
        ``(column, row, sample)``: called after each cell.
    progress : callable or bool, optional
        As in `merge`; an event "tensor" is one cell.
    cancel : StopSignal, optional
        Set it from any thread: the cells that are done are returned, the others are None.

    Raises
    ------
    ArgumentError
        When the grid has more than 400 cells, or a setting is out of range.
    RecipeError
        When a value does not fit its parameter, before anything is computed.
    TooLargeError, SampleError
        As in `live` and `sample`.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> recipe = nbm.demo.recipe()
    >>> weights = nbm.GridAxis("weight", [0, 0.5, 1], model="shouter")
    >>> grid = nbm.sample_grid(recipe, "shout lion >", weights, max_new_tokens=4)
    >>> grid.table.shape
    (1, 3)
    """
    grid = _plan_grid(recipe, prompt, columns, rows)
    cells = [[None] * len(columns.values) for _ in grid.samples]
    settings = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    for column, row, made in _sample_cells(grid, settings, progress, cancel):
        cells[row][column] = made  # type: ignore[call-overload]
        if on_sample is not None:
            on_sample(column, row, made)
    return SampleGrid(grid.recipe, prompt, columns, rows, tuple(map(tuple, cells)))


def _plan_grid(recipe: RecipeLike, prompt: str, columns: GridAxis, rows: GridAxis | None) -> SampleGrid:
    """An empty grid whose recipes are all valid."""
    from nbmerge.engine.planning import Plan, plan

    start = recipe.recipe if isinstance(recipe, Plan) else Recipe.load(recipe)
    height, width = 1 if rows is None else len(rows.values), len(columns.values)
    if width * height > MOST_CELLS:
        raise ArgumentError(f"a grid of {width} × {height} cells is too large (at most {MOST_CELLS}).")
    grid = SampleGrid(start, prompt, columns, rows, ((None,) * width,) * height)
    for column in range(width):
        plan(grid.recipe_at(column, 0))
    for row in range(1, height):
        plan(grid.recipe_at(0, row))
    return grid


def _sample_cells(
    grid: SampleGrid, settings: dict[str, Any], progress: ProgressLike, cancel: StopSignal | None
) -> Iterator[tuple[int, int, Sample]]:
    """Each cell when it is done; ends early when `cancel` is set."""
    from nbmerge.engine.live import live

    places = [(column, row) for row in range(len(grid.samples)) for column in range(len(grid.columns.values))]
    with show_progress(progress, "Sampling the grid") as listener:
        reporter = Reporter(listener, len(places), 0)
        reporter.tell("planned")
        merge = None
        try:
            for column, row in places:
                recipe = grid.recipe_at(column, row)
                if merge is None:
                    merge = live(recipe, progress=False, cancel=cancel)
                else:
                    merge.update(recipe, progress=False, cancel=cancel)
                (made,) = sample(merge, [grid.prompt], cancel=cancel, progress=False, **settings)
                if made.stopped:
                    break
                reporter.tell("tensor")
                yield column, row, made
        except MergeStopped:
            pass
        finally:
            if merge is not None:
                merge.close()
        reporter.tell("stopped" if cancel is not None and cancel.is_set() else "finished")
