"""A task of the lm-evaluation-harness as a score: for searches, sweeps and the Studio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.evaluation.evaluations import evaluate
from nbmerge.evaluation.harness import load_tasks

if TYPE_CHECKING:
    from nbmerge.typing import Askable


@dataclass(frozen=True)
class TaskScore:
    """One metric of a task as a score.

    Parameters
    ----------
    task : str
        Name of a task, or its YAML file.
    metric : str
        With its filter, as in "acc,none".
    include : tuple of str
        Folders with tasks.
    limit, shots : int, optional
        As in `nbmerge.evaluate`.
    lower : bool
        Whether lower is better.
    """

    task: str
    metric: str = "acc,none"
    include: tuple[str, ...] = ()
    limit: int | None = None
    shots: int | None = None
    lower: bool = False

    def check(self) -> None:
        """Load the task, so that what is missing is reported before models are merged.

        Raises
        ------
        ArgumentError
            When the harness is not installed, or the task or its data cannot be loaded.
        """
        load_tasks([self.task], [Path(folder) for folder in self.include])

    def __call__(self, model: Askable) -> float:
        """Evaluate a model."""
        found = evaluate(model, [self.task], include=self.include, limit=self.limit, shots=self.shots)
        names = {m.task for m in found.measures}
        return found.value(self.task if self.task in names else found.measures[0].task, self.metric)
