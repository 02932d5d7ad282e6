"""Merge methods from plain functions: write the formula, decorate it, use its name in a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, overload

from nbmerge.methods.framework.method import REQUIRED, Combination, Elementwise, Parameter
from nbmerge.methods.framework.registry import register

Formula = Callable[..., Any]
"""A plain function that implements a method's formula."""


@overload
def combination(function: Formula, /) -> Combination: ...
@overload
def combination(**fields: Any) -> Callable[[Formula], Combination]: ...
def combination(function: Formula | None = None, /, **fields: Any) -> Combination | Callable[[Formula], Combination]:
    """Register a function that returns one coefficient per input as a merge method with its name.

    The function can take ``values`` (`Values`) and ``gram`` (the Gram matrix over [W₀, W₁−W₀, …]; without it, the
    weights are read only once). Its keyword-only arguments become parameters of the whole merge, its docstring the
    method's description.

    Parameters
    ----------
    **fields
        Fields of `Combination`, such as `base`, `inputs`, `parameters`, `title`, `formula` or `reference`.

    Examples
    --------
    >>> @combination(inputs=(2, 2), base="first")
    ... def halfway(*, t=0.5):
    ...     "Goes straight from one model to the other."
    ...     return [1 - t, t]
    """

    def make(function: Formula) -> Combination:
        call, parameters = _adapted(function, ("values", "gram"))
        needs_gram = "gram" in inspect.signature(function).parameters
        about = {"needs_gram": needs_gram} | _description(function, parameters, fields)
        return register(Combination(coefficients=call, **about))

    return make if function is None else make(function)


@overload
def elementwise(function: Formula, /) -> Elementwise: ...
@overload
def elementwise(**fields: Any) -> Callable[[Formula], Elementwise]: ...
def elementwise(function: Formula | None = None, /, **fields: Any) -> Elementwise | Callable[[Formula], Elementwise]:
    """Register a function that mixes blocks of the inputs as a merge method with its name.

    The function can take ``inputs`` (1-D tensors of equal length, which it may overwrite), ``values`` (`Values`),
    ``start`` (the block's first element) and ``state`` (what ``look`` found). Its keyword-only arguments become
    parameters of the whole merge, its docstring the method's description.

    Parameters
    ----------
    **fields
        Fields of `Elementwise`, such as `look`, `whole`, `base`, `inputs`, `parameters`, `title` or `formula`.

    Examples
    --------
    >>> @elementwise(base="required", inputs=(2, 2))
    ... def capped(inputs, *, limit=0.01):
    ...     "Moves every weight towards the other model, but by no more than a limit."
    ...     base, other = inputs
    ...     return base + (other - base).clamp(-limit, limit)
    """

    def make(function: Formula) -> Elementwise:
        call, parameters = _adapted(function, ("inputs", "start", "state", "values"))
        return register(Elementwise(mix=call, **_description(function, parameters, fields)))

    return make if function is None else make(function)


def _adapted(function: Formula, given: tuple[str, ...]) -> tuple[Formula, tuple[Parameter, ...]]:
    """The function called as the engine does, and the parameters among its arguments."""
    arguments = inspect.signature(function).parameters.values()
    names = [a.name for a in arguments if a.kind is not a.KEYWORD_ONLY]
    if unknown := sorted(set(names) - set(given)):
        what = f"{function.__name__} takes {', '.join(unknown)}, but a method is called with {', '.join(given)}."
        raise TypeError(f"{what} Make parameters keyword-only: def {function.__name__}(..., *, {unknown[0]}).")
    parameters = tuple(_parameter(a) for a in arguments if a.kind is a.KEYWORD_ONLY)

    def call(*positional: Any) -> Any:
        known = dict(zip(given, positional, strict=True))
        own = {p.name: known["values"][p.name] for p in parameters}
        return function(*(known[name] for name in names), **own)

    return call, parameters


def _parameter(argument: inspect.Parameter) -> Parameter:
    default = REQUIRED if argument.default is argument.empty else argument.default
    kind: Literal["number", "flag"] = "flag" if isinstance(default, bool) else "number"
    return Parameter(argument.name, f"Parameter '{argument.name}' of this method.", default=default, kind=kind)


def _description(function: Formula, parameters: tuple[Parameter, ...], fields: dict[str, Any]) -> dict[str, Any]:
    name = function.__name__
    about = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "words": " ".join((inspect.getdoc(function) or "A custom method.").split()),
        "formula": "",
        "reference": "",
    }
    return about | fields | {"parameters": (*fields.get("parameters", ()), *parameters)}
