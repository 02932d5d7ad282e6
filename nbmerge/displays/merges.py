"""Checks and finished merges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.displays.layout import block, bullets, code, facts, heading, problems
from nbmerge.displays.markup import Markup
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.engine.check import Report
    from nbmerge.engine.merge import MergeResult
    from nbmerge.engine.planning import Plan


def show_report(report: Report) -> Markup:
    """Problems with their severities, and what the merge will be and cost."""
    errors = sum(p.severity == "error" for p in report.problems)
    verdict = "This recipe can be merged." if report.ok else f"{errors} {'error' if errors == 1 else 'errors'}."
    plan, cost = report.plan, report.forecast
    size = "" if plan is None else describe_size(plan)
    pairs = (
        [] if plan is None else [("method", plan.method.title), ("models", ", ".join(plan.parents)), ("result", size)]
    )
    pairs += [] if cost is None else [("the merge", str(cost))]
    return block(
        heading(verdict, *(() if report.problems else ("No problems.",))),
        problems((p.severity, str(p)) for p in report.problems),
        bullets(report.suggestions) if report.suggestions else Markup(),
        facts(pairs),
    )


def describe_size(plan: Plan) -> str:
    """How large the result of a plan is."""
    return f"{plan.depth} layers, {len(plan.tensors):,} tensors, {plan.parameters:,} parameters"


def show_merge_result(result: MergeResult) -> Markup:
    """Where the merged model is, how large it is, and how to load it."""
    plan = result.plan
    notes = [f"{count} {'tensor' if count == 1 else 'tensors'}: {text}" for text, count in result.notes.items()]
    return block(
        heading("Merged model", human(plan.bytes_written), f"{result.seconds:.1f} s"),
        facts(
            [
                ("folder", str(result.path)),
                ("method", plan.method.title),
                ("models", ", ".join(plan.parents)),
                ("result", describe_size(plan)),
            ]
        ),
        problems(("warning", str(p)) for p in result.warnings),
        bullets(notes) if notes else Markup(),
        code(f"AutoModelForCausalLM.from_pretrained({str(result.path)!r})"),
    )
