"""Exporting a recipe as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.engine.planning import Plan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import OutputError
from nbmerge.pages.contents import Records, Texts, describe_page
from nbmerge.pages.document import write_document
from nbmerge.sampling import Comparison
from nbmerge.statistics import Changes, Statistics
from nbmerge.statistics.plan_statistics import measure_plan
from nbmerge.whole_files import write_whole

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


def export_page(
    recipe: RecipeLike,
    file: str | Path,
    *,
    statistics: Statistics | Changes | None = None,
    samples: Comparison | Texts | None = None,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    pins: Mapping[str, RecipeLike] | None = None,
    title: str = "",
    overwrite: bool = False,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
) -> Path:
    """Write a recipe as one HTML file in which its curves can be moved, without a kernel and without a network.

    For linear, task arithmetic, LiNeS, slerp, NuSLERP, Multi-SLERP and passthrough, the distances from each model follow the
    curves exactly; the file has the sums that they follow from, no weights. For other methods the page shows the distances of the recipe as
    it is exported. The recipe in the page, with the paths of its models, follows every change.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    file : path
        The HTML file.
    statistics : Statistics or Changes, optional
        What is known about the models or the merge. By default the models are measured, which reads each weight once (and
        never again: it is cached); for methods whose distances do not follow, the merge is computed and measured.
    samples : Comparison, or mapping of str to mapping of str to str, optional
        Texts to show: the result of `compare`, or for each model by name what follows each prompt.
    scores : mapping of str to mapping of str to float, optional
        Scores to show, for each model or recipe by name.
    pins : mapping of str to recipe, optional
        Recipes of the same models by name, whose curves are shown beside those of this one.
    title : str
        Heading of the page; default the method and the models.
    overwrite : bool
        Whether a file of that name is replaced.
    progress, cancel
        As in `nbmerge.merge`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        When the file exists, or cannot be written.
    RecipeError
        With all problems, when the recipe cannot be merged.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> page = nbm.export_page(nbm.demo.recipe(), "demo.html")
    >>> page.stat().st_size < 400_000
    True
    """
    file = Path(file).expanduser()
    check_place(file, overwrite)
    plan = make_plan(recipe)
    texts = _read_samples(samples) if isinstance(samples, Comparison) else samples
    records = Records(texts or {}, scores or {}, {name: make_plan(r) for name, r in (pins or {}).items()})
    known = statistics if statistics is not None else _measure(plan, progress, cancel)
    return write_page(make_page(plan, known, records, title), file, overwrite=overwrite)


def make_page(
    plan: Plan, known: Statistics | Changes | None, records: Records, title: str = "", text: str | None = None
) -> bytes:
    """The page as a file's content; see `nbmerge.pages.contents.describe_page`."""
    return write_document(plan, describe_page(plan, known, records, title, text)).encode("utf-8", "replace")


def write_page(page: bytes, file: Path, *, overwrite: bool) -> Path:
    """Write a page as a whole, and return its place.

    Raises
    ------
    OutputError
    """
    check_place(file, overwrite)
    try:
        write_whole(file, page, private=False)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror or error}.") from error
    return file


def _measure(plan: Plan, progress: ProgressLike, cancel: StopSignal | None) -> Statistics | Changes:
    """The statistics of the models where distances follow from them, else those of the merge."""
    statistics, changes = measure_plan(plan, progress=progress, cancel=cancel)
    return statistics if statistics is not None and statistics.can_predict(plan) else changes


def check_place(file: Path, overwrite: bool) -> None:
    """Refuse a place that cannot or must not be written, before anything is measured.

    Raises
    ------
    OutputError
    """
    if file.is_dir():
        raise OutputError(f"{file} is a folder. Name a file, such as {file / 'page.html'}.")
    if not file.parent.is_dir():
        raise OutputError(f"There is no folder {file.parent}. Create it, or choose another place.")
    if file.exists() and not overwrite:
        raise OutputError(f"{file} exists. Choose another name, or pass overwrite=True to replace it.")


def _read_samples(comparison: Comparison) -> Texts:
    return {
        name: dict(zip(comparison.prompts, (sample.text for sample in row), strict=True))
        for name, row in comparison.samples.items()
    }
