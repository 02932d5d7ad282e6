"""Whether transformers can load a result: its tensors compared with the model that transformers builds from its config.

Most merges need no comparison: a result with the config, names and shapes of its config donor loads as the donor does. Where
layers were stacked or the rows of a vocabulary changed, transformers compares them, which takes the seconds that importing it
takes. Findings that apply to the donor as well are not reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.loading.dry_load import DryLoad, Shapes, load
from nbmerge.engine.loading.pretrained import build_config
from nbmerge.engine.planning.layer_config import is_by_number
from nbmerge.engine.planning.output_config import find_config_parts
from nbmerge.engine.planning.plans import Plan
from nbmerge.problems import Problem
from nbmerge.quoting import quote

_DTYPES = ("dtype", "torch_dtype")
_PER_LAYER = re.compile(r"layer_types$|block_types?$|_layers$|layers_num|per_layer$|indexer_types$|layer_ids$|idxs$")
"""Attributes of transformers' configs that state the kind of each layer."""


def loading_findings(plan: Plan) -> Iterator[Problem]:
    """What transformers would refuse, initialise or ignore when it loads the result of a plan; it loads no bare weights."""
    if plan.bare:
        return
    donor = plan.checkpoints[plan.donor]
    ours: Shapes = {t.name: (t.shape, t.dtype) for t in plan.tensors}
    theirs: Shapes = {n: (t.shape, t.output_dtype) for n, t in donor.tensors.items()}
    in_order = all(list(own) == list(range(len(own))) for own in plan.donor_layers.values())
    if in_order and _without_dtypes(plan.config) == _without_dtypes(donor.config) and _sizes(ours) == _sizes(theirs):
        return
    found = _load_cached(plan.config, ours)
    if found is None:
        yield Problem("info", (), f"The installed transformers does not know {donor.architecture}, or not in this form; "
                                  "whether it can load the result was not checked.")  # fmt: skip
        return
    if not found.whole:
        control = _load_cached(donor.config, theirs) or DryLoad(refusal="its architecture is not known")
        if control.refusal:
            yield Problem("info", (), f"transformers cannot load {plan.labels[plan.donor]} itself in this check "
                                      f"({control.refusal[:200]}), so the result was not checked.")  # fmt: skip
            return
        yield from _problems(found, control, plan)
    if not found.refusal:
        yield from _changed_kinds(plan, donor)


def loading_warnings(plan: Plan) -> tuple[Problem, ...]:
    """`loading_findings` as warnings: the folder exists, and may be meant for another program."""
    return tuple(replace(p, severity="warning") for p in loading_findings(plan) if p.severity != "info")


def _problems(found: DryLoad, control: DryLoad, plan: Plan) -> Iterator[Problem]:
    name = plan.checkpoints[plan.donor].architecture
    if found.refusal:
        what = f"transformers cannot build {name} from the result's config: {found.refusal[:400]}"
        yield Problem("error", (), what, _fix(plan))
    if unequal := {n: s for n, s in found.unequal.items() if n not in control.unequal}:
        tensor, (ours, wanted) = next(iter(sorted(unequal.items())))
        what = (
            f"transformers cannot load the result: {_count(unequal)} of another shape than its config asks for "
            f"({tensor} is {_text(ours)} instead of {_text(wanted)})."
        )
        yield Problem("error", (), what, _fix(plan, unequal))
    if missing := _new(found.missing, control.missing):
        what = f"the result has no values for {_count(missing)} of {name} ({_some(missing)}); transformers would initialise them randomly."
        yield Problem("error", (), what, _fix(plan, missing))
    if unexpected := _new(found.unexpected, control.unexpected):
        what = f"transformers would ignore {_count(unexpected)} of the result that {name} does not have ({_some(unexpected)})."
        yield Problem("warning", (), what, _fix(plan, unexpected))


