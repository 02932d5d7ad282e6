"""A mixture as a file for mergekit-moe, and what that program does differently."""

from __future__ import annotations

from typing import Any

from nbmerge.problems import Problem, Severity, Where
from nbmerge.recipe.recipe import Recipe

ARCHITECTURES = {"qwen2_moe": "Qwen MoE", "qwen3_moe": "Qwen3 MoE"}
"""mergekit-moe's names of architectures, where they are others."""


def write_mixture(recipe: Recipe) -> tuple[dict[str, Any], list[Problem]]:
    """The file as plain data, and what is lost."""
    lost: list[Problem] = []

    def lose(severity: Severity, where: Where, what: str, how: str = "") -> None:
        lost.append(Problem(severity, where, what, how, recipe.line(where)))

    lose("info", ("merge_method",), "mergekit-yaml does not read mixtures.", "Run it with mergekit-moe.")
    if recipe.gate_mode in ("random", "uniform_random"):
        lose("error", ("gate_mode",), "mergekit-moe draws different random routers.")
    elif recipe.gate_mode != "cheap_embed":
        lose(
            "info",
            ("gate_mode",),
            "mergekit-moe evaluates the base model in bfloat16, so its routers are rounded differently.",
        )
    if recipe.gate_mode == "hidden_avg":
        lose("error", ("gate_mode",), "mergekit-moe counts padding into the mean over the tokens of a prompt.")
    for key in ("experts", "shared_experts"):
        for i, expert in enumerate(getattr(recipe, key) or ()):
            if expert.noise_scale:
                lose("error", (key, i, "noise_scale"), "mergekit-moe adds different noise.")
    data = recipe.plain()
    data["dtype"] = data.pop("out_dtype", None) or data.get("dtype")
    if recipe.architecture is not None:
        data["architecture"] = ARCHITECTURES.get(recipe.architecture, recipe.architecture)
    left_out = ("merge_method", "merges", "random_seed")
    return {k: v for k, v in data.items() if k not in left_out and v is not None}, lost
