"""Numbers that the script of pages must compute, as Python computes them: ``python -m tests.pages.vectors`` writes them.

They are read by js/test/page/vectors.test.ts.
"""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nbmerge.curves import PRESETS
from nbmerge.curves.forms import find_form
from nbmerge.methods import Values, methods
from nbmerge.pages.places import plain_value
from nbmerge.recipe import Rule
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.setting import position

FILE = Path(__file__).parents[2] / "js" / "test" / "page" / "vectors.json"
RULES = (
    0.3, (0.0, 1.0), (0.1, 0.7, 0.2), (0.25, 0.25), (1.0, 0.0, 0.3, 0.9, 0.4),
    LayerValues(((0.0, 0.2), (3.0, 0.9))), LayerValues(((1.5, 0.4), (2.0, 0.4), (6.0, -0.3))), LayerValues(((4.0, 0.1),)),
)  # fmt: skip
TEXTS = (
    "plain", "true", "No", "0x10", "12", "1e5", ".5", "~", "", " lead", "a: b", "# no", "- x", "it's", 'say "x"', "a\nb", "über",
    "models/base", "./base", "../base", "C:\\base", "org/model@main", "\u2028", "\x85", "{a}", "null", "2024-01-01",
)  # fmt: skip


def make_vectors() -> dict[str, Any]:
    """All of them, as plain data."""
    return {
        "values": list(_values()), "forms": list(_forms()), "shapes": list(_shapes()),
        "coefficients": list(_coefficients()),
    }  # fmt: skip


def _values():
    for value, depth in product(RULES, (1, 2, 5, 8)):
        rule = Rule(value)
        expected = [rule.at(position(i, depth), depth) for i in range(depth)]
        yield {"value": plain_value(rule), "depth": depth, "expected": expected}


def _forms():
    dice = random.Random(7)
    for depth in (1, 4, 9, 16):
        lists = [
            [0.5] * depth,
            [round(i / depth, 3) for i in range(depth)],
            [float(i > depth / 2) for i in range(depth)],
        ]
        lists += [[round(dice.random(), 2) for _ in range(depth)] for _ in range(2)]
        for values, mappings in product(lists, (True, False)):
            targets = {i: v for i, v in enumerate(values) if depth < 8 or i not in (2, 5)}
            form = find_form(targets, depth, mappings)
            yield {
                "targets": list(targets.items()),
                "depth": depth,
                "mappings": mappings,
                "expected": plain_value(Rule(form)),
            }


def _shapes():
    for preset, depth in product(PRESETS.values(), (1, 2, 3, 8, 32)):
        yield {"points": preset.points, "depth": depth, "expected": [[k.layer, k.value] for k in preset.knots(depth)]}


def _coefficients():
    rng = np.random.default_rng(3)
    gram = rng.normal(size=(3, 4))
    for scale in (1.0, 0.01):  # far apart, and as near as fine-tunes are
        vectors = gram * np.array([[1.0], [scale], [scale]])
        products = vectors @ vectors.T
        two, three = products[:2, :2], products
        for weights in ((0.3, 0.9), (1.0, 0.0), (-0.5, 1.2)):
            for flag in (True, False):
                yield _case("linear", {"weight": weights}, {"normalize": flag}, two)
                shared = {"normalize": flag, "lambda": 0.7}
                yield _case("task_arithmetic", {"weight": (None, *weights)}, shared, three)
            shared = {"normalize": False, "alpha": 0.2, "beta": 0.8}
            yield _case("lines", {"weight": (None, *weights)}, shared, three, at=0.4)
            shared = {"nuslerp_flatten": True, "nuslerp_row_wise": False}
            yield _case("nuslerp", {"weight": weights}, shared, two)
            yield _case("nuslerp", {"weight": (None, *weights)}, shared, three)
            for flag in (True, False):
                yield _case("multislerp", {"weight": (*weights, 0.4)}, {"normalize_weights": flag}, three)
                yield _case("multislerp", {"weight": (None, *weights)}, {"normalize_weights": flag}, three)
        for t in (0.0, 0.25, 1.0):
            yield _case("slerp", {}, {"t": t, "zero_tensors": "keep_other"}, two)
    yield _case("slerp", {}, {"t": 0.25, "zero_tensors": "keep_other"}, np.array([[2.0, -2.0], [-2.0, 2.0]]))
    yield _case("slerp", {}, {"t": 0.25, "zero_tensors": "formula"}, np.array([[2.0, -2.0], [-2.0, 2.0]]))
    yield _case(
        "multislerp", {"weight": (1.0, 1.0)}, {"normalize_weights": False}, np.array([[2.0, -4.0], [-4.0, 8.0]])
    )
    yield _case("passthrough", {"scale": (0.8,)}, {}, two[:1, :1])


def _case(name: str, each: dict[str, Any], shared: dict[str, Any], gram: np.ndarray, at: float = 0.0) -> dict[str, Any]:
    values = Values(shared, each, position=at)
    return {
        "method": name, "each": each, "shared": shared, "position": at, "gram": gram.tolist(),
        "based": any(row[0] is None for row in each.values()),
        "expected": list(methods()[name].coefficients(values, gram)),
    }  # fmt: skip


def list_recipes() -> list[dict[str, Any]]:
    """Data that YAML must say; yaml.json has what the script writes for each."""
    models = [{"model": text, "parameters": {"weight": [0, 0.5]}} for text in TEXTS]
    return [
        {"merge_method": "linear", "models": models},
        {"parameters": {"t": {"0": 0.2, "8-15": 0.5, "31": 1e-7}, "normalize": True, "x": None, "y": [], "z": {}}},
        {"slices": [{"sources": [{"model": "a", "layer_range": [0, 4]}]}, {"sources": [{"model": "b"}]}]},
        {"weight": [{"filter": "mlp", "value": 0.3}, {"value": [0, 1]}], "nested": [[1, 2], ["a"]]},
    ]


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_vectors(), indent=1) + "\n", encoding="utf-8")
