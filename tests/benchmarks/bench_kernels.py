"""Processor nanoseconds for each number of a result, one thread, with compiled loops and without, from files to blocks.

    python tests/benchmarks/bench_kernels.py [--rows 4096] [--columns 11008] [--repeat 5] [METHOD ...]

Reading from the page cache, scanning, mixing and rounding are counted; checks, checksums and writing are not. Processor
time of the thread is measured, which other programs disturb less than the clock on the wall. The least of a few rounds counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

METHODS = [
    "linear two", "linear", "slerp", "task_arithmetic", "ties two", "ties", "dare_linear", "dare_ties", "dare_ties odd",
    "breadcrumbs", "breadcrumbs_ties", "della", "sce", "ram", "ramplus_tl", "model_stock", "model_stock rows",
    "nuslerp rows", "nearswap", "consensus",
]  # fmt: skip
MORE = {
    "linear two": (["a", "b"], {"weight": 0.5}),
    "ties two": (["base", "a", "b"], {"weight": 0.5, "density": 0.5}),
    "dare_ties odd": (["base", "a", "b", "c"], {"weight": 0.5, "density": 0.37}),
}


@contextmanager
def kernels(chosen: str) -> Iterator[None]:
    """Switch compiled loops on (1) or off (0)."""
    from nbmerge import kernels as loops

    os.environ["NBMERGE_KERNELS"] = chosen
    loops.request(0.0)
    yield


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=11008)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    from tests.benchmarks.bench_methods import CASES, our_seconds, write_inputs

    count = options.rows * options.columns
    with tempfile.TemporaryDirectory() as folder:
        file = write_inputs(Path(folder) / "inputs.safetensors", (options.rows, options.columns))
        print(
            f"{options.rows} × {options.columns} bfloat16, one thread, processor ns a number, least of {options.repeat}"
        )
        print(f"{'method':18} {'torch':>8} {'loops':>8} {'ratio':>7}")
        for name in options.methods or METHODS:
            inputs, parameters = (CASES | MORE)[name]
            least = {"0": float("inf"), "1": float("inf")}
            for _ in range(options.repeat):
                for chosen in least:
                    with kernels(chosen):
                        seconds = our_seconds(file, name, inputs, parameters, processor=True)
                    least[chosen] = min(least[chosen], 1e9 * seconds / count)
            off, on = least.values()
            print(f"{name:18} {off:8.2f} {on:8.2f} {on / off:7.2f}", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
