"""The two ends of a model in a gradient: which value the final norm and the head take.

Here they take a gradient's last value. mergekit did the same until 2025 and takes the first since 0.1. So that every
version computes the same from our YAML, the values are written out as rules where a gradient reaches these tensors;
and a recipe that was written for mergekit 0.1 is read by writing its first values out in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nbmerge.recipe.model import Recipe
from nbmerge.recipe.parts import plain
from nbmerge.recipe.setting import Setting

END_FILTERS = ("model.norm", "lm_head")
"""What their names contain in nearly all current architectures, used where no checkpoint can be asked."""
ALL_END_FILTERS = (*END_FILTERS, "transformer.ln_f", "gpt_neox.final_layer_norm", "embed_out", "model.final_layernorm")
"""The same for older architectures as well: texts that only tensors behind the layers contain."""


def spelled_out(recipe: Recipe, t: float = 1.0, ends: Iterable[str] | None = None) -> Recipe:
    """The recipe with explicit rules for final norm and head wherever position `t` matters.

    Parameters
    ----------
    recipe : Recipe
    t : float
        1 writes down our own meaning, 0 that of mergekit 0.1.
    ends : iterable of str, optional
        Filters for these tensors; default those of the first model that is at hand, else `END_FILTERS`.
    """
    if not any(isinstance(rule.value, tuple) for s in _settings(recipe) for rule in s.rules):
        return recipe
    ends = tuple(ends) if ends is not None else _ends_of(recipe)
    changes = {"parameters": _spell(recipe.parameters, ends, t)}
    if recipe.models is not None:
        changes["models"] = [_spell_part(s, ends, t) for s in recipe.models]
    elif recipe.slices is not None:  # only the last slice speaks for the tensors behind the layers
        *rest, last = recipe.slices
        sources = [_spell_part(s, ends, t) for s in last.sources]
        changes["slices"] = [*rest, _spell_part(last, ends, t) | {"sources": sources}]
    spelled = recipe.replace(**changes)
    spelled._found, spelled._lines = recipe._found, recipe._lines
    return spelled


def folded(setting: Setting) -> Setting:
    """The setting without rules for final norm and head that only spell out what they would take anyway."""
    rules = setting.rules
    for rule in rules:
        rest = Setting(tuple(r for r in rules if r is not rule))
        if rule.filter in ALL_END_FILTERS and rest.at(rule.filter, 1.0) == rule.at(1.0):
            rules = rest.rules
    return Setting(rules)


def _settings(recipe: Recipe) -> Iterable[Setting]:
    levels = [recipe.parameters, *(p.parameters for p in recipe.pieces), *(s.parameters for p in recipe.pieces for s in p.sources)]
    return (setting for level in levels for setting in level.values())


def _spell_part(part, ends: tuple[str, ...], t: float) -> dict:
    return plain(part) | {"parameters": _spell(part.parameters, ends, t)}


def _spell(parameters: Mapping[str, Setting], ends: tuple[str, ...], t: float) -> dict:
    spelled = {}
    for name, setting in parameters.items():
        for end in ends:
            if setting.at(end, 0.0) != setting.at(end, 1.0):
                setting = setting.with_first(end, setting.at(end, t))
        spelled[name] = setting.plain()
    return spelled


def _ends_of(recipe: Recipe) -> tuple[str, ...]:
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    for ref in recipe.references:
        try:
            layout = Checkpoint.open(ref).layout
        except CheckpointError:
            continue
        return layout.filters("final norm") + layout.filters("head")
    return END_FILTERS