def _fix(plan: Plan, names: Iterable[str] | None = None) -> str:
    """What to change so that tensors of these names fit the config; without names, so that the config can be built.

    Only what can help is suggested: other layers if the recipe chooses layers and the config donor has such tensors in its
    own, another vocabulary if the recipe sets one and the tensors have a row for each token.
    """
    layout, recipe = plan.checkpoints[plan.donor].layout, plan.recipe
    tensors = None if names is None else list(names)
    restacked = any(list(own) != list(range(layout.stacks[stack].depth)) for stack, own in plan.donor_layers.items())
    ways = []
    if restacked and (tensors is None or _donor_has(plan, tensors)):
        ways.append("choose other layers")
    resized = recipe.wanted_tokenizer is not None or recipe.vocabulary != "refuse"
    if resized and (tensors is None or any(layout.place(n).kind in ("embedding", "head") for n in tensors)):
        ways.append("choose another vocabulary")
    text = ", or ".join([*ways, "set config_source to a model that fits"])
    return f"{text[0].upper()}{text[1:]}."


def _donor_has(plan: Plan, names: Iterable[str]) -> bool:
    """Whether the config donor has one of these tensors in some layer, of the same shape if the result has it."""
    shapes = {t.name: t.shape for t in plan.tensors}
    theirs = [(_pattern(n), t.shape) for n, t in plan.checkpoints[plan.donor].tensors.items() if "#" in _pattern(n)]
    return any(_pattern(n) == pattern and shapes.get(n, shape) == shape for n in names for pattern, shape in theirs)


def _pattern(name: str) -> str:
    """The name of a tensor without the number of its layer."""
    return re.sub(r"\d+", "#", name)


def _changed_kinds(plan: Plan, donor: Checkpoint) -> Iterator[Problem]:
    """Layers that transformers would build as another kind than the layers that they come from."""
    try:
        ours, theirs = build_config(plan.config), build_config(donor.config)
    except Exception as error:  # the result's config may be corrected where the donor's is refused
        yield Problem("info", (), f"transformers cannot read the config of {plan.labels[plan.donor]} ({quote(str(error), 200)}), "
                                  "so the kinds of the layers were not compared.")  # fmt: skip
        return
    for stack, layers in plan.donor_layers.items():
        for inside in find_config_parts(donor, stack):
            new, old = _part(ours, inside), _part(theirs, inside)
            depth = donor.layout.stacks[stack].depth
            own = [min(i, depth - 1) for i in layers]
            for key, kinds in _kinds(old, depth):
                now = dict(_kinds(new, len(own))).get(key)
                if now is not None and (wrong := [j for j, i in enumerate(own) if now[j] != kinds[i]]):
                    j = wrong[0]
                    what = (
                        f"transformers builds layer {j} of the result with {key} {now[j]!r}, but it comes from layer {own[j]}, "
                        f"which has {kinds[own[j]]!r} ({len(wrong)} such layers)."
                    )
                    yield Problem(
                        "warning", (), what, "Choose layers that keep the order of kinds that the config can describe."
                    )


def _kinds(config: Any, depth: int) -> Iterator[tuple[str, Sequence[Any]]]:
    """What a config of transformers states about each layer, by attribute, including computed properties."""
    names = {*vars(config), *(n for c in type(config).__mro__ for n, v in vars(c).items() if isinstance(v, property))}
    for name in sorted(n for n in names if _PER_LAYER.search(n) and not n.startswith("_")):
        try:
            value = getattr(config, name)
        except Exception:  # a property that does not apply to this model
            continue
        if not isinstance(value, list | tuple):
            continue
        if is_by_number(name, list(value), depth):
            yield name, [i in value for i in range(depth)]
        elif len(value) == depth:
            yield name, value


def _part(config: Any, inside: Iterable[str]) -> Any:
    for key in inside:
        config = getattr(config, key)
    return config


def _load_cached(config: Mapping[str, Any], shapes: Shapes) -> DryLoad | None:
    """As `load`, with a cache: a recipe is checked many times before it is run."""
    return _load_hashable(json.dumps(config, sort_keys=True), tuple(shapes.items()))


@lru_cache(maxsize=8)
def _load_hashable(config: str, shapes: tuple[Any, ...]) -> DryLoad | None:
    return load(json.loads(config), dict(shapes))


def _without_dtypes(config: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _without_dtypes(v) if isinstance(v, Mapping) else v for k, v in config.items() if k not in _DTYPES}


def _sizes(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, (shape, _) in shapes.items()}


def _new(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Names that differ from all known ones in more than their numbers."""
    patterns = set(map(_pattern, known))
    return sorted(n for n in names if _pattern(n) not in patterns)


def _count(names: Sequence[str] | Mapping[str, Any]) -> str:
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _text(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
