"""Scores of several merges: layer by layer where the merges and the scores allow it, else by updates of a live merge."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from nbmerge.analysis.divergence import Divergence, divergences
from nbmerge.analysis.layerwise import evaluate_side_by_side, require_same_tensors
from nbmerge.engine.live import LayeredModel, live
from nbmerge.engine.planning import Plan
from nbmerge.errors import ArgumentError, MergeStopped, NbmergeError, SampleError, VirtualError
from nbmerge.progress import Listener, Reporter
from nbmerge.quoting import quote
from nbmerge.sampling import Loaded, Perplexity, evaluation_mode, limit_threads
from nbmerge.sampling.likelihood import Window, evaluate_logits, select_log_probabilities
from nbmerge.sampling.loading import library_errors
from nbmerge.sampling.scores import JointPerplexity, TokenScore

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

ScoreLike: TypeAlias = str | Sequence[str] | TokenScore | Divergence | Callable[[Any], Any]
"""A text or texts, whose perplexity is computed; a score of tokens; or a function of a model that returns a number."""
FAILURE = "This merge cannot be evaluated"


@dataclass(frozen=True)
class Trace:
    """The tokens behind a score.

    Parameters
    ----------
    start : str
        What comes before the first token that counts.
    tokens : tuple of str
        The tokens that count, in order.
    logs : tuple of tuple of float
        For each merge, log P of these tokens.
    """

    start: str
    tokens: tuple[str, ...]
    logs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Measurement:
    """Scores of several merges.

    Parameters
    ----------
    values : dict of str to tuple of float
        For each score, one number per merge; NaN where it failed.
    lower : dict of str to bool
        Whether lower is better.
    fallback : str
        Why a live merge was updated for each of them; empty if all were evaluated together, layer by layer.
    notes : tuple of str
        What went wrong for single merges, and how long texts were read.
    traces : dict of str to Trace
        For each score of tokens.
    """

    values: dict[str, tuple[float, ...]]
    lower: dict[str, bool]
    fallback: str = ""
    notes: tuple[str, ...] = ()
    traces: dict[str, Trace] = field(default_factory=dict)


def read_scores(scores: Mapping[str, ScoreLike] | ScoreLike) -> dict[str, Any]:
    """Scores by name, with texts as perplexities.

    Raises
    ------
    ArgumentError
        When there is none, or one is neither a text nor a function, or a text is empty.
    """
    named = dict(scores) if isinstance(scores, Mapping) else {_name_of(scores): scores}
    if not named or scores in ((), []):
        raise ArgumentError("scores is empty. Name at least one: scores={'perplexity': text}.")
    return {str(name): _read_score(str(name), score) for name, score in named.items()}


def choose_names(known: Collection[str], chosen: str | Iterable[str] | None) -> list[str]:
    """The names of the scores that were chosen; all of them if nothing was.

    Raises
    ------
    ArgumentError
        When there is no such score.
    """
    names = list(known) if chosen is None else [chosen] if isinstance(chosen, str) else list(chosen)
    if unknown := [name for name in names if name not in known]:
        raise ArgumentError(f"There is no score {unknown[0]!r}. Scores: {', '.join(known)}.")
    return names


def measure_plans(
    plans: Sequence[Plan],
    scores: Mapping[str, Any],
    *,
    progress: Listener | None = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Measurement:
    """Compute scores of several merges.

    Parameters
    ----------
    plans : sequence of Plan
        A `Divergence` is relative to the first.
    scores : mapping
        As `read_scores` returns them.
    progress, cancel, threads
        As in `nbmerge.merge`.
    device : str, optional
        As in `nbmerge.live`.

    Raises
    ------
    SampleError
        When a text is empty, or a score fails for every merge.
    TooLargeError, MergeStopped
        As `evaluate_side_by_side` and `nbmerge.live` do.
    """
    model = _build_layered(plans, scores, threads, device)
    if isinstance(model, str):  # outside of the handling of an error, which would keep a half-built model in memory
        return _by_live_updates(plans, scores, model, progress, cancel, threads, device)
    with model, limit_threads(model.model), library_errors(FAILURE):
        if model.tokenizer is None:
            raise SampleError("This merge has no tokenizer, so texts cannot be scored. Add one to its config donor.")
        tally = _Tally(Loaded(model.model, model.tokenizer), scores, len(plans))
        kept = tally.reference_tokens * model.model.config.get_text_config().vocab_size * 4
        evaluate_side_by_side(model, plans, tally.windows, tally.receive, extra=kept, progress=progress, cancel=cancel)
    return tally.finish("")


def _build_layered(
    plans: Sequence[Plan], scores: Mapping[str, Any], threads: int | None, device: str | None
) -> LayeredModel | str:
    """A model that is evaluated layer by layer, or why there is none."""
    function = next((name for name, score in scores.items() if not hasattr(score, "windows")), None)
    if function is not None:
        return f"The score {function!r} is a function of a whole model."
    try:
        require_same_tensors(plans)
        return LayeredModel(plans[0], threads, device)
    except VirtualError as error:
        return str(error)


def _by_live_updates(
    plans: Sequence[Plan],
    scores: Mapping[str, Any],
    reason: str,
    progress: Listener | None,
    cancel: StopSignal | None,
    threads: int | None,
    device: str | None,
) -> Measurement:
    report = Reporter(progress, len(plans), 0)
    report.tell("planned")
    try:
        with live(plans[0], progress=False, cancel=cancel, threads=threads, device=device) as merge:
            tally: _Tally | None = None
            for point, plan in enumerate(plans):
                if cancel is not None and cancel.is_set():
                    raise MergeStopped("It was stopped before all merges were scored. Run it again for a result.")
                merge.update(plan, progress=False, cancel=cancel)
                with evaluation_mode(merge) as loaded:
                    tally = tally or _Tally(loaded, scores, len(plans))
                    for i, window in enumerate(tally.windows):
                        tally.receive([point], i, evaluate_logits(loaded, window))
                tally.call(point, merge)
                report.tell("tensor", f"point {point + 1}")
    except BaseException as error:
        report.tell("stopped" if isinstance(error, MergeStopped) else "failed", error=str(error))
        raise
    report.tell("finished")
    assert tally is not None  # there is at least one plan
    return tally.finish(reason)


class _Tally:
    """What is known of each score and merge so far."""

    def __init__(self, loaded: Loaded, scores: Mapping[str, Any], count: int):
        self._scores, self._count, self._tokenizer = scores, count, loaded.tokenizer
        self._owners: list[tuple[str, int]] = []
        self.windows: list[Window] = []
        for name, score in scores.items():
            for window in score.windows(loaded) if hasattr(score, "windows") else ():
                self._owners.append((name, len(self.windows)))
                self.windows.append(window)
        self._results: dict[tuple[int, int], torch.Tensor] = {}
        self._references: dict[int, torch.Tensor] = {}
        self._called: dict[tuple[str, int], float] = {}
        self._notes: list[str] = []

    @property
    def reference_tokens(self) -> int:
        """Number of distributions that divergences are relative to, which are kept until the end."""
        own = {name for name, score in self._scores.items() if isinstance(score, Divergence)}
        return sum(len(self.windows[window].ids) for name, window in self._owners if name in own)

    def receive(self, points: Sequence[int], window: int, logits: torch.Tensor) -> None:
        """Take the logits of a window for some merges."""
        name, _ = self._owners[window]
        if isinstance(self._scores[name], Divergence):
            logits = logits[self.windows[window].begin - 1 : -1]
            if 0 in points:
                self._references[window] = logits.float().log_softmax(-1)
            result = divergences(self._references[window], logits)
        else:
            result = select_log_probabilities(logits, self.windows[window])
        self._results.update({(point, window): result for point in points})

    def call(self, point: int, model: Any) -> None:
        """Call the scores that are functions of a model; an error of theirs becomes a note."""
        for name, score in self._scores.items():
            if hasattr(score, "windows"):
                continue
            try:
                self._called[name, point] = call_score(score, model)
            except MergeStopped:
                raise
            except Exception as error:  # a user's function may raise anything
                self._called[name, point] = math.nan
                what = str(error) if isinstance(error, NbmergeError) else f"{type(error).__name__}: {error}"
                self._notes.append(f"The score {name!r} failed at point {point}: {quote(what, 300)}")

    def finish(self, fallback: str) -> Measurement:
        """All scores.

        Raises
        ------
        SampleError
            When one of them failed for every merge.
        """
        values = {name: tuple(self._value(name, point) for point in range(self._count)) for name in self._scores}
        for name, row in values.items():
            missing = [point for point, value in enumerate(row) if math.isnan(value)]
            noted = [note for note in self._notes if note.startswith(f"The score {name!r} failed")]
            if len(missing) == self._count:
                raise SampleError(self._explain(name, noted))
            if missing and not noted:
                places = ", ".join(map(str, missing[:10]))
                self._notes.append(
                    f"The score {name!r} is NaN at {len(missing)} of {self._count} points ({places}): the model's outputs are out "
                    "of range there. Merge in float32, or stay closer to the parents."
                )
        self._notes += [note for name in self._scores if (note := self._describe_windows(name))]
        lower = {name: bool(getattr(score, "lower", False)) for name, score in self._scores.items()}
        traces = {name: self._trace(name) for name, score in self._scores.items() if hasattr(score, "combine")}
        return Measurement(values, lower, fallback, tuple(self._notes), traces)

    def _explain(self, name: str, noted: Sequence[str]) -> str:
        """Why a score is not known for any merge, and what to do."""
        if noted:
            return f"{noted[0].rstrip('.')}. Correct this score."
        if hasattr(self._scores[name], "windows"):
            return f"The score {name!r} is NaN everywhere. Check the weights of the models, or merge in float32."
        return f"The score {name!r} is NaN everywhere. Check the function, and the weights of the models."

    def _describe_windows(self, name: str) -> str:
        """That a text is longer than what is read at once; empty for others."""
        own = [self.windows[window] for owner, window in self._owners if owner == name]
        is_text = isinstance(self._scores[name], Perplexity | JointPerplexity | Divergence)
        if not is_text or all(window.begin == 1 for window in own):
            return ""
        most = max(len(window.ids) for window in own)
        return f"{name}: a text of more than {most} tokens is read in windows that overlap, {len(own)} in all, as by nbmerge.perplexity."

    def _trace(self, name: str) -> Trace:
        own = [window for owner, window in self._owners if owner == name]
        tokens = [i for window in own for i in self.windows[window].ids[self.windows[window].begin :]]
        logs = (
            tuple(x for window in own for x in self._results[point, window].tolist()) for point in range(self._count)
        )
        start = self.windows[own[0]]
        decode = self._tokenizer.decode
        return Trace(str(decode(list(start.ids[: start.begin]))), tuple(str(decode([i])) for i in tokens), tuple(logs))

    def _value(self, name: str, point: int) -> float:
        score = self._scores[name]
        if not hasattr(score, "windows"):
            return self._called[name, point]
        rows = [self._results[point, window] for owner, window in self._owners if owner == name]
        if isinstance(score, Divergence):
            return float(torch.cat(rows).mean())
        return float(score.combine(rows))


def call_score(score: Callable[[Any], Any], model: Any) -> float:
    """The number that a score returns.

    Raises
    ------
    SampleError
        When it returns something else; what the score itself raises is left as it is.
    """
    value = score(model)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SampleError(f"it returned {value!r:.80}, which is not a number") from None


def _name_of(score: Any) -> str:
    if isinstance(score, Divergence):
        return "divergence"
    return "perplexity" if isinstance(score, str | Perplexity) or not callable(score) else "score"


def _read_score(name: str, score: Any) -> Any:
    texts = (score,) if isinstance(score, str) else score if isinstance(score, list | tuple) else ()
    if any(isinstance(text, str) and not text.strip() for text in texts):
        raise ArgumentError(f"The score {name!r} has an empty text. Pass texts of at least two tokens.")
    if isinstance(score, str):
        return Perplexity(score)
    if isinstance(score, Sequence) and score and all(isinstance(text, str) for text in score):
        return JointPerplexity(tuple(score))
    if not (callable(score) or hasattr(score, "windows")):
        raise ArgumentError(
            f"The score {name!r} must be a text, a list of texts, or a function that takes a model and returns a number, "
            f"not {score!r:.80}."
        )
    return score
