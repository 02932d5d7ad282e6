from __future__ import annotations

import numpy as np
import pytest

from nbmerge.tokenizers.alignment import default, extended, filled, only, places, weighted_owners
from nbmerge.tokenizers.document import Document
from nbmerge.tokenizers.table import MEAN


def vocabulary(ids: dict[str, int]) -> Document:
    return Document({"model": {"type": "WordLevel", "vocab": ids}})


A, B = vocabulary({"x": 0, "y": 1, "z": 5}), vocabulary({"y": 0, "w": 1})
RESULT = vocabulary({"x": 0, "y": 1, "w": 2, "z": 4})


def place():
    return np.stack([places(RESULT, 5, A, 4), places(RESULT, 5, B, 2)])


def test_places_are_rows_of_tokens_and_tokens_beyond_the_rows_have_none():
    assert place().tolist() == [[0, 1, -1, -1, -1], [-1, 0, 1, -1, -1]]


def test_numbers_without_a_token_keep_their_row_in_the_model_that_numbers_alike():
    gap = vocabulary({"x": 0, "y": 2})
    assert places(gap, 5, gap, 9).tolist() == [0, 1, 2, -1, -1]


@pytest.mark.parametrize(
    ("base", "wanted"), [(None, [[1, 0.5, 0, 0, 0], [0, 0.5, 1, 0, 0]]), (1, [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0]])]
)
def test_a_missing_row_comes_from_the_owner_the_base_or_the_mean(base, wanted):
    assert default(place(), base).tolist() == wanted


def test_own_rows_stay_and_lacking_ones_are_filled():
    table = filled(place(), 1, default(place(), None), {})
    assert [table.entries(i) for i in range(5)] == [
        [(0, 0, 1.0)],
        [(1, 0, 1.0)],
        [(1, 1, 1.0)],
        [(1, MEAN, 1.0)],
        [(1, MEAN, 1.0)],
    ]


def test_a_rule_stands_in_where_a_model_lacks_a_token_and_everywhere_when_forced():
    rule = {1: [(0, 3, 1.0)], 0: []}
    assert filled(place(), 1, default(place(), None), rule).entries(1) == [(1, 0, 1.0)]
    forced = filled(place(), 1, default(place(), None), rule, forced=[1])
    assert (forced.entries(1), forced.entries(0)) == ([(0, 3, 1.0)], [])


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [([0.3, 0.1], [[1, 0.75, 0], [0, 0.25, 1]]), ([0.0, 0.5], [[1, 0, 0], [0, 1, 1]]), ([1.0, -1.0], [[1, 0.5, 0], [0, 0.5, 1]]),
     ([None, 2.0], [[1, 0, 0], [0, 1, 1]])],
)  # fmt: skip
def test_shares_of_owners(weights, wanted):
    np.testing.assert_allclose(weighted_owners(place(), weights)[:, :3], wanted)


def test_only_one_models_rows():
    assert [only(place(), 0).entries(i) for i in range(3)] == [[(0, 0, 1.0)], [(0, 1, 1.0)], []]


class TestExtension:
    def test_edge_gradient_steps_strictly_between_the_edges(self):
        table = extended("edge-gradient", 2, 5, 5)
        assert table.entries(1) == [(0, 1, 1.0)]
        assert table.entries(2) == [(0, 1, 0.75), (1, 4, 0.25)]
        assert table.entries(4) == [(0, 1, 0.25), (1, 4, 0.75)]

    @pytest.mark.parametrize(
        ("mode", "wanted"), [("zeros", []), ("copy", [(1, 2, 1.0)]), ("mean", [(0, MEAN, 1.0)])]
    )  # fmt: skip
    def test_the_other_modes(self, mode, wanted):
        assert extended(mode, 2, 5, 5).entries(2) == wanted

    def test_truncate_and_nothing_to_do(self):
        assert len(extended("truncate", 5, 2, 2)) == 2
        assert extended("edge-gradient", 3, 3, 3).identity
