"""The formula of one output tensor with its parameter values, as text and as LaTeX.

For methods that are weighted sums, it has the coefficients after normalisation; for other methods, it is the method's
general formula followed by the values of its parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nbmerge.engine.planning.labels import number_repeats
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.methods import Combination


@dataclass(frozen=True)
class Formula:
    """How one tensor is computed.

    Parameters
    ----------
    text : str
        For reading in plain text.
    latex : str
        For reading in a notebook, without dollar signs.
    """

    text: str
    latex: str

    def __str__(self) -> str:
        return self.text

    def _repr_latex_(self) -> str:
        return f"${self.latex}$"


def formula(tensor: TensorPlan, gram: np.ndarray | None = None) -> Formula:
    """Write a tensor's formula with its numbers.

    Parameters
    ----------
    tensor : TensorPlan
        From ``plan[name]``.
    gram : array of float64, shape (n, n), optional
        Gram matrix over [W₀, W₁−W₀, …] (`nbmerge.engine.compute.blocks.Blocks.gram`). Where coefficients depend on the weights,
        as in a slerp, they are numbers with it and expressions without.

    Examples
    --------
    >>> print(formula(plan["model.layers.0.mlp.up_proj.weight"]))
    W = 0.25·base + 0.75·pirate
    """
    if words := next((i.words for i in tensor.inputs if hasattr(i, "words")), ""):  # a router
        return Formula(f"W = {words}", rf"W = \text{{{words}}}")
    method, names = tensor.how, number_repeats(tensor.models)
    if isinstance(method, Combination) and (gram is not None or not method.needs_gram):
        coefficients = [float(c) for c in method.coefficients(tensor.values, gram)]
        based = method.base == "required" or (
            method.base == "optional" and tensor.values.each.get("weight", (0,))[0] is None
        )
        return _based(coefficients, names) if based else _sum(coefficients, names)
    if method.name == "slerp":
        return _arc(float(tensor.values["t"]), names)
    return _with_values(tensor, names)


def _sum(coefficients: Sequence[float], names: Sequence[str]) -> Formula:
    """Σ cᵢWᵢ."""
    terms = [(c, n, _latex(n)) for c, n in zip(coefficients, names, strict=True)]
    return _joined(terms)


def _based(coefficients: Sequence[float], names: Sequence[str]) -> Formula:
    """B + Σ cᵢ(Wᵢ − B), the usual form of coefficients that sum to one."""
    base, *others = names
    if abs(sum(coefficients) - 1) > 1e-9:
        return _sum(coefficients, names)
    pairs = zip(coefficients[1:], others, strict=True)
    terms = [(c, f"({n} − {base})", rf"\left({_latex(n)} - {_latex(base)}\right)") for c, n in pairs]
    return _joined([(1.0, base, _latex(base)), *terms])


def _arc(t: float, names: Sequence[str]) -> Formula:
    """A slerp with an unknown angle."""
    a, b = names
    if t in (0.0, 1.0):
        return _sum([1 - t, t], names)
    first, second = _number(1 - t), _number(t)
    return Formula(
        f"W = sin({first}·θ)/sin(θ)·{a} + sin({second}·θ)/sin(θ)·{b}, θ the angle between {a} and {b}",
        rf"W = \frac{{\sin({first}\,\theta)}}{{\sin\theta}} {_latex(a)} "
        rf"+ \frac{{\sin({second}\,\theta)}}{{\sin\theta}} {_latex(b)},\quad \theta = \angle({_latex(a)}, {_latex(b)})",
    )


def _with_values(tensor: TensorPlan, names: Sequence[str]) -> Formula:
    """The method's general formula, and the values of its parameters."""
    values = [(k, v) for k, v in tensor.values.shared.items() if v is not None]
    for parameter, each in tensor.values.each.items():
        values += [(f"{parameter}[{n}]", v) for n, v in zip(names, each, strict=True) if v is not None]
    inputs = ", ".join(names)
    words = ", ".join(f"{k} = {_number(v)}" for k, v in values)
    latex = r",\ ".join(rf"{_latex(k)} = {_latex(_number(v))}" for k, v in values)
    return Formula(
        f"{tensor.how.title} of {inputs}" + (f" with {words}" if words else ""),
        tensor.how.formula + (rf"\quad\text{{with}}\quad {latex}" if latex else ""),
    )


def _joined(terms: Sequence[tuple[float, str, str]]) -> Formula:
    text, latex = "", ""
    for c, name, tex in terms:
        if c == 0:
            continue
        sign = (" − " if text else "−") if c < 0 else (" + " if text else "")
        size = "" if abs(c) == 1 else _number(abs(c))
        text += f"{sign}{size}·{name}" if size else f"{sign}{name}"
        latex += sign.replace("−", "-") + (rf"{size}\," if size else "") + tex
    return Formula(f"W = {text or '0'}", f"W = {latex or '0'}")


def _number(value: object) -> str:
    """A number with six digits; anything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.6g}" if math.isfinite(value) else str(value)


def _latex(name: str) -> str:
    """A model's or parameter's name as upright text."""
    escaped = re.sub(r"([\\{}_^%$#&~])", lambda m: rf"\{m[1]}" if m[1] not in "\\^~" else " ", name)
    return rf"\mathrm{{{escaped}}}"
