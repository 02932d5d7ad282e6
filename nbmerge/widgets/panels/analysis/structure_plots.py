"""What the Structure panel can draw: each plot with the measurement that it is of, its table, and its findings in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.engine.planning import Plan
from nbmerge.recipe import ModelRef

if TYPE_CHECKING:
    import pandas as pd

Models = Sequence[ModelRef]
MERGE = "this merge"
MOST_PROMPTS = 8
"""Prompts of one figure."""


@dataclass(frozen=True)
class Measurement:
    """Something that is computed once, for several plots.

    Parameters
    ----------
    measure : callable
        ``(plan, models, progress=…, cancel=…)``; the base is the first of the models.
    least : int
        Models that it needs, with the base.
    of_recipe : bool
        Whether it depends on the values of the recipe, or on its models only.
    is_instant : bool
        Whether it reads no weights.
    of_prompts : bool
        Whether it takes the prompts on screen, as ``prompts=…``.
    of_mixtures : bool
        Whether it is of mixtures of experts only.
    """

    measure: Callable[..., Any]
    least: int = 2
    of_recipe: bool = False
    is_instant: bool = False
    of_prompts: bool = False
    of_mixtures: bool = False


@dataclass(frozen=True)
class StructurePlot:
    """A plot of a measurement.

    Parameters
    ----------
    title : str
    of : str
        Its measurement, by the name in `MEASUREMENTS`.
    help : str
        What can be read from it.
    table : callable
        ``(result) -> DataFrame``
    what : str
        Which plot of the result; empty where it has one.
    find : callable
        ``(result) -> iterable of str``: findings in words.
    least : int
        Models that it needs, with the base.
    """

    title: str
    of: str
    help: str
    table: Callable[[Any], pd.DataFrame]
    what: str = ""
    find: Callable[[Any], Iterator[str]] = lambda result: iter(())
    least: int = 2

    def draw(self, result: Any, theme: str) -> Any:
        """The figure."""
        if self.of == "recipe":
            return result.plot(style="map", theme=theme)
        return result.plot(self.what, theme=theme) if self.what else result.plot(theme=theme)


# --- measurements ---


def _measure_models(plan: Plan, models: Models, **options: Any) -> Any:
    from nbmerge.statistics import measure_models

    return measure_models(*models, **options)


def _check_family(plan: Plan, models: Models, **options: Any) -> Any:
    from nbmerge.statistics.structure import check_family

    return check_family(*models, **options)


def _measure_conflicts(plan: Plan, models: Models, **options: Any) -> Any:
    from nbmerge.statistics.structure import measure_conflicts

    return measure_conflicts(*models, **options)


def _measure_spectra(plan: Plan, models: Models, **options: Any) -> Any:
    from nbmerge.statistics.structure import measure_spectra

    return measure_spectra(*models, **options)


def _measure_coefficients(plan: Plan, models: Models, **options: Any) -> Any:
    from nbmerge.statistics.structure import measure_coefficients

    return measure_coefficients(plan, **options)


def _trace_lineage(plan: Plan, models: Models, **options: Any) -> Any:
    """The lineage of the merge on screen: its models, and where each of them comes from."""
    from nbmerge.statistics.structure import Ancestor, Lineage, trace_lineage

    known = [(ref, trace_lineage(ref)) for ref in models]
    relations = ["base of the merge" if ref == plan.recipe.base_model else "merged from" for ref in models]
    own = [Ancestor(MERGE, found.model, how, "recipe", plan.method.name)
           for (_, found), how in zip(known, relations, strict=True)]  # fmt: skip
    older = [step for _, found in known for step in found.steps]
    return Lineage(MERGE, tuple(dict.fromkeys([*own, *older])))


def _measure_routing(
    plan: Plan, models: Models, *, prompts: Sequence[str], progress: Any = None, cancel: Any = None
) -> Any:
    from nbmerge.engine.live import live
    from nbmerge.mixtures import measure_routing

    with live(plan, progress=progress, cancel=cancel) as merged:
        return measure_routing(merged, prompts[:MOST_PROMPTS], cancel=cancel)


MEASUREMENTS: Mapping[str, Measurement] = {
    "statistics": Measurement(_measure_models),
    "conflicts": Measurement(_measure_conflicts, least=3),
    "spectra": Measurement(_measure_spectra),
    "family": Measurement(_check_family),
    "coefficients": Measurement(_measure_coefficients, least=1, of_recipe=True),
    "recipe": Measurement(lambda plan, models, **options: plan, least=1, of_recipe=True, is_instant=True),
    "lineage": Measurement(_trace_lineage, least=1, is_instant=True),
    "routing": Measurement(_measure_routing, least=1, of_recipe=True, of_prompts=True, of_mixtures=True),
}


# --- tables and findings ---


def _take_change(statistics: Any) -> pd.DataFrame:
    return statistics.by_part[["layer", "kind", *(f"change[{m}]" for m in statistics.models[1:])]]


def _take_pairs(name: str) -> Callable[[Any], pd.DataFrame]:
    """A column for each pair of models."""

    def take(statistics: Any) -> pd.DataFrame:
        pairs = combinations(statistics.models[1:], 2)
        return statistics.by_part[["layer", "kind", *(f"{name}[{a}, {b}]" for a, b in pairs)]]

    return take


def _take_unchanged(result: Any) -> pd.DataFrame:
    table = result.by_layer
    return table[["layer", *(c for m in result.models[1:] for c in (f"unchanged[{m}]", f"floor[{m}]"))]]


def _take_ranks(spectra: Any) -> pd.DataFrame:
    table = spectra.table
    return table[
        ["tensor", "model", "norm", "stable rank", "effective rank low", "effective rank high", "rank for 90 %"]
    ]


def _find_unchanged(statistics: Any) -> Iterator[str]:
    for model in statistics.models[1:]:
        share, floor = (float(statistics.summary[f"{name}[{model}]"]) for name in ("unchanged", "floor"))
        yield f"{100 * share:.3g} % of {model} equals {statistics.models[0]}; rounding alone would leave {100 * floor:.3g} %."


def _find_conflicts(conflicts: Any) -> Iterator[str]:
    first, last = conflicts.summary.iloc[0], conflicts.summary.iloc[-1]
    yield (
        f"Signs differ in {100 * first['conflict']:.3g} % of the elements that several models changed; at density "
        f"{last['density']:g}, in {100 * last['conflict']:.3g} %."
    )


def _find_angles(statistics: Any) -> Iterator[str]:
    for one, other in combinations(statistics.models[1:], 2):
        cosine = float(statistics.cosines.loc[one, other])
        yield f"The task vectors of {one} and {other} have the cosine {cosine:.3g}."


def _find_adapters(spectra: Any) -> Iterator[str]:
    kept = spectra.summary
    for model in kept.index:
        yield f"An adapter of rank {kept.columns[-1]} can hold {100 * kept.loc[model].iloc[-1]:.3g} % of ‖δ‖² of {model}."


def _find_special(coefficients: Any) -> Iterator[str]:
    for note, count in coefficients.notes.items():
        yield f"{count} {'tensor' if count == 1 else 'tensors'}: {note}."


def _find_relations(family: Any) -> Iterator[str]:
    yield from (finding.text for finding in family.findings)
    if not family.findings:
        yield "All models are fine-tunes of one model, and none is a merge of the others."


def _find_roots(lineage: Any) -> Iterator[str]:
    if len(lineage.steps) == len([step for step in lineage.steps if step.model == MERGE]):
        yield "No file of these models names an older one."
    else:
        yield f"The oldest that are known: {', '.join(lineage.roots)}."


def _find_routes(routing: Any) -> Iterator[str]:
    means = routing.summary
    for text in means.index:
        best = means.loc[text].idxmax()
        share = f"{100 * means.loc[text, best]:.3g} %"
        yield f"“{text.strip()}”: {best} has the largest share, {share} in the mean over the layers."


PLOTS: Mapping[str, StructurePlot] = {
    "change": StructurePlot(
        "Size of the changes", "statistics", "How far each model is from the base, by layer and kind of tensor.",
        _take_change, "change",
    ),
    "unchanged": StructurePlot(
        "Share of unchanged numbers", "statistics",
        "Dashed: what would be equal if all numbers had changed by as much, and been rounded to the dtype.",
        _take_unchanged, "unchanged", _find_unchanged,
    ),
    "most changed": StructurePlot(
        "Most changed tensors", "statistics", "Relative to the base’s tensor.",
        lambda result: result.most_changed(), "most changed",
    ),
    "kept mass": StructurePlot(
        "Kept mass against density", "statistics",
        "What the largest changes hold of all: where a curve falls towards the diagonal, trimming begins to cost.",
        lambda result: result.kept_masses(), "kept mass",
    ),
    "cosine": StructurePlot(
        "Cosines by layer", "statistics", "Task vectors that point the same way add up; those at right angles keep apart.",
        _take_pairs("cosine"), "cosine", _find_angles, 3,
    ),
    "cosines": StructurePlot(
        "Cosines of all models", "statistics", "Between the task vectors of whole models.",
        lambda result: result.cosines.rename_axis("model").reset_index(), "cosines", _find_angles, 3,
    ),
    "opposite": StructurePlot(
        "Opposite signs by layer", "statistics", "Share of the numbers that both models changed, in opposite directions.",
        _take_pairs("conflict"), "conflict", least=3,
    ),
    "conflicts": StructurePlot(
        "Conflicts and trimming", "conflicts", "What TIES keeps at each density, what has the elected sign, and how signs conflict.",
        lambda result: result.summary, find=_find_conflicts, least=3,
    ),
    "adapters": StructurePlot(
        "Would an adapter hold it?", "spectra", "Share of the changes that adapters of each rank can hold at best.",
        lambda result: result.summary.reset_index(), "kept", _find_adapters,
    ),
    "singular values": StructurePlot(
        "Singular values", "spectra", "Of task vectors, relative to the largest, by kind of tensor.", _take_ranks, "values",
    ),
    "effective rank": StructurePlot(
        "Effective rank by layer", "spectra", "How many directions each fine-tune uses.", _take_ranks, "effective rank",
    ),
    "overlap": StructurePlot(
        "Shared directions", "spectra", "How far the leading singular vectors of two task vectors span the same space.",
        lambda result: result.overlaps, "overlap", least=3,
    ),
    "family": StructurePlot(
        "Family check", "family", "Whether the models have a common ancestor, and whether one is a merge of others.",
        lambda result: result.table, find=_find_relations,
    ),
    "lineage": StructurePlot(
        "Lineage", "lineage", "What recipes, cards and headers say of where the models come from.",
        lambda result: result.table, find=_find_roots, least=1,
    ),
    "coefficients": StructurePlot(
        "Coefficients of the merge", "coefficients",
        "What each tensor of each model is multiplied by, after gradients, normalisation and angles.",
        lambda result: result.by_part, find=_find_special, least=1,
    ),
    "routing": StructurePlot(
        "Routing of the prompts", "routing", "What share each expert has in what the layers compute for each prompt.",
        lambda result: result.table, find=_find_routes, least=1,
    ),
    "recipe": StructurePlot(
        "Values of the recipe", "recipe", "What each layer and kind of tensor gets.", lambda result: result.values(), least=1,
    ),
}  # fmt: skip


def list_models(plan: Plan) -> list[ModelRef]:
    """The models of a plan, each once, the base first; without a base, the first model takes its place."""
    base = plan.recipe.base_model
    known: dict[tuple[Path, ...], ModelRef] = {}
    for ref in (*([base] if base in plan.checkpoints else []), *plan.checkpoints):
        known.setdefault(plan.checkpoints[ref].folders, ref)
    return list(known.values())
