"""The Tensors panel: every tensor of the result with its formula; one of them with its inputs and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.problems import place
from nbmerge.sizes import human
from nbmerge.widgets.controls.formula import typeset
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.formulas import write_formula
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.panels.tracks.panel import explain_emptiness

PAGE = 60
"""Tensors that are shown at first, and more at each request: a large model has thousands."""


class TensorsView(View):
    """The table of tensors."""

    script = "inspector"


class TensorsPanel(Panel):
    """What each tensor of the result is made from, and with which numbers.

    Attributes
    ----------
    filter : str
        Words that the names of the tensors shown contain.
    chosen : str
        Name of the tensor that is shown in full; empty for none.
    """

    title = "Tensors"

    def _build(self) -> list[ipywidgets.Widget]:
        self.filter, self.chosen, self._count = "", "", PAGE
        self.view = TensorsView(
            {"set_filter": self.set_filter, "choose": self.choose, "show_more": self.show_more}, self.errors
        )
        return [self.view]

    def set_filter(self, filter: str) -> None:
        """Show the tensors whose names contain all of these words."""
        self.filter, self._count = filter, PAGE
        self._refresh()

    def choose(self, tensor: str) -> None:
        """Show a tensor in full; the one that is shown is closed."""
        self.chosen = "" if tensor == self.chosen else tensor
        self._refresh()

    def show_more(self) -> None:
        """Show more of the tensors."""
        self._count += PAGE
        self._refresh()

    def _refresh(self) -> None:
        plan = self.state.plan
        matching = find_tensors(plan, self.filter) if plan is not None else []
        chosen = next((t for t in plan.tensors if t.name == self.chosen), None) if plan is not None else None
        self.view.show({
            "reason": "" if plan is not None else explain_emptiness(self.state),
            "filter": self.filter, "total": len(plan.tensors) if plan is not None else 0, "matching": len(matching),
            "rows": [list_row(plan, t) for t in matching[: self._count]] if plan is not None else [],
            "chosen": describe_tensor(plan, chosen) if plan is not None and chosen is not None else None,
        })  # fmt: skip


def find_tensors(plan: Plan, words: str) -> list[TensorPlan]:
    """The tensors whose names contain all words."""
    wanted = words.lower().split()
    return [t for t in plan.tensors if all(word in t.name.lower() for word in wanted)]


def list_row(plan: Plan, tensor: TensorPlan) -> dict[str, str]:
    """A tensor in one row."""
    return {
        "name": tensor.name, "shape": write_shape(tensor.shape), "dtype": tensor.dtype,
        "formula": write_formula(plan, tensor),
    }  # fmt: skip


def describe_tensor(plan: Plan, tensor: TensorPlan) -> dict[str, Any]:
    """All that the plan contains about a tensor: its formula, its inputs, and what decided its numbers."""
    formula, method = plan.formula(tensor.name), tensor.how
    layer = "outside the layers" if tensor.layer is None else f"layer {tensor.layer}"
    stack = f" of {tensor.stack}" if tensor.stack is not None else ""
    facts = [
        f"{layer}{stack}",
        tensor.kind,
        write_shape(tensor.shape),
        tensor.dtype,
        human(tensor.nbytes),
        method.title,
    ]
    parameters = list(tensor.values.each)
    return {
        "name": tensor.name, "facts": facts, "formula": formula.text, "mathml": typeset(formula.latex),
        "parameters": parameters, "inputs": [_describe_input(tensor, i, parameters) for i in range(len(tensor.inputs))],
        "shared": [[name, _write(value)] for name, value in tensor.values.shared.items() if value is not None],
        "decided": [[name, place(where)] for name, where in tensor.decided.items()],
    }  # fmt: skip


def _describe_input(tensor: TensorPlan, number: int, parameters: Sequence[str]) -> dict[str, Any]:
    source = tensor.inputs[number]
    stored = list(dict.fromkeys(leaf.name for leaf in source.leaves()))
    more = f" and {len(stored) - 1} more" if len(stored) > 1 else ""
    return {
        "model": tensor.models[number], "tensor": f"{stored[0]}{more}" if stored else "", "dtype": source.dtype,
        "shape": write_shape(source.shape),
        "values": [_write(tensor.values.each[name][number]) for name in parameters],
    }  # fmt: skip


def write_shape(shape: Sequence[int]) -> str:
    """A shape in words: "64 × 32"; "scalar" for a single number."""
    return " × ".join(f"{n:,}" for n in shape) or "scalar"


def _write(value: Any) -> str:
    """The value of a parameter; a dash for the base model, which has none."""
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
