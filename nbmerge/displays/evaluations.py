"""Results of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.displays.analysis import digits
from nbmerge.displays.layout import block, bullets, heading, table
from nbmerge.displays.markup import Markup, join

if TYPE_CHECKING:
    from nbmerge.evaluation import Evaluation


def show_evaluation(found: Evaluation) -> Markup:
    """One row per metric, with its standard error."""
    rows = [
        [
            f"{m.task}, {m.metric}" + (f" ({m.filter})" if m.filter != "none" else ""),
            digits(m.value),
            "" if m.error is None else f"± {digits(m.error)}",
            "lower" if m.lower else "higher",
            f"{m.count:,}",
        ]
        for m in found.measures
    ]
    part = bullets([f"At most {found.limit} samples of each task were used."]) if found.limit is not None else join()
    top = heading("Evaluation", f"{found.seconds:.1f} s")
    return block(top, table(["task", "value", "standard error", "better", "samples"], rows), part)
