"""Which numbers of a recipe a score depends on, and in which direction: derivatives by one backward pass."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from nbmerge.analysis.backward import BLOCK, BackwardPass
from nbmerge.analysis.measure import FAILURE, ScoreLike, read_scores
from nbmerge.analysis.memory import TOKENS, check_memory
from nbmerge.analysis.slopes import numbers_of, slope_of
from nbmerge.checkpoints import StoredTensor, hub
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError, MergeStopped, SampleError
from nbmerge.methods import Combination
from nbmerge.presentation import Displayed, draw
from nbmerge.progress import Listener, Reporter
from nbmerge.progress_bars import show_progress
from nbmerge.sampling import Loaded, limit_threads
from nbmerge.sampling.likelihood import Window
from nbmerge.sampling.loading import library_errors

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal

KEPT = 40
"""Numbers that a layer keeps for its derivatives, for each number of its hidden state: about what a Llama keeps."""


@dataclass(frozen=True)
class Derivative:
    """How a score moves with one number of a recipe in one layer and kind of tensor.

    Parameters
    ----------
    layer : int or None
        None outside the layers.
    kind : str
    parameter : str
    model : str or None
        Label of the model that the parameter belongs to; None for one of the whole merge.
    value : float
        The mean over the tensors of that layer and kind.
    derivative : float
        Change of the score per change of the number in all of these tensors.
    """

    layer: int | None
    kind: str
    parameter: str
    model: str | None
    value: float
    derivative: float


@dataclass(frozen=True)
class Sensitivity(Displayed):
    """The derivatives of a score; returned by `sensitivity`.

    Parameters
    ----------
    score : float
        The score of the merge.
    lower : bool
        Whether lower is better.
    derivatives : tuple of Derivative
    depth : int
        Number of layers.
    seconds : float
    """

    score: float
    lower: bool
    derivatives: tuple[Derivative, ...]
    depth: int
    seconds: float = 0.0

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per layer, kind, parameter and model: its value, the derivative, and whether "up" or "down" helps."""
        import pandas as pd

        names = ["layer", "kind", "parameter", "model", "value", "derivative"]
        rows = [[getattr(d, name) for name in names] for d in self.derivatives]
        table = pd.DataFrame(rows, columns=names).astype({"layer": "Int64"})
        better = -table["derivative"] if self.lower else table["derivative"]
        table["helps"] = ["up" if x > 0 else "down" if x < 0 else "" for x in better]
        return table

    def plot(
        self, *, theme: Literal["auto", "light", "dark"] = "auto", width: float = 20 / 3, font_size: float = 9.0
    ) -> Figure:
        """Plot the derivatives, a heat map of layers × kinds for each parameter and model.

        Parameters
        ----------
        theme, width, font_size
            As in `Recipe.plot`.
        """
        return draw("sensitivity", self, theme=theme, width=width, font_size=font_size)

    def __repr__(self) -> str:
        most = max(self.derivatives, key=lambda d: abs(d.derivative))
        where = most.kind if most.layer is None else f"layer {most.layer} {most.kind}"
        of = f" of {most.model}" if most.model else ""
        return (
            f"<Sensitivity: score {self.score:.4g}, most to {most.parameter}{of} in {where} ({most.derivative:+.3g})>"
        )


