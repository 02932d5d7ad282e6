"""Seconds of every method on one weight matrix, beside mergekit's `merge_tensors` on the same bytes in the same run.

    python tests/benchmarks/bench_methods.py [--rows 4096] [--columns 11008] [--repeat 3] [METHOD ...]

Ours reads the inputs from files (in the page cache) and hands the result on block by block; mergekit gets its inputs
in memory and computes in their dtype, as its users do. Both run on one thread. mergekit's Python is named by the
environment variable NBMERGE_MERGEKIT_PYTHON; without it only our times are shown. The best of a few repetitions counts;
the two take turns method by method, so that a busy machine is unfair to neither.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

THREE = ["base", "a", "b", "c"]
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "linear": (["a", "b", "c"], {"weight": 0.5}),
    "slerp": (["base", "a"], {"t": 0.4}),
    "nuslerp": (["base", "a", "b"], {"weight": 0.5}),
    "nuslerp rows": (["base", "a", "b"], {"weight": 0.5, "nuslerp_flatten": False}),
    "multislerp": (THREE, {"weight": 0.5}),
    "karcher": (["a", "b", "c"], {}),
    "task_arithmetic": (THREE, {"weight": 0.5}),
    "ties": (THREE, {"weight": 0.5, "density": 0.5}),
    "dare_linear": (THREE, {"weight": 0.5, "density": 0.5}),
    "dare_ties": (THREE, {"weight": 0.5, "density": 0.5}),
    "della": (THREE, {"weight": 0.5, "density": 0.5}),
    "della_linear": (THREE, {"weight": 0.5, "density": 0.5}),
    "breadcrumbs": (THREE, {"weight": 0.5, "density": 0.5}),
    "breadcrumbs_ties": (THREE, {"weight": 0.5, "density": 0.5}),
    "sce": (THREE, {"select_topk": 0.5}),
    "model_stock": (THREE, {}),
    "model_stock rows": (THREE, {"filter_wise": True}),
    "nearswap": (["base", "a"], {"t": 0.001}),
    "arcee_fusion": (["base", "a"], {}),
    "ram": (THREE, {}),
    "ramplus_tl": (THREE, {}),
    "passthrough": (["a"], {}),
    "lines": (THREE, {}),
    "consensus": (THREE, {}),
}
"""What is merged, the base first, and the parameters. Iso-C, TSV-M and WUDI take minutes here and run when named."""
SLOW = {name: (THREE, {}) for name in ("iso_c", "tsv_m", "wudi")}

THEIR_CODE = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import torch
from safetensors.torch import load_file
from mergekit.merge_methods.api import merge_tensors
torch.set_num_threads(1)
tensors = load_file(sys.argv[1])
for line in sys.stdin:
    case = json.loads(line)
    inputs = [tensors[n] for n in case["inputs"]]
    try:
        began = time.perf_counter()
        merge_tensors(inputs, case["method"], parameters=case["parameters"], base_index=case["base_index"])
        print(time.perf_counter() - began, flush=True)
    except Exception as error:
        print("-", type(error).__name__, flush=True)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=11008)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    cases = {n: (CASES | SLOW)[n] for n in options.methods or CASES}
    with tempfile.TemporaryDirectory() as folder:
        file = write_inputs(Path(folder) / "inputs.safetensors", (options.rows, options.columns))
        with their_program(file) as their:
            print(f"{options.rows} × {options.columns} bfloat16, one thread, best of {options.repeat}")
            print(f"{'method':18} {'nbmerge s':>10} {'mergekit s':>11} {'ratio':>7}")
            for name, (inputs, parameters) in cases.items():
                mine, theirs = [], []
                for _ in range(options.repeat):
                    mine.append(our_seconds(file, name, inputs, parameters))
                    theirs.append(their(name, inputs, parameters))
                show(name, min(mine), None if None in theirs else min(theirs))


def show(name: str, mine: float, theirs: float | None) -> None:
    """One line of the table."""
    other, ratio = ("-", "-") if theirs is None else (f"{theirs:.3f}", f"{mine / theirs:.2f}")
    print(f"{name:18} {mine:10.3f} {other:>11} {ratio:>7}", flush=True)


def write_inputs(file: Path, shape: tuple[int, int]) -> Path:
    """A base and three fine-tunes: small changes, some of them shared."""
    import torch
    from safetensors.torch import save_file

    g = torch.Generator().manual_seed(0)
    base, common = (torch.randn(shape, generator=g) for _ in range(2))
    tuned = {n: 0.02 * base + 1e-3 * (0.6 * common + 0.8 * torch.randn(shape, generator=g)) for n in "abc"}
    save_file({"base": (0.02 * base).bfloat16()} | {n: t.bfloat16() for n, t in tuned.items()}, file)
    return file


def our_seconds(file: Path, name: str, names: list[str], parameters: dict[str, Any], processor: bool = False) -> float:
    """Seconds from files to the last block of the result, of the clock on the wall or of the processor.

    With the clock on the wall, a tensor of the result is allocated and filled, as mergekit's is.
    """
    import torch

    from nbmerge.checkpoints.header import read_header
    from nbmerge.engine.compute.blocks import Blocks
    from nbmerge.engine.compute.input_files import InputFiles
    from nbmerge.engine.compute.malloc import keep_buffers
    from nbmerge.engine.compute.tensor import compute
    from nbmerge.engine.compute.workspace import Workspace
    from nbmerge.engine.planning.plans import TensorPlan
    from tests.methods.apply import has_base, values_of

    torch.set_num_threads(1)
    keep_buffers()  # as workers do
    method, stored = name.split()[0], read_header(file)[0]
    inputs = tuple(stored[n] for n in names)
    values = values_of(method, len(inputs), parameters, has_base(method, "base" in names), matrix=True)
    plan = TensorPlan("x", inputs[0].shape, "bfloat16", 0, "mlp", method, inputs, tuple(names), values)
    result = torch.empty(plan.count, dtype=torch.bfloat16)

    def emit(start: int, block: torch.Tensor) -> None:
        result[start : start + block.numel()] = block

    with InputFiles() as files, torch.no_grad():
        clock = time.thread_time if processor else time.perf_counter
        began = clock()
        compute(plan, Blocks(plan, Workspace(files)), (lambda start, block: None) if processor else emit)
        return clock() - began


@contextmanager
def their_program(file: Path) -> Iterator:
    """Gives a function that has mergekit merge in its own process and returns the seconds, or None."""
    python = os.environ.get("NBMERGE_MERGEKIT_PYTHON")
    if not python:
        yield lambda name, names, parameters: None
        return
    program = subprocess.Popen(
        [python, "-c", THEIR_CODE, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )

    def seconds(name: str, names: list[str], parameters: dict[str, Any]) -> float | None:
        case = {"method": name.split()[0], "inputs": names, "parameters": parameters}
        program.stdin.write(json.dumps(case | {"base_index": 0 if "base" in names else None}) + "\n")
        program.stdin.flush()
        answer = program.stdout.readline().split()
        return None if not answer or answer[0] == "-" else float(answer[0])

    try:
        yield seconds
    finally:
        program.stdin.close()
        program.wait()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
