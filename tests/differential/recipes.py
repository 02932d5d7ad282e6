"""Recipes to be carried out by both programs: every method that both have, over gradients, filters, levels, slices."""

from __future__ import annotations

import random
from typing import Any

from tests.models import Family

FILTERS = (
    "mlp",
    "self_attn",
    "q_proj",
    "layernorm",
    "norm",
    "embed",
    "lm_head",
    "layers.1.",
    "layers.4",
    "down_proj",
    "*",
)
GLOBAL = {
    "linear": {"normalize": "flag"}, "slerp": {"t": "share"}, "nuslerp": {"nuslerp_flatten": "flag",
    "nuslerp_row_wise": "flag"}, "multislerp": {"normalize_weights": "flag"}, "karcher": {},
    "task_arithmetic": {"normalize": "flag", "lambda": "share"}, "ties": {"normalize": "flag", "lambda": "share"},
    "dare_linear": {"lambda": "share"}, "dare_ties": {"normalize": "flag"}, "della": {},
    "della_linear": {"normalize": "flag"}, "breadcrumbs": {"normalize": "flag"}, "breadcrumbs_ties": {},
    "sce": {"select_topk": "density"}, "model_stock": {"filter_wise": "flag"}, "nearswap": {"t": "small"},
    "arcee_fusion": {}, "passthrough": {}, "ram": {}, "ramplus_tl": {"r": "share", "alpha": "share"},
}  # fmt: skip
"""Each method's parameters of the whole merge, and the kind of their values."""
EACH = {
    "linear": {"weight": "weight"}, "nuslerp": {"weight": "weight"}, "multislerp": {"weight": "weight"},
    "passthrough": {"scale": "weight"},
    **{key: {"weight": "weight"} for key in ("task_arithmetic", "dare_linear", "dare_ties", "della", "della_linear")},
    "ties": {"weight": "weight", "density": "density"},
    "breadcrumbs": {"weight": "weight", "density": "density", "gamma": "small"},
    "breadcrumbs_ties": {"weight": "weight", "density": "density"},
}  # fmt: skip
"""Parameters of single models; densities stay at 1 where they would draw masks."""
BASED = (
    "task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs",
    "breadcrumbs_ties", "sce", "model_stock", "nearswap", "arcee_fusion", "ram", "ramplus_tl", "slerp",
)  # fmt: skip
TWO = ("slerp", "nearswap", "arcee_fusion")
RANGES = {"weight": (0.1, 1.2), "share": (0.05, 1.0), "density": (0.2, 1.0), "small": (0.01, 0.1)}


