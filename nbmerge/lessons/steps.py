"""What a method does to a tensor, step by step: every number is computed by the method itself.

A step that treats one model at a time (trimming, dropping, rescaling) is the method with the weight of that model alone: what it
leaves of that model's changes is then the whole result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nbmerge.engine.merge_tensors import merge_tensors
from nbmerge.errors import ArgumentError
from nbmerge.methods import methods

FIRST_STEPS = {
    "ties": "Trim: of each model, the largest changes are kept.",
    "dare_linear": "Drop: of each model, random changes are kept, rescaled to make up for the others.",
    "dare_ties": "Drop: of each model, random changes are kept, rescaled to make up for the others.",
    "della": "Drop: of each model, random changes are kept, large ones more often, and rescaled.",
    "della_linear": "Drop: of each model, random changes are kept, large ones more often, and rescaled.",
    "breadcrumbs": "Trim: of each model, the largest and the smallest changes are left out.",
    "breadcrumbs_ties": "Trim: of each model, the largest and the smallest changes are left out.",
}
"""The first step of the methods that have one for each model."""
ELECTING = ("ties", "dare_ties", "della", "breadcrumbs_ties")
"""Methods that elect a sign."""


@dataclass(frozen=True)
class Step:
    """One step of a method.

    Parameters
    ----------
    words : str
        What happens, in a sentence.
    rows : mapping of str to ndarray, shape (weights,)
        Changes from the base model, by name: those of each model, the elected signs (+1, 0, −1), or those of the merge.
    """

    words: str
    rows: Mapping[str, NDArray[np.float32]]


def trace_method(
    method: str,
    base: torch.Tensor,
    tensors: Sequence[torch.Tensor],
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> list[Step]:
    """Follow a method that has a base model from the models' tensors to their merge.

    Parameters
    ----------
    method : str
    base : torch.Tensor
    tensors : sequence of torch.Tensor
        One per model, in the shape of the base.
    parameters : mapping of str to value, optional
        As in `nbmerge.merge_tensors`.
    seed : int
        Of random masks.

    Returns
    -------
    list of Step
        The task vectors first, the merge last.

    Raises
    ------
    ArgumentError
        If the method has no base model, and as `nbmerge.merge_tensors`.

    Examples
    --------
    >>> import torch
    >>> base, model = torch.zeros(4), torch.tensor([0.1, -3.0, 0.2, 2.0])
    >>> steps = nbm.lessons.trace_method("ties", base, [model], {"weight": 1, "density": 0.5})
    >>> steps[1].rows["model 1"].tolist()
    [0.0, -3.0, 0.0, 2.0]
    """
    if method not in methods() or methods()[method].base != "required":
        known = ", ".join(m.name for m in methods().values() if m.base == "required")
        raise ArgumentError(f"Steps can be shown of methods with a base model, not of {method!r}: {known}.")
    given = dict(parameters or {})
    names = [f"model {i + 1}" for i in range(len(tensors))]

    def change(values: Mapping[str, Any]) -> NDArray[np.float32]:
        merged = merge_tensors(method, tensors, base=base, parameters=values, seed=seed)
        difference: NDArray[np.float32] = (merged.float() - base.float()).flatten().numpy()
        return difference

    vectors = {name: (t.float() - base.float()).flatten().numpy() for name, t in zip(names, tensors, strict=True)}
    steps = [Step("Task vectors: what each model changes, weight by weight.", vectors)]
    if method in FIRST_STEPS:
        alone = {**given, "lambda": 1.0, "normalize": False}
        kept = {name: change({**alone, "weight": _only(i, len(names))}) for i, name in enumerate(names)}
        steps.append(Step(FIRST_STEPS[method], kept))
        if method in ELECTING:
            weights = _row(given.get("weight", 1.0), len(names))
            votes = [weight * row for weight, row in zip(weights, kept.values(), strict=True)]
            words = "Elect: for each weight, the sign of the sum of what is left, each model times its weight."
            if given.get("consensus") == "count":
                votes = [np.sign(vote) for vote in votes]
                words = "Elect: for each weight, the sign that more models have."
            # Where the votes cancel, the method elects +; where nothing is left of any model, there is no vote.
            signs = np.where(np.sum(votes, axis=0) >= 0, 1, -1) * np.any(list(kept.values()), axis=0)
            steps.append(Step(words, {"elected sign": signs.astype(np.float32)}))
    last = "Merge: the changes that agree with the elected sign." if method in ELECTING else "Merge."
    steps.append(Step(last, {"merge": change(given)}))
    return steps


def _only(i: int, count: int) -> list[float]:
    return [1.0 if j == i else 0.0 for j in range(count)]


def _row(value: Any, count: int) -> list[float]:
    return [float(v) for v in value] if isinstance(value, list | tuple) else [float(value)] * count
