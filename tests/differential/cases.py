"""What is computed by both programs: every method over shapes, dtypes, parameters and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch

from tests.methods.apply import family

SHAPES = ((1,), (7,), (64,), (1, 9), (9, 1), (5, 7), (33, 17), (64, 96))
LARGE = (530, 521)
"""More elements than one block holds, in rows that do not end where blocks do."""
DTYPES = ("float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True)
class Case:
    """One merge.

    Parameters
    ----------
    parameters : dict
        As both programs know them; a list has one value per merged input.
    ours : dict
        What ours needs besides, for the same meaning.
    """

    method: str
    shape: tuple[int, ...]
    dtype: str
    count: int
    parameters: dict[str, Any] = field(default_factory=dict)
    based: bool = True
    seed: int = 0
    ours: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """A name that says it all."""
        text = ",".join(f"{k}={v}" for k, v in self.parameters.items())
        shape = "x".join(map(str, self.shape))
        return f"{self.method}/{shape}/{self.dtype}/{self.count}{'+base' if self.based else ''}/{text}/{self.seed}"

    @property
    def computed_in(self) -> str:
        """dtype of mergekit's arithmetic: ours, but float64 where its float32 sums are the larger error.

        Over the large shape they put its own coefficients off by up to 2e-5 (multislerp).
        """
        return "float64" if self.dtype == "float64" or self.shape == LARGE else "float32"

    def tensors(self) -> list[torch.Tensor]:
        """The inputs, the base first where there is one."""
        made = family(self.shape, self.count, getattr(torch, self.dtype), seed=self.seed)
        return made if self.based else made[1:]


def settings(method: str) -> list[tuple[int, bool, dict[str, Any]]]:
    """(number of models, with a base, parameters) to try for a method whose result is not random."""
    three = [1.0, 0.3, 0.6]
    thin = [
        {"weight": three, "density": 0.5},
        {"weight": [0.5, 0.5, -0.2], "density": [0.2, 0.7, 1.0], "normalize": False},
        {"weight": three, "density": 0.3, "normalize": True, "lambda": 0.7},
    ]
    crumbs = [p | {"gamma": g} for p, g in zip(thin, (0.01, 0.1, 0.3), strict=True)]
    return {
        "linear": [
            (3, False, {"weight": three}),
            (3, False, {"weight": three, "normalize": False}),
            (1, False, {"weight": 1.0}),
        ],
        "slerp": [(1, True, {"t": t}) for t in (0.0, 0.2, 0.5, 1.0)],
        "nuslerp": [
            (2, based, {"weight": weight, "nuslerp_flatten": flat, "nuslerp_row_wise": rows})
            for based in (True, False)
            for weight, flat, rows in (
                ([0.3, 0.7], True, False),
                ([1, 0], True, False),
                ([2, 1], False, False),
                ([2, 1], False, True),
            )
        ],
        "multislerp": [
            (3, based, {"weight": three, "normalize_weights": n}) for based in (True, False) for n in (True, False)
        ],
        "karcher": [(n, False, {}) for n in (2, 3, 5)],
        "task_arithmetic": [
            (3, True, {"weight": three, "lambda": 0.8}),
            (2, True, {"weight": [0.5, -0.3], "normalize": True}),
        ],
        "ties": [*((3, True, p) for p in thin), (1, True, {"weight": 1.0, "density": 0.4})],
        "dare_linear": [(3, True, {"weight": three, "density": 1.0})],
        "dare_ties": [(3, True, {"weight": three, "density": 1.0}), (3, True, {"weight": three, "normalize": True})],
        "della": [(3, True, {"weight": three, "density": 1.0})],
        "della_linear": [(3, True, {"weight": three, "density": 1.0})],
        "breadcrumbs": [(3, True, p) for p in crumbs],
        "breadcrumbs_ties": [(3, True, p) for p in crumbs],
        "sce": [(n, True, {"select_topk": k}) for n in (2, 3) for k in (1.0, 0.5, 0.1)],
        "model_stock": [(n, True, {"filter_wise": f}) for n in (2, 3) for f in (False, True)],
        "nearswap": [(1, True, {"t": t}) for t in (0.0, 0.02, 0.1, 10.0)],
        "arcee_fusion": [(1, True, {})],
        "ram": [(3, True, {}), (3, True, {"epsilon": 0.1})],
        "ramplus_tl": [(3, True, {"epsilon": 0.1}), (2, True, {"epsilon": 0.05, "r": 0.5, "alpha": 3.0})],
        "passthrough": [(1, False, {}), (1, False, {"scale": 0.3})],
    }[method]


def exact(method: str) -> Iterator[Case]:
    """Cases in which both programs should say the same."""
    for shape, dtype, (count, based, parameters), seed in product(SHAPES, DTYPES, settings(method), (0, 1)):
        yield Case(method, shape, dtype, count, parameters, based, seed)
    for count, based, parameters in settings(method):
        yield Case(method, LARGE, "float32", count, parameters, based, seed=3)


def random(method: str) -> Iterator[Case]:
    """Cases that draw: compared by what a draw must keep."""
    normalize = {"normalize": False}
    for density, seed in product((0.3, 0.6), range(3)):
        parameters = {"weight": [1.0, 0.5], "density": density, **normalize}
        yield Case(method, (128, 96), "float32", 2, parameters, seed=seed, ours={"rescale": "l1"})
        yield Case(
            method,
            (128, 96),
            "float32",
            1,
            {"weight": 1.0, "density": density, **normalize},
            seed=seed,
            ours={"rescale": "l1"},
        )


@dataclass(frozen=True)
class Edge:
    """A corner in which we differ on purpose."""

    method: str
    tensors: tuple[torch.Tensor, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    based: bool = True
    native: bool = False


def edges() -> dict[str, Edge]:
    """The corners, by name."""
    base, a, b, c = family((24, 16), 3)
    zero, short = torch.zeros_like(base), tuple(t.bfloat16() for t in (base, a, b, c))
    huge = torch.full((4, 3), 6e4, dtype=torch.float16)
    tiny = (zero, 5e-4 * a, 1e-4 * b)
    return {
        "della at the edge": Edge("della", (base, a), {"weight": 1.0, "density": 0.9}),
        "della on rows of one": Edge("della", (base[:, :1], a[:, :1]), {"weight": 1.0, "density": 0.5}),
        "multislerp of untouched": Edge("multislerp", (base, base, base, base), {"weight": 1.0}),
        "linear of nothing": Edge("linear", (a, b), {"weight": [1.0, -1.0]}, based=False),
        "nuslerp of nothing": Edge("nuslerp", (base, a, b), {"weight": [1.0, -1.0]}),
        "slerp with zero": Edge("slerp", (zero, a), {"t": 0.5}),
        "sce of small changes": Edge("sce", tiny),
        "model_stock apart": Edge("model_stock", (zero, a, 0.5 * b - a)),
        "breadcrumbs of one": Edge("breadcrumbs", (base[0, :1], a[0, :1]), {"weight": 1.0, "density": 0.5}),
        "karcher with tiny": Edge("karcher", (1e-7 * a, b), {}, based=False),
        "fusion in short floats": Edge("arcee_fusion", short[:2], native=True),
        "task arithmetic in float16": Edge("task_arithmetic", (-huge, huge, huge), {"weight": 0.4}, native=True),
    }


METHODS = (
    "linear", "slerp", "nuslerp", "multislerp", "karcher", "task_arithmetic", "ties", "dare_linear", "dare_ties",
    "della", "della_linear", "breadcrumbs", "breadcrumbs_ties", "sce", "model_stock", "nearswap", "arcee_fusion",
    "ram", "ramplus_tl", "passthrough",
)  # fmt: skip
RANDOM = ("dare_linear", "dare_ties", "della", "della_linear")