class Maker:
    """Makes recipes out of chance, always the same ones for a seed; `listed` names the base among the models."""

    def __init__(self, family: Family, seed: int, listed: bool = False):
        self.family = family
        self.listed = listed
        self.chance = random.Random(seed)

    def recipe(self, method: str) -> dict[str, Any]:
        """One recipe of a method."""
        chance = self.chance
        base, ft1, ft2 = str(self.family.base), str(self.family.ft1), str(self.family.ft2)
        tuned = [ft1, ft2] if method not in TWO else [chance.choice([ft1, ft2])]
        recipe: dict[str, Any] = {"merge_method": method, "dtype": chance.choice(["float32", None])}
        if method in BASED:
            recipe["base_model"] = base
        models = [*tuned, base] if method in ("linear", "karcher") else tuned
        if method in BASED and (chance.random() < 0.5 or self.listed):
            models = [base, *models]
        if method == "passthrough":
            models = [chance.choice([base, ft1, ft2])]
        levels = self._levels(method)
        recipe["parameters"] = levels["recipe"]
        if chance.random() < 0.5 and method != "passthrough":
            recipe["models"] = [{"model": m, "parameters": self._each(method)} for m in models]
        else:
            recipe["slices"] = [self._slice(method, models) for _ in range(chance.randint(1, 3))]
        return {k: v for k, v in recipe.items() if v}

    def _slice(self, method: str, models: list[str]) -> dict[str, Any]:
        chance = self.chance
        depth = chance.randint(1, 4)
        if method == "passthrough":
            models = [chance.choice([str(self.family.base), str(self.family.ft1)])]
        start = chance.randint(0, 6 - depth)
        # Layers of different depth are merged only where no base must be listed with its own.
        starts = [start if method in BASED else chance.randint(0, 6 - depth) for _ in models]
        sources = [
            {"model": m, "layer_range": [s, s + depth], "parameters": self._each(method)}
            for m, s in zip(models, starts, strict=True)
        ]
        piece = {"sources": sources}
        if chance.random() < 0.5:
            piece["parameters"] = self._levels(method)["slice"]
        return piece

    def _levels(self, method: str) -> dict[str, dict]:
        """What holds for the whole merge, always complete, and for a slice, which may fall through."""
        whole = {n: self._setting(kind, True) for n, kind in {**EACH.get(method, {}), **GLOBAL[method]}.items()}
        part = {n: self._setting(kind, False) for n, kind in {**EACH.get(method, {}), **GLOBAL[method]}.items()}
        return {"recipe": whole, "slice": part}

    def _each(self, method: str) -> dict[str, Any]:
        """What holds for one model; what is missing falls through to the whole recipe."""
        return {n: self._setting(kind, False) for n, kind in EACH.get(method, {}).items() if self.chance.random() < 0.7}

    def _setting(self, kind: str, complete: bool) -> Any:
        """A value, a gradient, or rules; rules with a catch-all where the setting must be complete."""
        chance = self.chance
        form = chance.choice(["value", "gradient", "rules"])
        if form != "rules":
            return self._value(kind, form == "gradient")
        rules = [
            {"filter": f, "value": self._value(kind, chance.random() < 0.5)}
            for f in chance.sample(FILTERS, chance.randint(1, 3))
        ]
        return (
            [*rules, {"value": self._value(kind, chance.random() < 0.5)}]
            if complete or chance.random() < 0.5
            else rules
        )

    def _value(self, kind: str, gradient: bool) -> Any:
        chance = self.chance
        if kind == "flag":
            return chance.random() < 0.5
        low, high = RANGES[kind]
        values = [round(chance.uniform(low, high), 3) for _ in range(chance.randint(2, 5) if gradient else 1)]
        return values if gradient else values[0]


def recipes(family: Family) -> dict[str, dict[str, Any]]:
    """Four of each method, and those of `with_layers`, by name."""
    made = {f"{m}-{i}": Maker(family, seed=100 * n + i).recipe(m) for n, m in enumerate(GLOBAL) for i in range(4)}
    return made | with_layers(family)


def with_layers(family: Family) -> dict[str, dict[str, Any]]:
    """Values at given layers, which mergekit gets as lists: over the whole depth, and over slices."""
    base, ft1, ft2 = (str(x) for x in (family.base, family.ft1, family.ft2))
    t = [{"filter": "mlp", "value": {"0-1": 0.1, 3.5: 0.9, 5: 0.3}}, {"value": {2: 0.2, 4: 0.7}}]
    whole = {"merge_method": "slerp", "base_model": base, "models": [base, ft1], "parameters": {"t": t}}
    slices = [
        {"sources": [{"model": m, "layer_range": [a, b], "parameters": {"weight": {0: w, 1: 0.2, b - a - 1: 0.9}}}
                     for m, w in ((ft1, 0.4), (ft2, 0.7))]}
        for a, b in ((0, 4), (3, 6))
    ]  # fmt: skip
    stacked = {"merge_method": "linear", "slices": slices, "base_model": base}
    return {name: {**data, "dtype": "float32"} for name, data in (("layers-slerp", whole), ("layers-linear", stacked))}


def as_people_write(family: Family) -> dict[str, dict[str, Any]]:
    """Two of each method that mergekit takes as they are, and one whose last slice has more models than the first."""
    made = {
        f"raw-{m}-{i}": Maker(family, 7000 + 10 * n + i, True).recipe(m) for n, m in enumerate(GLOBAL) for i in (0, 1)
    }
    base, ft1, ft2 = (str(x) for x in (family.base, family.ft1, family.ft2))

    def piece(first: int, *models: str) -> dict[str, Any]:
        return {"sources": [{"model": m, "layer_range": [first, first + 3]} for m in models]}

    slices = [piece(0, base, ft1), piece(3, base, ft1, ft2)]
    uneven = {"merge_method": "linear", "slices": slices, "parameters": {"weight": [0.2, 0.7]}, "dtype": "float32"}
    return {**made, "raw-uneven-0": uneven}
