"""The oracle: mergekit 0.1.5, run once as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.differential.cases import METHODS, RANDOM, Case, edges, exact, random

PYTHON = "NBMERGE_MERGEKIT_PYTHON"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"differential: compares with mergekit 0.1.5, whose Python is named by {PYTHON}")


@dataclass(frozen=True)
class Oracle:
    """What mergekit said."""

    results: dict[str, torch.Tensor]
    errors: dict[str, str]

    def of(self, case: Case) -> torch.Tensor | None:
        """Its result, None where it refused."""
        return self.results.get(case.id)


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """Every case, computed by mergekit in one process."""
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5 (pip install torch==2.13.0 mergekit==0.1.5)")
    folder = tmp_path_factory.mktemp("oracle")
    inputs, plain = {}, []
    for case in [c for m in METHODS for c in exact(m)] + [c for m in RANDOM for c in random(m)]:
        names = []
        for i, tensor in enumerate(case.tensors()):
            name = f"{case.shape}{case.dtype}{case.seed}{case.based}{i}"
            names.append(name)
            inputs.setdefault(name, tensor)
        plain.append(
            {"id": case.id, "method": case.method, "tensors": names, "parameters": case.parameters, "seed": case.seed,
             "base_index": 0 if case.based else None, "dtype": case.computed_in}
        )  # fmt: skip
    for name, edge in edges().items():
        names = [f"{name}{i}" for i in range(len(edge.tensors))]
        inputs |= dict(zip(names, edge.tensors, strict=True))
        plain.append(
            {"id": name, "method": edge.method, "tensors": names, "parameters": edge.parameters, "seed": 0,
             "base_index": 0 if edge.based else None, "dtype": None if edge.native else "float32"}
        )  # fmt: skip
    save_file({n: t.contiguous().clone() for n, t in inputs.items()}, folder / "inputs.safetensors")
    (folder / "cases.json").write_text(json.dumps(plain))
    script = Path(__file__).parent / "oracle.py"
    subprocess.run([python, str(script), str(folder)], check=True, capture_output=True, text=True, cwd=folder)
    return Oracle(load_file(folder / "outputs.safetensors"), json.loads((folder / "errors.json").read_text()))
