"""What a recipe means for each tensor: the coefficient of every model, angles, and special cases such as slerp along a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch

from nbmerge.checkpoints import hub
from nbmerge.engine.compute import Blocks, run
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.methods import Combination
from nbmerge.presentation import Displayed, draw
from nbmerge.progress_bars import show_progress
from nbmerge.statistics.survey import without_merge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


class Coefficients(Displayed):
    """The coefficient of each model in each tensor; the result of `measure_coefficients`.

    Attributes
    ----------
    models : tuple of str
        Labels of all models that go into the merge, the base first.
    depth : int
        Number of layers.
    """

    def __init__(self, plan: Plan, grams: Mapping[str, np.ndarray]):
        self.models = plan.parents
        self.depth = plan.depth
        self._rows = [_row(tensor, grams.get(tensor.name)) for tensor in plan.tensors]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per tensor.

        tensor, layer, kind, method; ``coefficient[model]`` for each model, missing where the method is not a weighted sum;
        ``angle`` in degrees between the two inputs of a method that depends on it; ``note``, the special case that applies.
        """
        columns = ["tensor", "layer", "kind", "method", *(f"coefficient[{m}]" for m in self.models), "angle", "note"]
        return pd.DataFrame(self._rows).reindex(columns=columns).astype({"layer": "Int64"})

    @cached_property
    def by_part(self) -> pd.DataFrame:
        """Means for each layer and kind of tensor, and ``special``, the share of tensors to which a special case applies."""
        numbers = [c for c in self.table.columns if c.startswith("coefficient[")] + ["angle"]
        table = self.table[["layer", "kind", *numbers]].assign(special=(self.table["note"] != "").astype(float))
        return table.groupby(["layer", "kind"], dropna=False, sort=False).mean().reset_index()

    @cached_property
    def notes(self) -> pd.Series:
        """How many tensors each special case applies to."""
        noted = self.table["note"][self.table["note"] != ""]
        return noted.value_counts()

    def plot(
        self, *, theme: Literal["auto", "light", "dark"] = "auto", width: float = 20 / 3, font_size: float = 9.0
    ) -> Figure:
        """Plot the coefficients, a heat map of layers × kinds for each model, and where special cases apply.

        Parameters
        ----------
        theme, width, font_size
            As in `Recipe.plot`.

        Raises
        ------
        ArgumentError
            When no tensor is a weighted sum.
        """
        return draw("coefficients", self, theme=theme, width=width, font_size=font_size)

    def __repr__(self) -> str:
        special = ", ".join(f"{count} × {note}" for note, count in self.notes.items())
        return (
            f"<Coefficients: {len(self._rows)} tensors of {', '.join(self.models)}{'; ' if special else ''}{special}>"
        )


@hub.stopping
def measure_coefficients(
    recipe: RecipeLike,
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
) -> Coefficients:
    """Compute what a recipe multiplies each tensor of each model by, after gradients, normalisation and angles.

    Weights are read only where the coefficients depend on them, as those of slerp do.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
        Tensors that are not weighted sums have no coefficients.
    progress, cancel, threads
        As in `nbmerge.merge`.

    Raises
    ------
    RecipeError
        With all problems, before a weight is read.
    MergeStopped, MergeError
        When `cancel` was set, or an input cannot be read.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> found = nbm.measure_coefficients(nbm.demo.flat(0.5), progress=False)
    >>> found.table["coefficient[reverser]"].unique().tolist()
    [0.5]
    """
    plan = make_plan(recipe)
    needed = [t for t in plan.tensors if isinstance(t.how, Combination) and t.how.needs_gram]
    grams: dict[str, np.ndarray] = {}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Callable[[int, torch.Tensor], None]:
        grams[tensor.name] = blocks.gram()
        return lambda start, block: None

    with show_progress(progress, "Computing coefficients") as listener:
        if needed:
            run([without_merge(t) for t in needed], sink, progress=listener, cancel=cancel, threads=threads)
    return Coefficients(plan, grams)


def _row(tensor: TensorPlan, gram: np.ndarray | None) -> dict[str, object]:
    row: dict[str, object] = {
        "tensor": tensor.name,
        "layer": tensor.layer,
        "kind": tensor.kind,
        "method": tensor.method,
        "note": "",
    }
    method = tensor.how
    if not isinstance(method, Combination) or (gram is not None and not np.isfinite(gram).all()):
        return row
    coefficients = method.coefficients(tensor.values, gram)
    for model, coefficient in zip(tensor.models, coefficients, strict=True):
        name = f"coefficient[{model}]"
        row[name] = float(row.get(name, 0.0)) + float(coefficient)  # type: ignore[arg-type]  # a model may be named twice
    if gram is not None and len(tensor.inputs) == 2:
        row["angle"] = _angle(gram)
    row["note"] = (method.note(tensor.values, gram) if method.note else None) or ""
    return row


def _angle(gram: Sequence[Sequence[float]] | np.ndarray) -> float:
    """Degrees between a and b, from the Gram matrix over [a, b − a]."""
    (aa, ad), (_, dd) = gram
    bb = aa + 2 * ad + dd
    if min(aa, bb) <= 0:
        return math.nan
    return math.degrees(math.acos(max(-1.0, min(1.0, (aa + ad) / math.sqrt(aa * bb)))))
