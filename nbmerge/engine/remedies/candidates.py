"""What might solve each kind of problem; which of it does, is tried."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nbmerge.engine.remedies.edits import choose_start, give_required, remove_model, set_base, set_value
from nbmerge.engine.remedies.remedy import Remedy
from nbmerge.methods import REQUIRED, Method, Parameter, methods
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe
from nbmerge.recipe.layer_values import Scalar
from nbmerge.recipe.setting import Setting

SUBSTITUTES = ("task_arithmetic", "ties", "linear", "slerp")
"""Methods that are offered in place of one that does not take these models."""


@dataclass(frozen=True)
class Case:
    """A problem, and what is known about its cause.

    Parameters
    ----------
    recipe : Recipe
    problems : tuple of Problem
        Of one kind.
    culprits : tuple of ModelRef
        The models that cause it, where that is known.
    """

    recipe: Recipe
    problems: tuple[Problem, ...]
    culprits: tuple[ModelRef, ...] = ()

    @property
    def models(self) -> list[ModelRef]:
        """The recipe's models, the base first."""
        base = self.recipe.base_model
        return list(dict.fromkeys([*([base] if base else []), *self.recipe.references]))

    @property
    def method(self) -> Method | None:
        """The recipe's method, where it is known."""
        return methods().get(self.recipe.merge_method)


def list_candidates(case: Case) -> Iterator[Remedy]:
    """Remedies to try, the likeliest first."""
    make = _MAKERS.get(case.problems[0].kind)
    if make is not None:
        yield from make(case)


def _remove_culprits(case: Case) -> Iterator[Remedy]:
    if case.culprits:
        names = " and ".join(ref.name for ref in case.culprits)
        yield Remedy(f"Remove {names}", partial(_remove_all, culprits=case.culprits))


def _remove_all(recipe: Recipe, culprits: Sequence[ModelRef]) -> Recipe:
    for ref in culprits:
        recipe = remove_model(recipe, ref)
    return recipe


def _replace_misfits(case: Case) -> Iterator[Remedy]:
    """Remove what does not fit; where that is the base, another one takes its place."""
    yield from _remove_culprits(case)
    base = case.recipe.base_model
    if base in case.culprits:
        for ref in (m for m in case.models if m not in case.culprits):

            def change(recipe: Recipe, ref: ModelRef = ref) -> Recipe:
                return _remove_all(set_base(recipe, ref), case.culprits)

            names = " and ".join(culprit.name for culprit in case.culprits)
            yield Remedy(f"Remove {names}, and make {ref.name} the base", change)


def _choose_vocabulary(case: Case) -> Iterator[Remedy]:
    def by_token(source: str, recipe: Recipe) -> Recipe:
        tokenizer = {"source": source, "rows": "owners"}
        return recipe.replace(tokenizer=tokenizer, tokenizer_source=None, vocabulary=None)

    yield Remedy("Use the union vocabulary", partial(by_token, "union"))
    if case.recipe.base_model is not None:
        yield Remedy("Use the base model’s vocabulary", partial(by_token, "base"))
    yield Remedy("Pad the smaller vocabularies", lambda r: r.replace(vocabulary="edge-gradient"))
    yield Remedy("Cut to the smallest vocabulary", lambda r: r.replace(vocabulary="truncate"))
    yield from _remove_culprits(case)


def _choose_config(case: Case) -> Iterator[Remedy]:
    """Take config and tokenizer from a model that fits the result, or bring all to one vocabulary."""
    donor = case.recipe.config_source or case.recipe.base_model or case.models[0]
    for ref in (m for m in case.models if m != donor):
        yield Remedy(f"Use config and tokenizer of {ref.name}", partial(_set_config, ref=ref))
    yield from _choose_vocabulary(case)


def _set_config(recipe: Recipe, ref: ModelRef) -> Recipe:
    return recipe.replace(config_source=ref)


def _choose_base(case: Case) -> Iterator[Remedy]:
    for ref in case.models:
        yield Remedy(f"Make {ref.name} the base", partial(set_base, ref=ref))


