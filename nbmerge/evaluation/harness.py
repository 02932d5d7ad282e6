"""Runs tasks of the lm-evaluation-harness on a model in memory; nothing is saved for it.

The harness is imported when the first task runs. It logs every step, and keeps an index of thousands of tasks, which is made once.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.errors import ArgumentError, NbmergeError, SampleError
from nbmerge.evaluation.measures import Measure
from nbmerge.evaluation.task_files import SUFFIXES, read_task
from nbmerge.imports import import_lock
from nbmerge.quoting import quote

if TYPE_CHECKING:
    from nbmerge.sampling import Loaded

INSTALL = 'pip install "nbmerge[eval]"'
BOOTSTRAPS = 1000
"""Samples for standard errors of metrics that are not means."""


@dataclass(frozen=True)
class LoadedTasks:
    """Tasks with their data, ready to run on a model.

    Parameters
    ----------
    tasks : tuple of str or dict
        As the harness takes them.
    manager : lm_eval.tasks.TaskManager
        Finds those that are named.
    """

    tasks: tuple[Any, ...]
    manager: Any


def load_tasks(tasks: Sequence[Any], include: Sequence[Path]) -> LoadedTasks:
    """Load tasks with their data, which needs no model.

    Parameters
    ----------
    tasks : sequence of str, path or mapping
    include : sequence of Path
        Folders with tasks.

    Raises
    ------
    ArgumentError
        When the harness is not installed, or a task or its data cannot be loaded.
    """
    harness = require_harness()
    read = [read_task(task, include) for task in tasks]
    folders = tuple(dict.fromkeys([*include, *(folder for _, folder in read if folder is not None)]))
    with _quiet():
        manager = _make_manager(tuple(map(str, folders)), _list_versions(folders))
        for (task, _), given in zip(read, tasks, strict=True):
            _load(harness, manager, task, given)
    return LoadedTasks(tuple(task for task, _ in read), manager)


def run_tasks(
    loaded: Loaded,
    chosen: LoadedTasks,
    *,
    limit: int | None = None,
    shots: int | None = None,
    batch_size: int = 1,
    seed: int = 0,
) -> list[Measure]:
    """Run tasks on a model.

    Parameters
    ----------
    loaded : Loaded
    chosen : LoadedTasks
    limit : int, optional
        Samples of each task, at most.
    shots : int, optional
        Examples before each question; default as the task sets it.
    batch_size, seed : int

    Raises
    ------
    SampleError
        When a task fails on this model.
    """
    with _quiet():
        try:
            found = require_harness().simple_evaluate(
                model=_wrap(loaded, batch_size),
                tasks=list(chosen.tasks),
                task_manager=chosen.manager,
                limit=limit,
                num_fewshot=shots,
                bootstrap_iters=BOOTSTRAPS,
                log_samples=False,
                random_seed=seed,
                numpy_random_seed=seed,
                torch_random_seed=seed,
                fewshot_random_seed=seed,
            )
        except NbmergeError:
            raise
        except Exception as error:  # of a task, whose functions may raise anything
            names = ", ".join(map(name_of, chosen.tasks))
            raise SampleError(
                f"The harness failed on {names}: {_describe(error)}. "
                "Check the task with limit=1, and that its texts fit into the model's context."
            ) from error
    return list(_read_results(found))


def require_harness() -> Any:
    """The package lm_eval.

    Raises
    ------
    ArgumentError
        When it is not installed.
    """
    try:
        with import_lock():  # it imports transformers
            import lm_eval
            import lm_eval.tasks
    except ImportError as error:
        missing = "" if error.name in ("lm_eval", None) else f" ({error.name} is missing)"
        raise ArgumentError(f"Evaluations need the lm-evaluation-harness{missing}: {INSTALL}") from None
    return lm_eval


def name_of(task: Any) -> str:
    """The name of a task in messages."""
    return str(task.get("task", "a task")) if isinstance(task, dict) else str(task)


@lru_cache(maxsize=2)
def _make_manager(folders: tuple[str, ...], versions: tuple[tuple[str, int], ...]) -> Any:
    """The harness's index of its own tasks and those in folders, made again when files in the folders change."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=list(folders) or None)


def _list_versions(folders: Sequence[Path]) -> tuple[tuple[str, int], ...]:
    """The YAML files in folders, with the times when they were last changed."""
    files = sorted(file for folder in folders for suffix in SUFFIXES for file in folder.rglob(f"*{suffix}"))
    return tuple((str(file), file.stat().st_mtime_ns) for file in files if file.is_file())


def _load(harness: Any, manager: Any, task: Any, given: Any) -> None:
    """Load a task with its data, so that what is missing is reported before the model runs."""
    if isinstance(task, str) and not manager.match_tasks([task]):
        raise ArgumentError(
            f"The harness has no task {name_of(given)!r}. Pass the YAML file of your task, or include= with its folder; "
            "`lm-eval ls tasks` lists the others."
        )
    try:
        harness.tasks.get_task_dict([task], manager)
    except OSError as error:  # also of the network
        how = "Pass tasks whose data are local files, or download the data while you are online."
        raise ArgumentError(
            f"The data of the task {name_of(given)!r} cannot be loaded: {_describe(error)}. {how}"
        ) from error
    except Exception as error:  # of datasets, the task's keys and templates, or its own functions
        how = "Correct its keys, templates and functions, or its data."
        raise ArgumentError(f"The task {name_of(given)!r} cannot be loaded: {_describe(error)}. {how}") from error


def _describe(error: Exception) -> str:
    """An error and what caused it, which often says more."""
    found = [error] if error.__cause__ is None else [error, error.__cause__]
    words = [(type(e).__name__, quote(str(e), 300).strip().rstrip(".")) for e in found]
    return "; ".join(f"{name}: {text}" if text else name for name, text in words)


def _wrap(loaded: Loaded, batch_size: int) -> Any:
    """The model as the harness takes it: the object itself."""
    with import_lock():
        from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch_size)


def _read_results(found: Any) -> Iterator[Measure]:
    counts, higher = found.get("n-samples", {}), found.get("higher_is_better", {})
    for task, results in found["results"].items():
        for key, value in results.items():
            metric, comma, filter = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            error = results.get(f"{metric}_stderr,{filter}")
            known = isinstance(error, int | float) and math.isfinite(error)
            lower = higher.get(task, {}).get(metric) is False
            count = int(counts.get(task, {}).get("effective", 0))
            yield Measure(task, metric, filter, float(value), float(error) if known else None, lower, count)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the harness and the libraries below it log errors only."""
    loggers = [logging.getLogger(name) for name in ("lm_eval", "lm-eval", "datasets", "evaluate")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
