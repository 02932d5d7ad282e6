"""What decides how this process rounds: versions, and which instructions torch and its libraries use on this processor.

The same sum of products comes out differently in its last place where a processor adds in another order or fuses a product
with a sum. torch chooses its kernels by what the processor can do (``ATEN_CPU_CAPABILITY`` forbids some), and so does MKL
beneath it, which the methods with decompositions use (``MKL_ENABLE_INSTRUCTIONS``, ``MKL_CBWR``). MKL does not say what it
chose. So a few small products are computed, and a checksum of their results stands for what cannot be asked.
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
"""Under which checksum file and journal hold it."""


def arithmetic() -> dict[str, str]:
    """Versions of nbmerge and torch, the instructions that torch uses, and a checksum of results: where all are equal, so are bytes."""
    return {"nbmerge": __version__, "torch": _torch(), "processor": _processor(), "rounding": _rounding()}


def describe(record: Mapping[str, str]) -> str:
    """The same in a few words."""
    return ", ".join(f"{k} {v}" for k, v in record.items())


def difference(then: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """What differs between two, as ``then, now``; None where nothing does."""
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
    except PackageNotFoundError:  # built by hand
        import torch

        return torch.__version__.partition("+")[0]


def _processor() -> str:
    import torch  # plans and checks do without

    return torch.backends.cpu.get_cpu_capability()


@lru_cache(maxsize=1)
def _rounding() -> str:
    """Checksum over results of torch's kernels and of the libraries beneath it, computed as the workers compute: in one thread."""
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
    """Sums, fused sums, inner products, a product of matrices, and decompositions, over numbers that are the same everywhere."""
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
