"""How this process rounds: versions, and the instructions that torch and its libraries use on this processor.

Most tensors come out the same on every processor, see `nbmerge.methods.numerics`. Products of matrices and decompositions do
not: torch chooses its kernels by the features of the processor (``ATEN_CPU_CAPABILITY`` restricts them), and so does MKL
beneath it (``MKL_ENABLE_INSTRUCTIONS``, ``MKL_CBWR``). MKL does not report its choice, so a checksum over the results of a few
small computations stands for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from nbmerge import __version__
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, ExpertProducts, LowRank
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.planning.tokens.pursuit_rows import PursuitRows
from nbmerge.methods.numerics import add_scaled_, inner_products, interpolate

if TYPE_CHECKING:
    import torch

RECORD = "arithmetic"
"""Its key in the checksum file and in the journal."""


def arithmetic(tensors: Iterable[TensorPlan] | None = None) -> dict[str, str]:
    """Versions of nbmerge and torch, and checksums of results; if all are equal, so are the bytes of a merge.

    Parameters
    ----------
    tensors : iterable of TensorPlan, optional
        What is merged. The processor and its libraries are left out if no tensor depends on them.
    """
    record = {"nbmerge": __version__, "torch": _torch(), "rounding": _rounding(_elementwise)}
    if tensors is not None and not any(map(_needs_libraries, tensors)):
        return record
    return record | {"processor": _processor(), "libraries": _rounding(_by_libraries)}


def _needs_libraries(source: Any) -> bool:
    """Whether the bytes of a result, or of an input that is computed, depend on torch's libraries."""
    if isinstance(source, TensorPlan):
        return not source.how.portable or any(map(_needs_libraries, source.inputs))
    if (
        isinstance(source, PursuitRows)
        or not getattr(source, "portable", True)
        or (isinstance(source, Adapted) and any(isinstance(step, LowRank | ExpertProducts) for step in source.steps))
    ):
        return True
    return any(map(_needs_libraries, getattr(source, "sources", ())))


def describe(record: Mapping[str, str]) -> str:
    """Format a record on one line."""
    return ", ".join(f"{k} {v}" for k, v in record.items())


def difference(then: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Describe the difference between two records; None if they are equal."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if not names:
        return None
    return " and ".join(
        describe({name: side.get(name, "unknown") for name in names}) + when
        for side, when in ((then, " then"), (now, " now"))
    )


@lru_cache(1)  # reading a package's metadata takes milliseconds
def _torch() -> str:
    try:
        return version("torch").partition("+")[0]
    except PackageNotFoundError:  # built from source
        import torch

        return torch.__version__.partition("+")[0]


def _processor() -> str:
    import torch  # not needed by plans and checks

    return torch.backends.cpu.get_cpu_capability()


@cache
def _rounding(compute: Callable[[torch.Tensor, torch.Tensor], list[torch.Tensor]]) -> str:
    """Checksum over results for numbers of both dtypes, computed as in a worker: in one thread."""
    import torch

    def checksum() -> str:
        torch.set_num_threads(1)
        digest = hashlib.sha256()
        for dtype in (torch.float32, torch.float64):
            for result in compute(*(_numbers(seed).to(dtype) for seed in (2654435761, 2246822519))):
                digest.update(result.contiguous().numpy().tobytes())
        return digest.hexdigest()[:8]

    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1, "nbmerge-rounding") as worker:
            return worker.submit(checksum).result()
    finally:
        torch.set_num_threads(before)


def _elementwise(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    """What every merge is made of."""
    import torch

    return [add_scaled_(x.clone(), y, 0.3), interpolate(x, y, 0.3), x * y, x / y, inner_products(torch.stack((x, y)))]


def _by_libraries(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    """Sums, exponentials, products and decompositions as torch and its libraries compute them."""
    import torch

    square, other = x[:4096].view(64, 64), y[:4096].view(64, 64)
    symmetric = square @ square.T + 64 * torch.eye(64, dtype=x.dtype)
    return [
        x.sum(), x.exp(), x.view(1, -1).log_softmax(1), torch.dot(x, y), square @ other,
        torch.addmm(square, square, other, alpha=0.3), torch.linalg.svd(square)[1],
        torch.linalg.cholesky_ex(symmetric).L,
    ]  # fmt: skip


def _numbers(seed: int) -> torch.Tensor:
    """5,003 numbers between -1/2 and 1/2, exact in float64."""
    import torch

    return (torch.arange(1, 5004, dtype=torch.float64) * seed % 2**32) / 2**32 - 0.5
