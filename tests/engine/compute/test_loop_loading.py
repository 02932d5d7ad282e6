"""Compiled loops are loaded for work that they shorten, and forecasts count their memory."""

from __future__ import annotations

import pytest

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.compute import loop_loading
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.kernels import switch
from tests.methods.apply import values_of


def plan_of(method: str, inputs: int, count: int, tmp_path, **parameters) -> TensorPlan:
    stored = tuple(StoredTensor("x", "bfloat16", (count,), tmp_path / "x", 0) for _ in range(inputs))
    values = values_of(method, inputs, parameters, based=method != "linear")
    return TensorPlan("x", (count,), "bfloat16", 0, "rest", method, stored, tuple("abc")[:inputs], values)


@pytest.mark.parametrize(
    ("method", "billions", "is_worth_it"),
    [("ties", 1.1, True), ("ties", 0.1, False), ("linear", 1.1, False), ("linear", 70.0, True)],
)
def test_loops_are_loaded_for_work_that_they_shorten(monkeypatch, tmp_path, method, billions, is_worth_it):
    asked = []
    monkeypatch.setattr(loop_loading, "request", asked.append)
    plan = plan_of(method, 3, int(billions * 1e9), tmp_path, weight=0.5)
    loop_loading.load_loops([plan])
    loop_loading.load_loops([plan], times=10)
    assert (asked[0] >= 2) is is_worth_it
    assert asked[1] == pytest.approx(10 * asked[0])


def test_their_memory_is_counted_if_they_will_be_loaded(monkeypatch, tmp_path):
    monkeypatch.setattr(switch, "find_spec", lambda name: True)
    monkeypatch.setattr(switch._Switch, "loops", None)
    monkeypatch.setattr(switch._Switch, "missed_seconds", 0.0)
    monkeypatch.delenv(switch.VARIABLE, raising=False)
    small, large = (plan_of("ties", 3, count, tmp_path, weight=0.5) for count in (10**8, 10**9))
    assert loop_loading.estimate_loop_bytes([small]) == 0
    assert loop_loading.estimate_loop_bytes([large]) == loop_loading.MEMORY
    monkeypatch.setenv(switch.VARIABLE, "0")
    assert loop_loading.estimate_loop_bytes([large]) == 0
