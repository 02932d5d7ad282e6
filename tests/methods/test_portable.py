"""The bytes of a merge do not depend on the processor: the same with other instructions, which a process can be denied."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file

from nbmerge.methods import Elementwise, methods

RESTRICTED = (
    {"ATEN_CPU_CAPABILITY": "default"},
    {"ATEN_CPU_CAPABILITY": "avx2"},
    {"MKL_CBWR": "COMPATIBLE", "OPENBLAS_CORETYPE": "Nehalem", "ONEDNN_MAX_CPU_ISA": "SSE41"},
)
"""torch without fused instructions, as before 2013; without AVX-512; MKL, OpenBLAS and oneDNN as on a processor of another maker."""

COMPILED = (
    {"NBMERGE_KERNELS": "1"},
    {"NBMERGE_KERNELS": "1", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "ATEN_CPU_CAPABILITY": "default"},
)
"""Compiled loops, for this processor and for one without vectors and fused instructions."""

CASES = {
    "linear": [{"weight": 0.3}, {"weight": [0.3, 0.5, 0.9, 0.2], "normalize": False}],
    "slerp": [{"t": 0.3}, {"t": 0.8}],
    "nuslerp": [
        {"weight": [0.3, 0.5]},
        {"weight": [0.3, 0.5], "nuslerp_flatten": False},
        {"weight": [0.3, 0.5], "nuslerp_flatten": False, "nuslerp_row_wise": True},
    ],
    "model_stock": [{}, {"filter_wise": True}],
    "dare_linear": [{"weight": 0.3, "density": 0.4, "rescale": "l1", "lambda": 0.7}],
    "della": [{"weight": 0.3, "density": 0.4, "rescale": "l1", "lambda": 0.7}],
    "nearswap": [{"t": 0.001}],
}
"""Parameters that are not round; other methods take `COMMON`."""
COMMON = {"weight": 0.3, "density": 0.4, "lambda": 0.7, "select_topk": 0.6, "gamma": 0.05}
PAIRS = ("slerp", "nearswap")

CODE = """
import hashlib, json, sys
import torch
from safetensors.torch import load_file
from nbmerge.kernels import find_loops, request
from tests.methods.apply import merged
torch.set_num_threads(1)
request(0.0)  # compiled loops only if the environment says so
print(find_loops() is not None)
tensors = list(load_file(sys.argv[1]).values())
for name, count, parameters, dtype in json.load(sys.stdin):
    inputs = [t.to(getattr(torch, dtype)) for t in tensors[:count]]
    bits = merged(name, inputs, parameters).contiguous().view(torch.uint8).numpy().tobytes()
    print(name, parameters, dtype, hashlib.sha256(bits).hexdigest())
"""


def is_portable(name: str) -> bool:
    method = methods()[name]
    return not isinstance(method, Elementwise) or method.portable


def cases() -> list[tuple[str, int, dict, str]]:
    found = []
    for name, method in methods().items():
        known = {p.name for p in method.parameters}
        count = 2 if name in PAIRS else 3 if method.inputs[1] == 2 else 4
        count = 1 if name == "passthrough" else min(count, 2 + (method.inputs[1] or 9) - 1)
        for parameters in CASES.get(name, [{k: v for k, v in COMMON.items() if k in known}]):
            found += [(name, count, parameters, dtype) for dtype in ("bfloat16", "float16", "float32")]
    return [case for case in found if is_portable(case[0])]


def test_what_depends_on_libraries_is_declared():
    assert {name for name in methods() if not is_portable(name)} == {
        "arcee_fusion",
        "fisher",
        "iso_c",
        "regmean",
        "tsv_m",
        "wudi",
    }


@pytest.mark.slow
def test_other_instructions_give_the_same_bytes(tmp_path, monkeypatch):
    g = torch.Generator().manual_seed(0)
    base = 0.02 * torch.randn(190, 1451, generator=g)  # more than one block, and no multiple of a vector's length
    tuned = [base + 1e-3 * torch.randn(base.shape, generator=g) for _ in range(3)]
    save_file({str(i): t for i, t in enumerate([base, *tuned])}, tmp_path / "inputs.safetensors")

    def run(variables: dict[str, str]) -> list[str]:
        command = [sys.executable, "-c", CODE, str(tmp_path / "inputs.safetensors")]
        done = subprocess.run(
            command,
            input=json.dumps(cases()),
            env=os.environ | variables,
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.splitlines()

    monkeypatch.setenv("NBMERGE_KERNELS", "0")
    found, *here = run({})
    assert (found, len(here)) == ("False", len(cases()))
    for variables in RESTRICTED:
        assert run(variables)[1:] == here, variables
    if find_spec("numba"):
        for variables in COMPILED:
            assert run(variables) == ["True", *here], variables
