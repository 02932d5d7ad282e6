"""Blind comparisons of two models."""

from __future__ import annotations

import json
import threading

import pytest

from nbmerge import BlindTest, Comparison, Sample, blind_test
from nbmerge.errors import ArgumentError


def comparison(count: int = 8) -> Comparison:
    prompts = tuple(f"p{i}" for i in range(count))
    rows = {name: tuple(Sample(p, f"{name}{p}", (), 0.0) for p in prompts) for name in ("one", "two")}
    return Comparison(prompts, rows)


def prefer(test: BlindTest, name: str, number: int) -> None:
    """Vote as somebody who likes one model."""
    test.vote("left" if test.pairs[number].left.startswith(name) else "right")


def test_order_is_random_by_seed_and_votes_count_for_the_model():
    test = BlindTest(comparison(), seed=1)
    sides = [pair.left[:3] for pair in test.pairs]
    assert set(sides) == {"one", "two"}
    assert sides == [pair.left[:3] for pair in BlindTest(comparison(), seed=1).pairs]
    assert any(sides != [p.left[:3] for p in BlindTest(comparison(), seed=s).pairs] for s in (2, 3))
    for number in range(6):
        prefer(test, "two", number)
    test.vote("tie")
    assert (test.result.wins, test.result.ties, test.result.open) == ({"one": 0, "two": 6}, 1, 1)
    assert test.result.p_value == pytest.approx(2 / 2**6)
    assert test.next == 7


def test_equal_texts_are_a_tie_without_a_vote():
    same = {name: (Sample("p", "same", (), 0.0),) for name in ("one", "two")}
    test = BlindTest(Comparison(("p",), same))
    assert test.next is None
    assert test.result.ties == 1
    assert test.result.p_value == 1.0
    with pytest.raises(ArgumentError, match="All pairs have votes"):
        test.vote("left")


def test_it_goes_on_later_where_it_was_left():
    test = BlindTest(comparison(), seed=5)
    prefer(test, "one", 0)
    again = BlindTest.from_json(test.to_json())
    assert again.pairs == test.pairs
    assert again.next == 1
    assert again.result == test.result
    for change in ({"votes": ["left"]}, {"votes": ["up"] * 8}, {"extra": 1}, {"texts": {"one": []}}):
        with pytest.raises(ArgumentError):
            BlindTest.from_json(json.dumps(json.loads(test.to_json()) | change))
    with pytest.raises(ArgumentError):
        BlindTest.from_json("no json")


def test_names_are_not_shown_before_the_end():
    hostile = "<script>alert(1)</script>"
    rows = {name: (Sample(hostile, f"{hostile}{n}", (), 0.0),) for n, name in enumerate(("secret-a", "secret-b"))}
    test = BlindTest(Comparison((hostile,), rows))
    assert "secret" not in test._repr_html_()
    assert "<script" not in test._repr_html_()
    test.vote("left")
    assert "secret-a" in test._repr_html_()


def test_models_are_sampled_alike_and_a_stop_keeps_whole_pairs(family):
    models = {"base": family.base, "tuned": family.ft1}
    test = blind_test(models, ["ab", "cd"], max_new_tokens=3, seed=2, temperature=1.0)
    assert {s.prompt for s in test.comparison.samples["base"]} == {"ab", "cd"}
    stop = threading.Event()
    stop.set()
    with pytest.raises(ArgumentError, match="at least one prompt"):
        blind_test(models, "ab", cancel=stop)
    with pytest.raises(ArgumentError, match="two models, not 1"):
        blind_test({"base": family.base}, "ab")
