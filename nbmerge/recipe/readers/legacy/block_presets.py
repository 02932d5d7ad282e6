"""The block weights that supermerger and bbc-mc's merge-block-weighted call by name, for the 25 blocks of SD 1 and 2.

The values are those of the tables that both programs ship, rounded to ten digits: ``csv/preset.tsv`` of
bbc-mc/sdweb-merge-block-weighted-gui (commit 906125e) and ``scripts/mbwpresets.txt`` of hako-mikan/sd-webui-supermerger (commit
7863394), which agree with each other and with ``csv/preset.tsv`` of Rasgeath/sd-webui-runtime-block-merge (commit 46e7172).
supermerger's table has a 26th number in front, BASE, which is 0 in all rows but ALL_B. Most rows follow a formula, which stands
here in their place.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator

BLOCKS = 25
"""IN00 to IN11, M00, OUT00 to OUT11."""
RANDOM = ("ALL_R", "ALL_U", "ALL_X")
"""Names of rows that supermerger draws anew for each merge."""
Values = tuple[float, ...]

_ALIASES = {"NORMAL_SIGMOID": "SMOOTHSTEP", "REVERSE_SIGMOID": "REVERSE_SMOOTHSTEP"}
"""Names in earlier versions of bbc-mc's table."""
_TRUE = (
    0, 0.1990318769, 0.3257619599, 0.4246419271, 0.4984567901, 0.5499915606, 0.58203125, 0.59736087, 0.5987654321, 0.5890299479,
    0.570939429, 0.547278887, 0.5208333333, 0.4943877797, 0.4707272377, 0.4526367188, 0.4429012346, 0.4443057967, 0.4596354167,
    0.4916751061, 0.5432098765, 0.6170247396, 0.7159047068, 0.8426347897, 1,
)  # fmt: skip
_FAKE = (
    0, 0.157576196, 0.2849151235, 0.384765625, 0.4598765432, 0.5129967207, 0.546875, 0.5642602238, 0.5679012346, 0.560546875,
    0.5449459877, 0.5238474151, 0.5, 0.4761525849, 0.4550540123, 0.439453125, 0.4320987654, 0.4357397762, 0.453125, 0.4870032793,
    0.5401234568, 0.615234375, 0.7150848765, 0.842423804, 1,
)  # fmt: skip


def find_preset(name: str) -> Values | None:
    """The shares of the second model that a name stands for, for blocks IN00 to OUT11; None for any other name.

    Spellings of other versions are known as well: ``REVERSE-SMOOTHSTEP``, ``SMOOTHSTEPx2``, ``SMOOTHSTEP2``.
    """
    key = re.sub(r"(SMOOTHSTEP)[X*]?(?=[234]$)", r"\1*", name.strip().upper().replace("-", "_"))
    return BLOCK_PRESETS.get(_ALIASES.get(key, key))


def suggest_preset(name: str) -> str:
    """'Did you mean ...?' for a misspelt name; empty where none is close."""
    close = difflib.get_close_matches(name[:60].upper(), BLOCK_PRESETS, n=1, cutoff=0.75)
    return f"Did you mean '{close[0]}'?" if close else ""


def _rows() -> Iterator[tuple[str, Values]]:
    yield "GRAD_V", _sample(lambda x: abs(1 - 2 * x))
    yield "GRAD_A", _sample(lambda x: 1 - abs(1 - 2 * x))
    yield "FLAT_25", (0.25,) * BLOCKS
    yield "FLAT_75", (0.75,) * BLOCKS
    yield from ((f"WRAP{2 * n:02d}", _runs((n, 1), (BLOCKS - 2 * n, 0), (n, 1))) for n in (4, 6, 7, 8))
    yield "MID12_50", _runs((5, 0), (14, 0.5), (6, 0))
    yield "OUT07", _runs((18, 0), (7, 1))
    yield "OUT12", _runs((13, 0), (12, 1))
    yield "OUT12_5", _runs((12, 0), (1, 0.5), (12, 1))
    soft = ((1, 0.5), (3, 1), (1, 0.5))
    yield "RING08_SOFT", _runs((5, 0), *soft, (5, 0), *soft, (5, 0))
    yield "RING08_5", _runs((6, 0), (4, 1), (5, 0), (4, 1), (6, 0))
    yield "RING10_5", _runs((5, 0), (5, 1), (5, 0), (5, 1), (5, 0))
    yield "RING10_3", _runs((6, 0), (5, 1), (3, 0), (5, 1), (6, 0))
    yield from _pair("SMOOTHSTEP", "REVERSE_SMOOTHSTEP", _sample(_smooth))
    for n in (2, 3, 4):
        yield from _pair(f"SMOOTHSTEP*{n}", f"R_SMOOTHSTEP*{n}", _sample(_smooth, higher=n))
    for n in (2, 3, 4):
        yield from _pair(f"SMOOTHSTEP/{n}", f"R_SMOOTHSTEP/{n}", _sample(_smooth, faster=n))
    yield from _pair("COSINE", "REVERSE_COSINE", _sample(lambda x: (1 + math.cos(math.pi * x)) / 2))
    yield from _pair("TRUE_CUBIC_HERMITE", "TRUE_REVERSE_CUBIC_HERMITE", _TRUE)
    yield from _pair("FAKE_CUBIC_HERMITE", "FAKE_REVERSE_CUBIC_HERMITE", _FAKE)
    yield "ALL_A", (0.0,) * BLOCKS
    yield "ALL_B", (1.0,) * BLOCKS


def _pair(name: str, reverse: str, values: Values) -> Iterator[tuple[str, Values]]:
    """A row, and the row with the shares of the two models exchanged."""
    yield name, values
    yield reverse, tuple(round(1 - v, 10) for v in values)


def _sample(shape: Callable[[float], float], faster: int = 1, higher: int = 1) -> Values:
    """A shape at each block; run through several times, or so high that it is mirrored at 1 and 0."""
    places = (i / (BLOCKS - 1) for i in range(BLOCKS))
    return tuple(round(_fold(higher * shape(_fold(faster * x))), 10) for x in places)


def _runs(*runs: tuple[int, float]) -> Values:
    return tuple(float(value) for count, value in runs for _ in range(count))


def _smooth(x: float) -> float:
    return x * x * (3 - 2 * x)


def _fold(x: float) -> float:
    """The value with every other unit mirrored: up from 0 to 1, down to 0, up again."""
    rest = x % 2
    return min(rest, 2 - rest)


BLOCK_PRESETS: dict[str, Values] = dict(_rows())
"""Every row by its name."""
