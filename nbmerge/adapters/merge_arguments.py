"""The arguments of `merge_adapters`, checked before anything is read or computed where that is possible.

Each function raises an `ArgumentError` that names the argument and what it can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.adapters.budget import check_budget
from nbmerge.adapters.combinations import TYPES, CombinationType, Consensus, Election
from nbmerge.adapters.members import Members
from nbmerge.checkpoints.dtypes import FLOATS
from nbmerge.errors import ArgumentError, CheckpointError
from nbmerge.problems import nearest

if TYPE_CHECKING:
    from nbmerge.typing import ModelLike

MOST_RANK = 256
"""The most ranks of a module where a share of ‖δ‖² is given, and no rank."""


def check_adapters(adapters: Sequence[ModelLike]) -> Sequence[ModelLike]:
    """The adapters, if they are a list of at least one."""
    if isinstance(adapters, str | Path) or not isinstance(adapters, Sequence) or not adapters:
        raise ArgumentError(f"adapters is a list of folders or Hub ids, not {adapters!r:.200}.")
    return adapters


def check_method(method: str) -> CombinationType:
    """The combination type of a name."""
    if not isinstance(method, str) or method not in TYPES:
        raise ArgumentError(f"unknown combination type {method!r:.80}. {nearest(str(method), TYPES)}")
    return TYPES[method]


def check_density(method: str, density: float | None) -> float:
    """The share of elements that a combination type keeps: 1 for those that keep all."""
    thins = TYPES[method].thin is not None
    if density is None and thins:
        raise ArgumentError(f"{method} keeps a share of the elements: pass density, such as density=0.5.")
    if density is not None and not thins:
        raise ArgumentError(f"{method} keeps all elements, so density has no effect. Remove it, or choose ties_svd.")
    if density is not None and (not _is_number(density) or not 0 < density <= 1):
        raise ArgumentError(
            f"density is the share of the elements that is kept, more than 0 and at most 1, not {density!r}."
        )
    return 1.0 if density is None else float(density)


def check_signs(consensus: Consensus, election: Election) -> tuple[Consensus, Election]:
    """Both settings of the election of signs."""
    for name, value, known in (
        ("consensus", consensus, ("sum", "count")),
        ("election", election, ("plain", "weighted")),
    ):
        if value not in known:
            raise ArgumentError(f"{name} must be one of {', '.join(known)}, not {value!r:.80}.")
    return consensus, election


def check_seed(seed: int) -> int:
    """A seed, which may be negative."""
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise ArgumentError(f"seed is a whole number, not {seed!r:.80}.")
    return int(seed)


def check_weights(weights: float | Sequence[float], count: int) -> tuple[float, ...]:
    """One weight for each adapter."""
    if isinstance(weights, str) or not isinstance(weights, Real | Iterable):
        raise ArgumentError(f"weights is a number, or a list with one for each adapter, not {weights!r:.80}.")
    own = [weights] * count if isinstance(weights, Real) else list(weights)
    if len(own) != count:
        raise ArgumentError(
            f"weights has the length {len(own)}, and there are {count} adapters. Pass one for each, or one number for all."
        )
    if bad := [weight for weight in own if not _is_number(weight)]:
        raise ArgumentError(f"weights are finite numbers, not {bad[0]!r:.80}.")
    if not any(own):
        raise ArgumentError("all weights are 0, so nothing would be left. Give at least one adapter another weight.")
    return tuple(map(float, own))


def _is_number(value: Any) -> bool:
    """Whether it is a finite number, of Python or NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def check_ranks(members: Members, kind: CombinationType, rank: int | None, energy: float | None) -> None:
    """Refuse ranks that a combination type or the adapters cannot have."""
    if not members.modules:
        raise CheckpointError(
            f"{' and '.join(members.labels)} change no module by factors, so there is nothing to merge."
        )
    if not kind.cuts and (rank is not None or energy is not None):
        raise ArgumentError(
            f"{kind.name} keeps the ranks of the adapters. Leave rank and energy out, or choose {_cutting(kind)}."
        )
    if not kind.cuts and (odd := next((m for m in members.modules if m.updates), None)):
        raise ArgumentError(
            f"{kind.name} keeps factors, and the change of {odd.name:.200} by {members.labels[next(iter(odd.updates))]} is not a product "
            f"of factors, because it is a DoRA. Choose {_cutting(kind)}, which cuts it to a rank."
        )
    if kind.of == "factors" and (other := next((a.folder for a in members.adapters if a.initial), None)):
        raise ArgumentError(
            f"{kind.name} adds factors, and the change of {other} is a difference of two products, because it was trained beside a "
            f"modified base. Choose {_cutting(kind)}."
        )
    if kind.of == "factors" and (odd := next((m for m in members.modules if len(set(m.ranks)) > 1), None)):
        raise ArgumentError(
            f"{kind.name} adds factors, and those of {odd.name:.200} have the ranks {', '.join(map(str, odd.ranks))}. Choose "
            f"{_cutting(kind)}, for which ranks may differ."
        )
    check_budget(rank, energy, MOST_RANK, MOST_RANK)
    most = max((min(module.shape), module.weight) for module in members.modules)
    if rank is not None and rank > most[0]:
        raise ArgumentError(
            f"rank is {rank}, and no matrix of the adapters has more than {most[0]} ({most[1]:.200}). Choose a lower rank."
        )


def _cutting(kind: CombinationType) -> str:
    return "svd" if kind.thin is None else f"{kind.name}_svd"


def check_dtype(dtype: str | None, members: Members) -> str:
    """The dtype of the factors; by default that of the adapters."""
    if dtype is None:
        steps = (step for module in members.modules for own in module.changes.values() for step in own)
        stored = {t.dtype for step in steps for t in step.tensors}
        return stored.pop() if len(stored) == 1 and stored <= {"bfloat16", "float16"} else "float32"
    text = str(dtype).removeprefix("torch.")
    if text not in FLOATS or text == "float64":
        raise ArgumentError(f"dtype must be float32, bfloat16 or float16, not {dtype!r:.80}.")
    return text