def _choose_number(case: Case) -> Iterator[Remedy]:
    """Leave out models from the end, or choose a method that takes as many."""
    method, models = case.method, case.models
    most = method.inputs[1] if method is not None else None
    if most is not None and len(models) > most:
        surplus = tuple(models[most:])
        names = " and ".join(ref.name for ref in surplus)
        yield Remedy(f"Remove {names}", lambda r: give_required(_remove_all(r, surplus)))
    for name in SUBSTITUTES:
        if name != case.recipe.merge_method:
            yield Remedy(f"Use {methods()[name].title}", partial(_set_method, name=name))


def _set_method(recipe: Recipe, name: str) -> Recipe:
    return give_required(recipe.replace(merge_method=name))


def _choose_method(case: Case) -> Iterator[Remedy]:
    written = case.recipe.merge_method.lower().replace("-", "_")
    close = difflib.get_close_matches(written[:100], list(methods()), n=2, cutoff=0.5)
    for name in dict.fromkeys([*close, "task_arithmetic", "linear"]):
        yield Remedy(f"Use {methods()[name].title}", partial(_set_method, name=name))


def _correct_parameter(case: Case) -> Iterator[Remedy]:
    """Correct a misspelt parameter, or remove it."""
    (*place, name), method = case.problems[0].where, case.method
    known = [p.name for p in method.parameters] if method is not None else []
    for close in difflib.get_close_matches(str(name)[:100], known, n=1, cutoff=0.5):

        def rename(recipe: Recipe, close: str = close) -> Recipe:
            inner: Any = recipe.plain()
            for key in place:
                inner = inner[key]
            return set_value(set_value(recipe, (*place, close), inner[name]), (*place, name), None)

        yield Remedy(f"Rename it to {close}", rename)
    yield from _remove_settings(case)


def _remove_settings(case: Case) -> Iterator[Remedy]:
    def remove(recipe: Recipe) -> Recipe:
        for problem in case.problems:
            recipe = set_value(recipe, problem.where, None)
        return recipe

    names = list(dict.fromkeys(str(p.where[-1]) for p in case.problems))
    yield Remedy(f"Remove {' and '.join(names)}", remove)


def _give_value(case: Case) -> Iterator[Remedy]:
    """Give a required parameter a value that does something."""
    method = case.method
    for parameter in method.parameters if method is not None else ():
        if parameter.default is REQUIRED and f"'{parameter.name}'" in case.problems[0].what:
            value = choose_start(parameter)
            yield Remedy(
                f"Set {parameter.name} to {value:g}", partial(_set_parameter, name=parameter.name, value=value)
            )


def _set_parameter(recipe: Recipe, name: str, value: Scalar) -> Recipe:
    return recipe.with_parameter(name, value)


def _limit_value(case: Case) -> Iterator[Remedy]:
    method = case.method
    for parameter in method.parameters if method is not None else ():
        if parameter.name in case.problems[0].where and parameter.kind == "number":
            yield Remedy(f"Limit {parameter.name} to {parameter.range}", partial(_limit_all, parameter=parameter))


def _limit_all(recipe: Recipe, parameter: Parameter) -> Recipe:
    def limit(value: Scalar) -> Scalar:
        if isinstance(value, bool | str):
            return value
        low = value if parameter.low is None else max(parameter.low, value)
        return low if parameter.high is None else min(parameter.high, low)

    def change(name: str, setting: Setting) -> Setting:
        if name != parameter.name:
            return setting
        return Setting(tuple(rule.map(limit) for rule in setting.rules))

    return recipe.each_setting(change)


_MAKERS: dict[str, Callable[[Case], Iterator[Remedy]]] = {
    "architecture": _replace_misfits,
    "base": _choose_base,
    "config": _choose_config,
    "depth": _replace_misfits,
    "effect": _remove_settings,
    "method": _choose_method,
    "model": _remove_culprits,
    "number": _choose_number,
    "parameter": _correct_parameter,
    "range": _limit_value,
    "shape": _replace_misfits,
    "tensors": _replace_misfits,
    "tokens": _choose_config,
    "value": _give_value,
    "vocabulary": _choose_vocabulary,
}
