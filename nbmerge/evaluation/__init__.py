"""Evaluation: tasks of the lm-evaluation-harness, for models in memory and on disk.

`harness` runs tasks, `evaluations` is the function and its result, `task_scores` makes a task a score for searches, `model_index` puts
results into a model card.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.evaluation.evaluations import Evaluation, evaluate
    from nbmerge.evaluation.measures import Measure
    from nbmerge.evaluation.task_scores import TaskScore

__all__ = ["Evaluation", "Measure", "TaskScore", "evaluate"]

__getattr__ = exporter(
    __name__,
    evaluations=("Evaluation", "evaluate"),
    measures=("Measure",),
    task_scores=("TaskScore",),
)
