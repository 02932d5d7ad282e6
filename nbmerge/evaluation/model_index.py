"""Results in a model card: its ``model-index``, written by huggingface_hub."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbmerge.errors import ArgumentError, OutputError
from nbmerge.evaluation.measures import Measure
from nbmerge.guarded_files import read_model_text
from nbmerge.quoting import quote
from nbmerge.whole_files import write_whole

CARD = "README.md"


def write_results(folder: Path, measures: Sequence[Measure]) -> None:
    """Write results into the card of a folder; see `Evaluation.write_card`.

    Raises
    ------
    ArgumentError
        When there is no card, or it cannot be read, or a value is not finite.
    OutputError
        When it cannot be written.
    """
    import yaml
    from huggingface_hub import EvalResult, ModelCard

    if unknown := [m for m in measures if not math.isfinite(m.value)]:
        raise ArgumentError(
            f"{unknown[0].task} {unknown[0].metric} is {unknown[0].value}, which a model card cannot hold. Evaluate without that "
            "task, or correct the samples that cause it."
        )
    path = folder / CARD
    if not path.is_file():
        raise ArgumentError(f"{folder} has no model card ({CARD}). Pass the folder of a merged model.")
    try:
        card = ModelCard(read_model_text(path))
    except (ValueError, yaml.YAMLError) as error:
        raise ArgumentError(
            f"The front matter of {path} cannot be read: {quote(str(error), 200)}. Correct it first."
        ) from error
    data: Any = card.data
    replaced = {(m.task, m.metric) for m in measures}
    kept = [r for r in data.eval_results or () if (r.dataset_name, r.metric_type) not in replaced]
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
            for m in measures
        ),
    ]
    try:
        write_whole(path, str(card).encode(), private=False)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
