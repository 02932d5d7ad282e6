"""Which value of a gradient the tensors after the layers take: the final norm and the head.

Here they take a gradient's last value. mergekit did the same until 2025 and takes the first since 0.1. So that every
version computes the same from our YAML, the values are written out as rules where a gradient reaches these tensors;
and a recipe that was written for mergekit 0.1 is read by writing its first values out in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmerge.recipe.layer_values import Scalar
from nbmerge.recipe.parts import Module, Slice, Source, plain
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import levels, rewrite_parts
from nbmerge.recipe.setting import Rule, Setting

END_FILTERS = ("model.norm", "lm_head")
"""What their names contain in nearly all current architectures, used when no checkpoint is on this machine."""
ALL_END_FILTERS = (
    *END_FILTERS, "transformer.ln_f", "gpt_neox.final_layer_norm", "embed_out", "model.final_layernorm",
    "encoder.final_layer_norm", "decoder.final_layer_norm", "encoder.layer_norm", "decoder.layer_norm",
    "model.encoder.layer_norm", "model.decoder.layer_norm", "language_model.norm", "language_model.model.norm",
    "vision_tower.post_layernorm", "vision_model.post_layernorm", "vision_tower.vision_model.post_layernorm",
    "model.language_model.norm", "model.vision_tower.vision_model.post_layernorm", "language_model.lm_head",
)  # fmt: skip
"""The same for older architectures as well: strings that only names of tensors after the layers contain."""
SUFFIXES = (".weight", ".bias")
"""How their full names continue."""

Ends = Mapping[str, tuple[str, ...]]
"""Filters for tensors after the layers, and the names that each matches."""


def spell_out_ends(recipe: Recipe, t: float = 1.0, ends: Ends | None = None) -> Recipe:
    """The recipe with explicit rules for final norm and head wherever position `t` matters.

    Parameters
    ----------
    recipe : Recipe
    t : float
        1 writes out our own meaning, 0 that of mergekit 0.1.
    ends : mapping of str to tuple of str, optional
        Filters for these tensors, with the names they match; default those of the first model that is on this
        machine, else `END_FILTERS`.
    """
    if not any(rule.is_gradient for _, level, _, _ in levels(recipe) for s in level.values() for rule in s.rules):
        return recipe
    ends = find_ends(recipe) if ends is None else ends

    def part(value: Source | Slice | Module) -> dict[str, Any]:
        return plain(value) | {"parameters": _spell(value.parameters, ends, t)}

    # Of several slices, only the last also makes the tensors after the layers.
    changes = {"parameters": _spell(recipe.parameters, ends, t), **rewrite_parts(recipe, part, part, part, last=True)}
    return recipe.replace(**changes).with_origin(like=recipe)


def fold_ends(setting: Setting) -> Setting:
    """The setting without rules that only spell out, for final norm and head, the value that they would take anyway."""
    # In a rule for these tensors alone, only the last value of a gradient counts.
    rules = tuple(Rule(r.at(1.0), r.filter) if r.filter in ALL_END_FILTERS else r for r in setting.rules)
    for rule in rules:
        rest = Setting(tuple(r for r in rules if r is not rule))
        if rule.filter in ALL_END_FILTERS and all(rest.at(name, 1.0) == rule.value for name in _full_names(rule)):
            rules = rest.rules
    # A rule that decides for these tensors, and only for them, might as well come first.
    deciding = [r for r in rules if r.filter in ALL_END_FILTERS and _decides(r, rules)]
    others = [r for r in rules if all(r is not other for other in deciding)]
    return Setting((*sorted(deciding, key=lambda r: r.filter or ""), *others))


def _full_names(rule: Rule) -> list[str]:
    return [f"{rule.filter}{suffix}" for suffix in SUFFIXES]


def _decides(rule: Rule, rules: tuple[Rule, ...]) -> bool:
    """Whether a rule is the first that matches the tensors its filter names."""
    return all(next((r for r in rules if r.matches(name)), None) is rule for name in _full_names(rule))


def _spell(parameters: Mapping[str, Setting], ends: Ends, t: float) -> dict[str, Any]:
    """Parameters as plain data with a rule for each end that a gradient gives another value at 0 than at 1."""
    spelled = {}
    for name, setting in parameters.items():
        for filter, tensors in ends.items():
            if any(setting.at(x, 0.0) != setting.at(x, 1.0) for x in tensors):
                for text, value in _end_rules(setting, filter, tensors, t):
                    setting = setting.with_first(text, value)
        spelled[name] = setting.plain()
    return spelled


def _end_rules(setting: Setting, filter: str, tensors: tuple[str, ...], t: float) -> list[tuple[str, Scalar]]:
    """One rule for all these tensors where they have the same value, else one for each that has any."""
    values = {tensor: setting.at(tensor, t) for tensor in tensors}
    if len(set(values.values())) == 1:
        values = {filter: values[tensors[0]]}
    return [(text, value) for text, value in values.items() if value is not None]


def find_ends(recipe: Recipe) -> Ends:
    """The final norm and head, unless a donor provides them: a donor's tensors are taken as they are."""
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    donors = {"final norm": recipe.final_norm_source, "head": recipe.lm_head_source}
    roles = [role for role, donor in donors.items() if donor is None]
    for ref in recipe.references:
        try:
            layout = Checkpoint.open(ref, ask=False).layout
        except CheckpointError:
            continue
        names = layout.outside(*roles) if roles else []
        filters = [f for role in roles for f in layout.filters(role)]
        return {f: matched for f in filters if (matched := tuple(n for n in names if f in n))}
    return {f: (f"{f}{SUFFIXES[0]}",) for f, role in zip(END_FILTERS, donors, strict=True) if role in roles}
