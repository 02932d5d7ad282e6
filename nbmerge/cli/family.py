"""``nbmerge family`` and ``nbmerge lineage``: how models are related, by their weights and by what their files say."""

from __future__ import annotations

from typing import Annotated

import typer

from nbmerge.cli.arguments import Json
from nbmerge.cli.terminal import json_output


def family(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Folders or Hub ids of two or more models.")],
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    """Tell from their weights how models are related: common ancestors, identical tensors, merges of the others."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.cli.terminal.tables import to_rows
    from nbmerge.statistics.structure import check_family

    with progress_bar("Measuring", quiet) as listener, stop_on_ctrl_c() as cancel:
        found = check_family(*models, progress=listener, cancel=cancel)
    if as_json:
        findings = [{"kind": f.kind, "models": list(f.models), "text": f.text} for f in found.findings]
        json_output.print_json({"findings": findings, "pairs": to_rows(found.table)})
        return
    for finding in found.findings:
        print(finding.text)
    if not found.findings:
        print("Fine-tunes of one model, as far as their weights tell.")
    print()
    for row in found.table.itertuples():
        numbers = (
            f"cosine {row.cosine:.4f}, distance {100 * row.distance:.2f} %, equal elements {100 * row.equal:.2f} %"
        )
        print(f"{row.first}, {row.second}: {numbers}, {row.identical} identical tensors")


def lineage(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder of a model, or its Hub id in the local cache.")],
    as_json: Json = False,
) -> None:
    """Print the models that a model was made from, as recipes, cards and configs name them."""
    from nbmerge.cli.terminal.tables import to_rows
    from nbmerge.statistics.structure import trace_lineage

    found = trace_lineage(model)
    if as_json:
        json_output.print_json(to_rows(found.table))
    else:
        print(found)
