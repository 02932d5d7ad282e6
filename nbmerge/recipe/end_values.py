"""The two ends of a model in a gradient: which value the final norm and the head take.

Here they take a gradient's last value. mergekit did the same until 2025 and takes the first since 0.1. So that every
version computes the same from our YAML, the values are written out as rules where a gradient reaches these tensors;
and a recipe that was written for mergekit 0.1 is read by writing its first values out in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

from nbmerge.recipe.parts import plain
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import levels, rewrite_parts
from nbmerge.recipe.setting import Rule, Setting

END_FILTERS = ("model.norm", "lm_head")
"""What their names contain in nearly all current architectures, used where no checkpoint can be asked."""
ALL_END_FILTERS = (
    *END_FILTERS, "transformer.ln_f", "gpt_neox.final_layer_norm", "embed_out", "model.final_layernorm",
    "encoder.final_layer_norm", "decoder.final_layer_norm", "encoder.layer_norm", "decoder.layer_norm",
    "model.encoder.layer_norm", "model.decoder.layer_norm", "language_model.norm", "language_model.model.norm",
    "vision_tower.post_layernorm", "vision_model.post_layernorm", "vision_tower.vision_model.post_layernorm",
    "model.language_model.norm", "model.vision_tower.vision_model.post_layernorm", "language_model.lm_head",
)  # fmt: skip
"""The same for older architectures as well: texts that only tensors behind the layers contain."""
SUFFIXES = (".weight", ".bias")
"""How their full names go on."""

Ends = Mapping[str, tuple[str, ...]]
"""Filters for tensors behind the layers, and the names that each matches."""


def spell_out_ends(recipe: Recipe, t: float = 1.0, ends: Ends | None = None) -> Recipe:
    """The recipe with explicit rules for final norm and head wherever position `t` matters.

    Parameters
    ----------
    recipe : Recipe
    t : float
        1 writes down our own meaning, 0 that of mergekit 0.1.
    ends : mapping of str to tuple of str, optional
        Filters for these tensors, with the names they match; default those of the first model that is at hand, else
        `END_FILTERS`.
    """
    if not any(
        isinstance(rule.value, tuple) for _, level, _, _ in levels(recipe) for s in level.values() for rule in s.rules
    ):
        return recipe
    ends = find_ends(recipe) if ends is None else ends

    def part(value) -> dict:
        return plain(value) | {"parameters": _spell(value.parameters, ends, t)}

    # Of several slices, only the last speaks for the tensors behind the layers.
    changes = {"parameters": _spell(recipe.parameters, ends, t), **rewrite_parts(recipe, part, part, part, last=True)}
    return recipe.replace(**changes).with_origin(like=recipe)


def fold_ends(setting: Setting) -> Setting:
    """The setting without what only spells out, for final norm and head, what they would take anyway."""
    # In a rule for these tensors alone, only the last value of a gradient counts.
    rules = tuple(Rule(r.at(1.0), r.filter) if r.filter in ALL_END_FILTERS else r for r in setting.rules)
    for rule in rules:
        rest = Setting(tuple(r for r in rules if r is not rule))
        if rule.filter in ALL_END_FILTERS and all(rest.at(f"{rule.filter}{s}", 1.0) == rule.value for s in SUFFIXES):
            rules = rest.rules
    # Wherever it stands, a rule that decides for these tensors, and only for them, might as well come first.
    decides = [r.filter in ALL_END_FILTERS and all(_decider(rules, r.filter + s) is r for s in SUFFIXES) for r in rules]
    first = sorted((r for r, ends in zip(rules, decides, strict=True) if ends), key=lambda r: r.filter)
    return Setting((*first, *(r for r, ends in zip(rules, decides, strict=True) if not ends)))


def _decider(rules: tuple[Rule, ...], tensor: str) -> Rule | None:
    return next((r for r in rules if r.matches(tensor)), None)


def _spell(parameters: Mapping[str, Setting], ends: Ends, t: float) -> dict:
    spelled = {}
    for name, setting in parameters.items():
        for filter, tensors in ends.items():
            if any(setting.at(x, 0.0) != setting.at(x, 1.0) for x in tensors):
                values = {x: setting.at(x, t) for x in tensors}
                alike = len(set(values.values())) == 1
                for f, value in {filter: values[tensors[0]]}.items() if alike else values.items():
                    setting = setting.with_first(f, value)
        spelled[name] = setting.plain()
    return spelled


def find_ends(recipe: Recipe) -> Ends:
    """The ends that the recipe's numbers reach: a donor's tensors are taken as they are."""
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
