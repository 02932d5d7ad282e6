"""Results of `nbmerge.statistics.structure` and `nbmerge.adapters`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.displays.layout import QUIET, block, bullets, heading, table
from nbmerge.displays.markup import Markup, element
from nbmerge.displays.tables import number, percent
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.adapters import AdapterMerge, AdapterReport, Extraction
    from nbmerge.statistics.structure import Coefficients, Conflicts, Family, Lineage, Spectra


def show_conflicts(conflicts: Conflicts) -> Markup:
    """One row per density, for the whole model."""
    models = conflicts.models[1:]
    columns = ["conflict", *(f"{what}[{m}]" for m in models for what in ("kept", "elected"))]
    names = ["density", "conflicting signs", *(f"{what} of {m}" for m in models for what in ("kept", "elected"))]
    rows = [
        [f"{density:g}", *(percent(float(conflicts.summary[c].iloc[i])) for c in columns)]
        for i, density in enumerate(conflicts.densities)
    ]
    top = heading("Conflicts of signs", f"against {conflicts.models[0]}", "kept and elected in % of Σ|δ|")
    return block(top, table(names, rows))


def show_spectra(spectra: Spectra) -> Markup:
    """One row per model: what adapters of each rank can hold, in the whole model and in the worst matrix."""
    kept, rows = spectra.summary, []
    for model in spectra.models[1:]:
        own = spectra.table[spectra.table["model"] == model]
        rows.append([model, *(percent(float(kept.loc[model, rank])) for rank in kept.columns)])
        worst = [own[f"kept[{rank}]"].min() for rank in kept.columns]
        rows.append([f"{model}, worst matrix", *(percent(float(share)) for share in worst)])
    errors = [spectra.table[f"error[{rank}]"].max() for rank in kept.columns]
    rows.append(["largest error", *(percent(float(error)) for error in errors)])
    top = heading("Share of ‖δ‖² that a LoRA can hold", f"{len(spectra.spectra)} task matrices")
    return block(top, table(["model", *(f"rank {rank}" for rank in kept.columns)], rows))


def show_extraction(extraction: Extraction) -> Markup:
    """See `_show_adapter`."""
    return _show_adapter(extraction, f"{extraction.model} as an adapter of {extraction.base}")


def show_adapter_merge(merge: AdapterMerge) -> Markup:
    """See `_show_adapter`."""
    weights = ", ".join(f"{weight:g}" for weight in merge.weights)
    return _show_adapter(merge, " + ".join(merge.adapters), f"{merge.method}, weights {weights}")


def _show_adapter(report: AdapterReport, title: str, *notes: str) -> Markup:
    """One row per kind of tensor: its ranks and what they hold; and what another rank would hold."""
    rows = []
    for kind, own in report.table[report.table["way"] != "unchanged"].groupby("kind", sort=False):
        factors = own[own["way"] == "lora"]
        ranks = f"{factors['rank'].min()} to {factors['rank'].max()}" if len(factors) else ""
        squares = own["norm"] ** 2
        error = float(np.sqrt((squares * own["error"] ** 2).sum() / squares.sum()))
        rows.append([str(kind), f"{len(factors):,}", ranks, f"{len(own) - len(factors):,}", percent(error)])
    top = heading(
        title, *notes, f"{report.path}", f"{human(report.nbytes)}, {percent(report.error)} of the length of δ lost",
    )  # fmt: skip
    kept = report.kept()
    would = [
        [str(kind), *(percent(float(share)) for share in row)]
        for kind, row in zip(kept.index, kept.to_numpy(), strict=True)
    ]
    return block(
        top,
        table(["kind", "matrices with factors", "ranks", "tensors saved whole", "error"], rows),
        table(["share of ‖δ‖² by rank", *map(str, kept.columns)], would),
    )


def show_coefficients(found: Coefficients) -> Markup:
    """One row per model: the range of its coefficients; and the special cases."""
    rows = []
    for model in found.models:
        values = found.table[f"coefficient[{model}]"].to_numpy(dtype=float)
        rows.append([model, *_spread(values[np.isfinite(values)])])
    special = [f"{count} tensors: {note}" for note, count in found.notes.items()]
    top = heading("Coefficients of the merge", f"{len(found.table)} tensors")
    return block(top, table(["model", "lowest", "mean", "highest"], rows), bullets(special) if special else Markup())


def _spread(values: np.ndarray) -> Iterable[str]:
    if not len(values):
        return "", "not a weighted sum", ""
    return tuple(f"{x:.4g}" for x in (values.min(), values.mean(), values.max()))


def show_family(family: Family) -> Markup:
    """What was found, and one row for each pair."""
    findings = [f.text for f in family.findings] or ["Fine-tunes of one model, as far as their weights tell."]
    rows = [
        [f"{r.first}, {r.second}", number(r.cosine), percent(r.distance), percent(r.equal), f"{r.identical:,}"]
        for r in family.table.itertuples()
    ]
    names = ["models", "cosine", "distance", "equal elements", "identical tensors"]
    return block(heading("Family", f"{len(family.models)} models"), bullets(findings), table(names, rows))


def show_lineage(lineage: Lineage) -> Markup:
    """The tree."""
    lines = list(lineage.lines())
    shown = [
        element(
            "div", name, element("span", f"  {how}" if how else "", style=QUIET), style=f"margin-left:{1.5 * depth}em"
        )
        for depth, name, how in lines[:200]
    ]
    if len(lines) == 1:
        shown.append(element("div", "Its files name no other model.", style=QUIET))
    return block(heading("Lineage"), *shown)
