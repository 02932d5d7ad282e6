"""The function `evaluate`: tasks of the lm-evaluation-harness on a merge in memory, a model folder or a recipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbmerge.arguments import parse_count_argument, parse_whole_number
from nbmerge.checkpoints import hub
from nbmerge.engine.live import live
from nbmerge.engine.planning import Plan
from nbmerge.errors import ArgumentError
from nbmerge.evaluation.harness import load_tasks, require_harness, run_tasks
from nbmerge.evaluation.measures import Measure
from nbmerge.presentation import Displayed, draw
from nbmerge.recipe import Recipe
from nbmerge.sampling import evaluation_mode

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nbmerge.typing import Askable, ProgressLike, RecipeLike, StopSignal

Tasks = Sequence["str | PathLike[str] | Mapping[str, Any]"]


@dataclass(frozen=True)
class Evaluation(Displayed):
    """Results of tasks; returned by `evaluate`.

    Parameters
    ----------
    measures : tuple of Measure
        One for each task, metric and filter.
    limit : int or None
        Samples of each task that were used, if not all.
    seconds : float
    """

    measures: tuple[Measure, ...]
    limit: int | None = None
    seconds: float = 0.0

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per task, metric and filter: value, standard error, whether lower is better, number of samples."""
        import pandas as pd

        rows = [(m.task, m.metric, m.filter, m.value, m.error, m.lower, m.count) for m in self.measures]
        names = ["task", "metric", "filter", "value", "error", "lower", "samples"]
        return pd.DataFrame(rows, columns=names).astype({"value": float, "error": float})

    def value(self, task: str, metric: str = "acc,none") -> float:
        """The value of a metric.

        Parameters
        ----------
        task : str
        metric : str
            With its filter, as in "acc,none"; the filter may be left out if there is only one.

        Raises
        ------
        ArgumentError
            When there is no such measure.
        """
        found = [m for m in self.measures if m.task == task and metric in (m.key, m.metric)]
        if len(found) != 1:
            known = ", ".join(f"{m.task} {m.key}" for m in self.measures)
            raise ArgumentError(
                f"There is {'no' if not found else 'more than one'} measure {task} {metric}. Measures: {known}."
            )
        return found[0].value

    def plot(
        self, *, theme: Literal["auto", "light", "dark"] = "auto", width: float = 20 / 3, font_size: float = 9.0
    ) -> Figure:
        """Plot the values with their standard errors.

        Parameters
        ----------
        theme, width, font_size
            As in `Recipe.plot`.
        """
        return draw("evaluation", self, theme=theme, width=width, font_size=font_size)

    def write_card(self, folder: str | PathLike[str]) -> None:
        """Write the results into the card of a merged model, as its ``model-index``, which the Hub shows.

        Results of the same task and metric are replaced; everything else in the card stays.

        Parameters
        ----------
        folder : path
            A folder that `nbmerge.merge` or `LiveMerge.save` wrote.

        Raises
        ------
        ArgumentError
            When only a part of the samples was used (`limit`), a value is not finite, or the folder has no card.
        """
        from nbmerge.evaluation.model_index import write_results

        if self.limit is not None:
            raise ArgumentError("These results are for a part of the samples. Evaluate without limit= for a card.")
        write_results(Path(folder), self.measures)

    def __repr__(self) -> str:
        shown = ", ".join(f"{m.task} {m.metric} {m.value:.4g}" for m in self.measures[:6])
        rest = f" and {len(self.measures) - 6} more" if len(self.measures) > 6 else ""
        return f"<Evaluation: {shown}{rest}>"


@hub.stopping
def evaluate(
    model: Askable | RecipeLike,
    tasks: str | PathLike[str] | Tasks,
    *,
    include: str | PathLike[str] | Iterable[str | PathLike[str]] = (),
    limit: int | None = None,
    shots: int | None = None,
    batch_size: int = 1,
    seed: int = 0,
    tokenizer: Any = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
) -> Evaluation:
    """Evaluate a model by tasks of the lm-evaluation-harness.

    A merge in memory is evaluated as it is, without saving it. Updates of it wait meanwhile.

    Parameters
    ----------
    model : LiveMerge, Pin, folder, Hub id, transformers model or recipe
        A recipe is merged into memory first.
    tasks : sequence of str, path or mapping
        Names of tasks that the harness or a folder of `include` has, YAML files of tasks, or what is in such a file. Data files
        named in a YAML file are relative to it.
    include : path or sequence of path
        Folders with tasks of your own. Tasks may name Python functions, which are run: use only those that you trust.
    limit : int, optional
        Samples of each task, at most; for a first look.
    shots : int, optional
        Examples before each question; default as the task sets it.
    batch_size : int
    seed : int
    tokenizer : PreTrainedTokenizerBase, optional
        Required with a bare transformers model.
    progress, cancel
        As in `nbmerge.live`, for a recipe. The harness draws bars of its own.

    Raises
    ------
    ArgumentError
        When the harness is not installed, a number is out of range, a task is not known, or its data are missing; before
        the model is loaded.
    SampleError
        When the model cannot be loaded, or a task fails on it.
    RecipeError, TooLargeError, MergeStopped
        As in `nbmerge.live`.
    """
    began = time.perf_counter()
    require_harness()
    listed: list[Any] = list(tasks) if isinstance(tasks, list | tuple) else [tasks]
    if wrong := [task for task in listed if not isinstance(task, str | PathLike | Mapping)]:
        raise ArgumentError(f"tasks are names, YAML files or mappings, not {wrong[0]!r:.80}.")
    if not listed:
        raise ArgumentError("tasks is empty. Name at least one task, or the YAML file of one.")
    folders = [Path(include)] if isinstance(include, str | PathLike) else [Path(folder) for folder in include]
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise ArgumentError(f"There is no folder {missing[0]}. include= takes folders with YAML files of tasks.")
    at_once = parse_count_argument("batch_size", batch_size, 1)
    for name, number, least in (("limit", limit, 1), ("shots", shots, 0), ("seed", seed, 0)):
        if number is not None:
            parse_whole_number(name, number, least)
    chosen = load_tasks(listed, folders)
    with _opened(model, progress, cancel) as opened, evaluation_mode(opened, tokenizer, cancel=cancel) as loaded:
        found = run_tasks(loaded, chosen, limit=limit, shots=shots, batch_size=at_once, seed=seed)
    return Evaluation(tuple(found), limit, time.perf_counter() - began)


@contextmanager
def _opened(model: Any, progress: ProgressLike, cancel: StopSignal | None) -> Iterator[Any]:
    """The model; a recipe as a live merge, which is closed afterwards."""
    is_text = isinstance(model, str) and ("\n" in model or model.endswith((".yml", ".yaml")))
    is_file = isinstance(model, PathLike) and Path(model).is_file()
    if isinstance(model, Recipe | Plan | Mapping) or is_text or is_file:
        merge = live(model, progress=progress, cancel=cancel)
        try:
            yield merge
        finally:
            merge.close()
    else:
        yield model
