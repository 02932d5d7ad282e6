"""How this process rounds: versions, and the instructions that torch and its libraries use on this processor.

The last digit of a sum of products depends on the order of additions and on fused instructions. torch chooses its kernels by
the features of the processor (``ATEN_CPU_CAPABILITY`` restricts them), and so does MKL, which methods with decompositions use
(``MKL_ENABLE_INSTRUCTIONS``, ``MKL_CBWR``). MKL does not report its choice, so a checksum over the results of a few small
computations stands for it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from nbmerge import __version__

if TYPE_CHECKING:
    import torch

RECORD = "arithmetic"
"""Its key in the checksum file and in the journal."""


def arithmetic() -> dict[str, str]:
    """Versions of nbmerge and torch, the instructions that torch uses, and a checksum of results; if all are equal, so are bytes."""
    return {"nbmerge": __version__, "torch": _torch(), "processor": _processor(), "rounding": _rounding()}


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


@lru_cache(maxsize=1)
def _rounding() -> str:
    """Checksum over results of torch and the libraries that it uses, computed as in a worker: in one thread."""
    import torch

    found: list[str] = []

    def work() -> None:
        torch.set_num_threads(1)
        found.append(_probe())

    before = torch.get_num_threads()
    try:
        worker = threading.Thread(target=work, name="nbmerge-rounding")
        worker.start()
        worker.join()
    finally:
        torch.set_num_threads(before)
    return found[0]


def _probe() -> str:
    """Compute sums, fused sums, products and decompositions of the same numbers on every machine."""
    import torch

    digest = hashlib.sha256()
    for dtype in (torch.float32, torch.float64):
        x, y = (_numbers(seed).to(dtype) for seed in (2654435761, 2246822519))
        square, other = x[:4096].view(64, 64), y[:4096].view(64, 64)
        symmetric = square @ square.T + 64 * torch.eye(64, dtype=dtype)
        results = [
            torch.add(x, y, alpha=0.3), torch.lerp(x, y, 0.3), torch.addcmul(x, x, y, value=0.7), x.sum(), x.var(),
            torch.linalg.vector_norm(x), torch.dot(x, y), square @ other, torch.addmm(square, square, other, alpha=0.3),
            torch.linalg.svd(square)[1], torch.linalg.cholesky_ex(symmetric).L,
        ]  # fmt: skip
        for result in results:
            digest.update(result.contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


def _numbers(seed: int) -> torch.Tensor:
    """5,003 numbers between -1/2 and 1/2, exact in float64."""
    import torch

    return (torch.arange(1, 5004, dtype=torch.float64) * seed % 2**32) / 2**32 - 0.5
