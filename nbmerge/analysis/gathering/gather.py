"""Gather what data-informed methods need: evaluate texts with every model of a recipe, one model after another."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from nbmerge.analysis.gathering.gradient_squares import gather_squares
from nbmerge.analysis.gathering.input_products import gather_products
from nbmerge.analysis.gathering.statistics_file import StatisticsFile
from nbmerge.analysis.memory import check_memory
from nbmerge.cache_folder import VARIABLE, cache_folder
from nbmerge.checkpoints import hub
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.planning import Plan, TensorPlan, read_recipe
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError, MergeStopped, OutputError, SampleError
from nbmerge.methods.numerics.gathered import CACHE, SUFFIX
from nbmerge.progress import Reporter
from nbmerge.progress_bars import show_progress
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.sampling import Loaded, limit_threads
from nbmerge.sampling.likelihood import Window, split_text
from nbmerge.sampling.loading import library_errors
from nbmerge.sizes import human
from nbmerge.statistics.store import key_of

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal

FORMAT = 1
"""Part of every key: raise it whenever anything is gathered otherwise."""
Gather = Callable[[LayeredModel, Plan, Sequence[Window], StatisticsFile, Reporter, Any], None]
PASSES: dict[str, Gather] = {"regmean": gather_products, "fisher": gather_squares}
"""How the statistics of each method are gathered."""
FAILURE = "The model cannot be evaluated on these texts"
Texts = str | Sequence[str]


@dataclass(frozen=True)
class Gathered:
    """What was gathered; returned by `gather_statistics`.

    Parameters
    ----------
    recipe : Recipe
        The recipe with the statistics of each model, ready to be merged.
    files : dict of str to Path
        The file of each model, by its name in the recipe.
    tokens : dict of str to int
        How many tokens each model was evaluated on; 0 where the statistics were there already.
    seconds : float
    """

    recipe: Recipe
    files: dict[str, Path]
    tokens: dict[str, int]
    seconds: float


@hub.stopping
def gather_statistics(
    recipe: RecipeLike,
    texts: Texts | Mapping[str, Texts],
    *,
    folder: str | Path | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
) -> Gathered:
    """Evaluate texts with each model of a recipe, and keep the statistics that its merge method needs.

    For ``regmean``, these are the products of the inputs of every linear layer; for ``fisher``, the squared derivatives of the
    log-probabilities with respect to every weight. A few hundred texts of what each model is good at suffice. Models are
    evaluated layer by layer, each layer is read once (``fisher``: twice), and results are written layer by layer. Statistics
    are kept under a key that follows from weights and texts: what was gathered before is found again.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
        Its method is ``regmean`` or ``fisher``; it need not name statistics.
    texts : list of str, or mapping of str to list of str
        For all models, or for each model by its name in the recipe.
    folder : path, optional
        Where the statistics are kept; default nbmerge's cache. A recipe names files in other folders by their paths.
    progress, cancel, threads
        As in `nbmerge.merge`.

    Returns
    -------
    Gathered
        With the recipe that names the statistics.

    Raises
    ------
    ArgumentError
        For another method, for models without texts, and where there is no cache and no folder.
    VirtualError
        When the architecture cannot be evaluated layer by layer.
    SampleError, CheckpointError, TooLargeError, OutputError, MergeStopped

    Notes
    -----
    On disk, ``regmean`` needs four bytes for each pair of inputs of a layer: for a model of 7 billion parameters about 33 GB,
    most of it for the inputs of down projections. ``fisher`` needs two bytes for each weight.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> experts = nbm.demo.family().experts
    >>> recipe = {"merge_method": "regmean", "models": [str(folder) for folder in experts.values()]}
    >>> texts = {"reverser": ["reverse lion > noil"], "shouter": ["upper lion > LION"]}
    >>> gathered = nbm.gather_statistics(recipe, texts, folder="statistics", progress=False)
    >>> merged = nbm.live(gathered.recipe)
    """
    began = time.perf_counter()
    given = read_recipe(recipe)
    if given.merge_method not in PASSES:
        raise ArgumentError(f"{given.merge_method} needs no statistics of texts. Methods that do: {', '.join(PASSES)}.")
    where = _find_folder(folder)
    chosen = {ref: _texts_of(ref, texts) for ref in _models(given)}
    if isinstance(texts, Mapping) and (
        unknown := set(texts) - {name for ref in chosen for name in (ref.name, str(ref))}
    ):
        raise ArgumentError(
            f"The recipe has no model {sorted(unknown)[0]!r}. Models: {', '.join(r.name for r in chosen)}."
        )
    jobs = {ref: _job_of(given.merge_method, ref, own, where) for ref, own in chosen.items()}
    tokens = dict.fromkeys(map(str, jobs), 0)
    if missing := {ref: job for ref, job in jobs.items() if not job.file.is_file()}:
        _check_space(where, sum(job.least_bytes for job in missing.values()))
        with show_progress(progress, "Gathering statistics") as listener:
            report = Reporter(listener, sum(job.steps for job in missing.values()), 0)
            tokens |= dict(_gather_all(missing, report, cancel, threads))
    for ref, job in jobs.items():
        given = given.with_parameter("statistics", job.file.stem if folder is None else str(job.file.resolve()), ref)
    return Gathered(given, {str(ref): job.file for ref, job in jobs.items()}, tokens, time.perf_counter() - began)


@dataclass(frozen=True)
class _Job:
    """What is gathered for one model, and where it is kept."""

    method: str
    plan: Plan
    texts: tuple[str, ...]
    file: Path

    @property
    def steps(self) -> int:
        """Parts that are reported."""
        return self.plan.depth + 1 if self.method == "regmean" else 2 * self.plan.depth + 3

    @property
    def least_bytes(self) -> int:
        """What its file has at least: tensors with the same inputs share one matrix, which is known only when they are evaluated."""
        if self.method == "fisher":
            return sum(2 * tensor.count for tensor in self.plan.tensors)
        widths = {(tensor.layer, width) for tensor in self.plan.tensors if (width := _input_width(tensor))}
        return sum(4 * width * width for _, width in widths)

    def extra_bytes(self, part: Sequence[TensorPlan]) -> int:
        """Memory for the statistics of one part of the model."""
        if self.method == "fisher":
            return sum(3 * 4 * tensor.count for tensor in part)  # a derivative, its square and their sum
        squares = [_input_width(tensor) ** 2 for tensor in part]
        return 4 * (sum(squares) + max(squares, default=0))


def _input_width(tensor: TensorPlan) -> int:
    """Number of inputs of a matrix inside the layers; 0 for other tensors."""
    if tensor.layer is None or len(tensor.shape) < 2:
        return 0
    return tensor.shape[-2 if tensor.values.inputs_first else -1]


def _check_space(folder: Path, needed: int) -> None:
    """Refuse a disk on which the statistics do not fit, before any model is evaluated."""
    free = shutil.disk_usage(next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())).free
    if free < needed:
        raise OutputError(
            f"not enough disk space for {folder}: the statistics need at least {human(needed)} and {human(free)} are free. "
            "Free some space, or pass folder= on another disk."
        )


def _job_of(method: str, ref: ModelRef, texts: tuple[str, ...], folder: Path) -> _Job:
    plan = make_plan({"merge_method": "passthrough", "models": [{"model": ref.plain()}]})
    return _Job(method, plan, texts, folder / f"{_key(method, plan, texts)}{SUFFIX}")


def _find_folder(folder: str | Path | None) -> Path:
    found = cache_folder(CACHE) if folder is None else Path(folder).expanduser()
    if found is None:
        raise ArgumentError(f"There is no cache, because {VARIABLE} is empty. Pass folder=.")
    return found


def _models(recipe: Recipe) -> Iterator[ModelRef]:
    for ref in dict.fromkeys(source.model for piece in recipe.pieces for source in piece.sources):
        if recipe.merge_named(ref) is not None:
            raise ArgumentError(f"{ref} is itself a merge. Merge it to a folder first, and name that folder.")
        yield ref


def _texts_of(ref: ModelRef, texts: Texts | Mapping[str, Texts]) -> tuple[str, ...]:
    own = [texts[name] for name in (str(ref), ref.name) if name in texts] if isinstance(texts, Mapping) else [texts]
    found = own[0] if own else ()
    chosen = (found,) if isinstance(found, str) else tuple(found)
    if not chosen or not all(isinstance(text, str) for text in chosen):
        raise ArgumentError(
            f"There are no texts for {ref.name}. Pass a list of them, or a mapping with one list for each model."
        )
    return chosen


def _key(method: str, plan: Plan, texts: Sequence[str]) -> str:
    """A name that follows from the weights, the texts and what is gathered."""
    digest = xxhash.xxh3_128(f"{FORMAT} {method} {key_of(plan.tensors)}".encode())
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")  # the tokenizer refuses what is not Unicode
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return f"{method}-{digest.hexdigest()}"


def _gather_all(
    jobs: Mapping[ModelRef, _Job], report: Reporter, cancel: StopSignal | None, threads: int | None
) -> Iterator[tuple[str, int]]:
    """Gather for one model after another; yields their names and numbers of tokens."""
    report.tell("planned")
    try:
        for ref, job in jobs.items():
            yield str(ref), _gather(job, report, cancel, threads)
    except MergeStopped:
        report.tell("stopped", error="stopped")
        raise MergeStopped(
            "It was stopped before all statistics were gathered. Run it again: those of complete models are kept."
        ) from None
    except BaseException as error:
        report.tell("failed", error=str(error))
        raise
    report.tell("finished")


def _gather(job: _Job, report: Reporter, cancel: StopSignal | None, threads: int | None) -> int:
    """Gather for one model, and return the number of tokens."""
    with LayeredModel(job.plan, threads) as model, limit_threads(model.model), library_errors(FAILURE):
        if model.tokenizer is None:
            raise SampleError(f"{job.plan.parents[0]} has no tokenizer, so texts cannot be read.")
        loaded = Loaded(model.model, model.tokenizer)
        windows = [window for text in job.texts for window in split_text(loaded, text)]
        extra = max(job.extra_bytes(part) for part in model.parts(job.plan))
        states = 1 if job.method == "regmean" else model.depth // 2 + 1  # of which two are counted each
        check_memory(model, [job.plan] * states, windows, extra=extra)
        model.fetch([job.plan], None, cancel)
        with StatisticsFile(job.file, len(job.plan.tensors)) as opened:
            PASSES[job.method](model, job.plan, windows, opened, report, cancel)
    return sum(len(window.ids) for window in windows)
