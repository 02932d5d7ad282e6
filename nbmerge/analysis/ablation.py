"""What each part of a merge does: replace it by the same part of one parent, and score the result."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Literal

from nbmerge.analysis.measure import ScoreLike, choose_names, measure_plans, read_scores
from nbmerge.analysis.parents import copies_of_parent, find_parent, with_tensors
from nbmerge.analysis.proposals import take_part
from nbmerge.checkpoints import hub
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError
from nbmerge.model_ref import ModelRef
from nbmerge.presentation import Displayed, draw
from nbmerge.progress_bars import show_progress
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal

Part = tuple["int | None", "str | None"]
"""Layer and kind of a group of tensors; None where a group is not restricted to one."""
WAYS = ("layer", "kind")


@dataclass(frozen=True)
class Ablation(Displayed):
    """Scores of a merge in which one part at a time comes from one parent; returned by `ablate`.

    Parameters
    ----------
    plan : Plan
        Of the merge.
    parent : ModelRef
    parts : tuple of (int or None, str or None)
        Layer and kind of the tensors that were replaced. Tensors outside the layers have no layer; in an ablation by layer
        only, those in layers have no kind.
    merge : dict of str to float
        The scores of the merge itself.
    values : dict of str to tuple of float
        For each score, one number per part; NaN where it failed.
    lower : dict of str to bool
        Whether lower is better.
    fallback, notes, seconds
        As in `PathScores`.
    """

    plan: Plan
    parent: ModelRef
    parts: tuple[Part, ...]
    merge: dict[str, float]
    values: dict[str, tuple[float, ...]]
    lower: dict[str, bool]
    fallback: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def source(self) -> str:
        """Label of the parent."""
        return self.plan.labels.get(self.parent, str(self.parent))

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.plan.depth

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per part: layer, kind, and for each score its value and ``change[score]`` from that of the merge."""
        import pandas as pd

        table = pd.DataFrame(list(self.parts), columns=["layer", "kind"]).astype({"layer": "Int64"})
        for name, values in self.values.items():
            table[name] = values
            table[f"change[{name}]"] = table[name] - self.merge[name]
        return table

    def plot(
        self,
        scores: str | Iterable[str] | None = None,
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot how much each part changes a score, as a heat map of layers × kinds.

        Parameters
        ----------
        scores : str or iterable of str, optional
            Default all, below each other.
        theme, width, font_size
            As in `Recipe.plot`.
        """
        names = choose_names(self.values, scores)
        return draw("ablation", self, names, theme=theme, width=width, font_size=font_size)

    def recipe(self, layer: int | None = None, kind: str | None = None) -> Recipe:
        """The recipe of the merge with one part taken from the parent, by values of the method's parameters.

        Parameters
        ----------
        layer : int, optional
            Default all layers; with neither layer nor kind, the whole model.
        kind : str, optional
            Default all kinds of tensors.

        Raises
        ------
        ArgumentError
            When there is no such part, or no values of the parameters give the parent's tensors.

        Examples
        --------
        >>> import nbmerge as nbm
        >>> effect = nbm.ablate(nbm.demo.flat(0.4), "shouter", "the fox went to the river.", progress=False)
        >>> changed = effect.recipe(layer=2, kind="mlp")
        >>> nbm.plan(changed)["model.layers.2.mlp.up_proj.weight"].values.each["weight"]
        (None, 0.0, 1.0)
        """
        return take_part(self.plan, self.parent, layer, kind)

    def __repr__(self) -> str:
        how = "by live updates" if self.fallback else "layer by layer"
        return f"<Ablation: {len(self.parts)} parts from {self.source}, scores {', '.join(self.values)}, {how}>"


@hub.stopping
def ablate(
    recipe: RecipeLike,
    source: str | PathLike[str] | ModelRef,
    scores: Mapping[str, ScoreLike] | ScoreLike = (),
    by: str | Iterable[str] = ("layer", "kind"),
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Ablation:
    """Take one part of a merge at a time from one of its parents, and score the result.

    All variants are evaluated together, layer by layer: the layers below a change are computed once for all of them, and those
    above with the same weights. Tensors outside the layers are ablated by their kind: embedding, final norm, head.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    source : str, path or ModelRef
        A model of the recipe, as written there or by its short name; "base" for the base model.
    scores : mapping of str to score, or one score
        As in `sweep`, and `nbmerge.analysis.Divergence(text)`: how far next-token distributions move from those of the merge.
    by : "layer", "kind" or both
        Parts are layers, kinds of tensors (attention, mlp, rest) in all layers, or both: each kind in each layer.
    progress, cancel, threads
        As in `nbmerge.merge`.
    device : str, optional
        Where the model is evaluated, as in `nbmerge.live`: "cuda", "mps", "auto".

    Raises
    ------
    ArgumentError
        When the source is not a model of the recipe, or has none of its tensors.
    RecipeError, SampleError, TooLargeError, MergeStopped
        As in `sweep`.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> effect = nbm.ablate(nbm.demo.recipe(), "base", nbm.analysis.Divergence("the fox."), by="layer", progress=False)
    >>> effect.table.columns.to_list()
    ['layer', 'kind', 'divergence', 'change[divergence]']
    """
    began = time.perf_counter()
    named = read_scores(scores)
    ways = _read_ways(by)
    plan = make_plan(recipe)
    parent = find_parent(plan, source)
    copies = copies_of_parent(plan, parent)
    groups = _group(plan, copies, ways)
    plans = [plan, *(with_tensors(plan, {t.name: copies[t.name] for t in tensors}) for tensors in groups.values())]
    with show_progress(progress, "Ablating") as listener:
        found = measure_plans(plans, named, progress=listener, cancel=cancel, threads=threads, device=device)
    return Ablation(
        plan,
        parent,
        tuple(groups),
        {name: row[0] for name, row in found.values.items()},
        {name: row[1:] for name, row in found.values.items()},
        found.lower,
        found.fallback,
        found.notes,
        time.perf_counter() - began,
    )


def _read_ways(by: str | Iterable[str]) -> tuple[str, ...]:
    ways = (by,) if isinstance(by, str) else tuple(by)
    if not ways or not set(ways) <= set(WAYS):
        raise ArgumentError(f"by must be 'layer', 'kind' or both, not {by!r}.")
    return ways


def _group(plan: Plan, copies: Mapping[str, TensorPlan], ways: tuple[str, ...]) -> dict[Part, list[TensorPlan]]:
    """The tensors of each part that the parent has."""
    groups: dict[Part, list[TensorPlan]] = {}
    for tensor in plan.tensors:
        if tensor.name in copies:
            inside = tensor.layer is not None
            kind = tensor.kind if "kind" in ways or not inside else None
            layer = tensor.layer if "layer" in ways else None
            groups.setdefault((layer, kind), []).append(tensor)
    if not groups:
        raise ArgumentError("The source has no tensor of this merge in the same shape, so nothing can be replaced.")
    return groups
