"""Results in a model card: its ``model-index``, written by huggingface_hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nbmerge.errors import ArgumentError
from nbmerge.evaluation.measures import Measure
from nbmerge.quoting import quote

CARD = "README.md"


def write_results(folder: Path, measures: Sequence[Measure]) -> None:
    """See `Evaluation.write_card`."""
    import yaml
    from huggingface_hub import EvalResult, ModelCard

    path = folder / CARD
    if not path.is_file():
        raise ArgumentError(f"{folder} has no model card ({CARD}). Pass the folder of a merged model.")
    try:
        card = ModelCard.load(path)
    except (ValueError, yaml.YAMLError) as error:
        raise ArgumentError(
            f"The front matter of {path} cannot be read: {quote(str(error), 200)}. Correct it first."
        ) from error
    data = card.data
    new = {(m.task, m.metric): m for m in measures}
    kept = [r for r in data.eval_results or () if (r.dataset_name, r.metric_type) not in new]
    data.model_name = data.model_name or folder.resolve().name
    data.eval_results = [
        *kept,
        *(
            EvalResult(
                task_type="text-generation",
                dataset_type=m.task,
                dataset_name=m.task,
                metric_type=m.metric,
                metric_name=m.metric if m.filter == "none" else f"{m.metric} ({m.filter})",
                metric_value=m.value,
            )
            for m in new.values()
        ),
    ]
    beside = path.with_name(f".{CARD}.nbmerge-new")
    beside.write_text(str(card), encoding="utf-8")
    os.replace(beside, path)
