"""The definitions, written out in float64 on whole tensors."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.models import Family, read_tensors


def sums(merged: torch.Tensor, parent: torch.Tensor) -> list[float]:
    """‖M‖², ⟨M, P⟩, ‖P‖², ‖M − P‖²."""
    m, p = merged.double().flatten(), parent.double().flatten()
    return [float(m @ m), float(m @ p), float(p @ p), float((m - p) @ (m - p))]


def distance(merged: torch.Tensor, parent: torch.Tensor) -> float:
    return float((merged.double() - parent.double()).norm() / parent.double().norm())


def cosine(merged: torch.Tensor, parent: torch.Tensor) -> float:
    m, p = merged.double().flatten(), parent.double().flatten()
    return float(m @ p / (m.norm() * p.norm()))


def joined(folder: Path, *texts: str) -> torch.Tensor:
    """All tensors whose name holds all of these texts, as one vector."""
    tensors = read_tensors(folder)
    return torch.cat([tensors[n].double().flatten() for n in sorted(tensors) if all(t in n for t in texts)])


def recipes(family: Family) -> dict[str, dict]:
    """Recipes of every kind over a family of 3 layers."""
    base, ft1, ft2 = map(str, (family.base, family.ft1, family.ft2))
    both = [{"model": ft1, "parameters": {"weight": [0, 0.5, 1]}}, {"model": ft2, "parameters": {"weight": 0.3}}]
    third = {"model": base, "parameters": {"weight": 0.2}}
    filtered = [{"filter": "mlp", "value": [1.0, 0.0]}, {"filter": "self_attn", "value": 0.25}, {"value": 0.5}]
    return {
        "linear": {"merge_method": "linear", "models": both},
        "linear with base": {"merge_method": "linear", "models": [third, *both]},
        "linear of one": {"merge_method": "linear", "models": [{"model": ft2, "parameters": {"weight": 1}}]},
        "not normalised": {"merge_method": "linear", "models": both, "parameters": {"normalize": False}},
        "slerp": {"merge_method": "slerp", "models": [base, ft1], "base_model": base, "parameters": {"t": filtered}},
        "slerp of experts": {"merge_method": "slerp", "models": [ft2, ft1], "parameters": {"t": [0, 0.4, 1]}},
        "task arithmetic": {"merge_method": "task_arithmetic", "base_model": base, "models": both},
        "in reverse": {
            "merge_method": "task_arithmetic", "base_model": ft2, "parameters": {"weight": filtered, "lambda": 1.5},
            "models": [{"model": ft1}, {"model": base}],
        },
        "half": {"merge_method": "task_arithmetic", "base_model": base, "models": both, "dtype": "bfloat16"},
        "donors": {"merge_method": "linear", "models": both, "embedding_source": base, "lm_head_source": ft1},
        "stack": {
            "merge_method": "passthrough",
            "slices": [
                {"sources": [{"model": ft1, "layer_range": [0, 2]}]},
                {"sources": [{"model": ft2, "layer_range": [1, 3], "parameters": {"scale": [0.5, 1.0]}}]},
            ],
        },
    }  # fmt: skip


def elementwise(family: Family) -> dict[str, dict]:
    """Recipes whose result is no weighted sum."""
    models = [{"model": str(m), "parameters": {"weight": w}} for m, w in ((family.ft1, [0.2, 1.0]), (family.ft2, 0.6))]
    common = {"base_model": str(family.base), "models": models, "parameters": {"density": 0.4}}
    return {m: {"merge_method": m, **common} for m in ("ties", "dare_linear", "dare_ties")}