@hub.stopping
def sensitivity(
    recipe: RecipeLike,
    text: ScoreLike,
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Sensitivity:
    """Compute the derivative of a score with respect to every number of a recipe, by one backward pass.

    Each derivative is for one layer, kind of tensor, parameter and model: where does a higher weight help? The parents are read
    twice, and no more than one layer is in memory.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
        Its method must be a weighted sum of the models' tensors: linear, slerp, task arithmetic and the like.
    text : str, list of str, or score
        Texts, for their perplexity, or a score such as `nbmerge.sampling.Phrase`.
    progress, cancel, threads
        As in `nbmerge.merge`.
    device : str, optional
        Where the model is evaluated, as in `nbmerge.live`: "cuda", "mps", "auto".

    Raises
    ------
    ArgumentError
        When a tensor of the merge is not a weighted sum of stored tensors; the message names it.
    VirtualError
        When the architecture cannot be evaluated layer by layer.
    RecipeError, SampleError, TooLargeError, MergeStopped
        As in `sweep`.

    Notes
    -----
    Angles between tensors, on which the coefficients of slerp depend, are those of the merge; they do not depend on the recipe.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> found = nbm.sensitivity(nbm.demo.flat(0.4), "the fox went to the river.", progress=False)
    >>> found.table.columns.to_list()
    ['layer', 'kind', 'parameter', 'model', 'value', 'derivative', 'helps']
    """
    began = time.perf_counter()
    if isinstance(text, Mapping):
        raise ArgumentError("text is one score, not several by name. Call sensitivity for each of them.")
    score = read_scores({"score": text})["score"]
    if not hasattr(score, "combine"):
        raise ArgumentError(
            "text must be a text, a list of texts, or a score of tokens such as Phrase, which has derivatives."
        )
    plan = make_plan(recipe)
    _require_weighted_sums(plan)
    with (
        show_progress(progress, "Computing derivatives") as listener,
        LayeredModel(plan, threads, device) as model,
        limit_threads(model.model),
        library_errors(FAILURE),
    ):
        value, found = _run(model, plan, score, listener, cancel)
    derivatives = tuple(_sum_up(plan, found))
    return Sensitivity(value, bool(score.lower), derivatives, plan.depth, time.perf_counter() - began)


def _run(
    model: LayeredModel, plan: Plan, score: Any, listener: Listener | None, cancel: StopSignal | None
) -> tuple[float, dict[str, dict[tuple[str, int | None], float]]]:
    """The score, and for each tensor the derivative with respect to each of its numbers."""
    if model.tokenizer is None:
        raise SampleError("This merge has no tokenizer, so texts cannot be scored. Add one to its config donor.")
    windows = score.windows(Loaded(model.model, model.tokenizer))
    _check_memory(model, plan, windows)
    model.fetch([plan], listener, cancel)
    report = Reporter(listener, 2 * model.depth + 3, 0)
    report.tell("planned")
    try:
        backward = BackwardPass(model, plan, windows, score, report, cancel)
        value = backward.run()
        found = {t.name: _chain(model, t, backward.found[t.name]) for t in plan.tensors if t.name in backward.found}
    except MergeStopped:
        report.tell("stopped", error="stopped")
        raise MergeStopped("It was stopped before the derivatives were complete. Run it again for a result.") from None
    except BaseException as error:
        report.tell("failed", error=str(error))
        raise
    report.tell("finished")
    return value, found


def _check_memory(model: LayeredModel, plan: Plan, windows: Sequence[Window]) -> None:
    """Refuse what does not fit: the states of all layers, and what one layer and its derivatives take."""
    largest = max(sum(t.nbytes for t in part) for part in model.parts(plan))
    tokens = min(sum(len(w.ids) for w in windows), TOKENS)
    kept = KEPT * tokens * model.model.config.get_text_config().hidden_size * model.model.dtype.itemsize
    derivatives = 2 * largest + 2 * 8 * BLOCK  # added to others of the same size; two blocks of an inner product
    states = [plan] * (model.depth // 2 + 1)  # of which two states are counted each
    check_memory(model, states, windows, extra=kept + derivatives)


def _chain(model: LayeredModel, tensor: TensorPlan, slopes: list[float]) -> dict[tuple[str, int | None], float]:
    """From derivatives with respect to coefficients to those with respect to the recipe's numbers."""
    gram = model.gram(tensor) if isinstance(tensor.how, Combination) and tensor.how.needs_gram else None
    return {
        key: sum(a * b for a, b in zip(slopes, slope_of(tensor, key, value, gram), strict=True))
        for key, value in numbers_of(tensor).items()
    }


def _sum_up(plan: Plan, found: dict[str, dict[tuple[str, int | None], float]]) -> list[Derivative]:
    """One derivative for each layer, kind, parameter and model."""
    cells: dict[tuple[int | None, str, str, str | None], list[tuple[float, float]]] = {}
    for tensor in plan.tensors:
        values = numbers_of(tensor)
        for (name, i), slope in found.get(tensor.name, {}).items():
            model = None if i is None else tensor.models[i]
            cells.setdefault((tensor.layer, tensor.kind, name, model), []).append((values[name, i], slope))
    return [
        Derivative(*key, sum(v for v, _ in pairs) / len(pairs), sum(s for _, s in pairs))
        for key, pairs in cells.items()
    ]


def _require_weighted_sums(plan: Plan) -> None:
    for tensor in plan.tensors:
        if not isinstance(tensor.how, Combination):
            what = f"{tensor.name} is computed by {tensor.method} element by element, so it is not a weighted sum."
        elif not all(type(source) is StoredTensor for source in tensor.inputs):
            what = f"{tensor.name} is made from tensors that are themselves computed, not stored."
        else:
            continue
        raise ArgumentError(
            f"{what} Sensitivities are for weighted sums; nbmerge.sweep and nbmerge.ablate take any method."
        )
