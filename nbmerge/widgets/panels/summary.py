"""A recipe's numbers in one line."""

from __future__ import annotations

from nbmerge.recipe import Recipe
from nbmerge.recipe.setting import Setting
from nbmerge.widgets.state.names import tell_apart

LONGEST = 160
"""Characters of a summary."""
LETTERS = 24
"""Characters of a model's name in it."""


def summarise_recipe(recipe: Recipe | None) -> str:
    """The parameters of each model and of the merge: "math weight [0, 0.5, 1] · code weight 0.3 · density 0.5"."""
    if recipe is None:
        return ""
    names = list(dict.fromkeys(source.model.name for piece in recipe.pieces for source in piece.sources))
    short = dict(zip(names, tell_apart(names, LETTERS), strict=True))
    parts = [
        f"{short[source.model.name]} {name} {_write(setting)}"
        for piece in recipe.pieces
        for source in piece.sources
        for name, setting in source.parameters.items()
    ]
    parts += [f"{name} {_write(setting)}" for name, setting in recipe.parameters.items()]
    text = " · ".join(dict.fromkeys(parts))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _write(setting: Setting) -> str:
    plain = setting.plain()
    if isinstance(plain, list) and plain and isinstance(plain[-1], dict):
        count = len(plain) - 1
        return f"{_short(plain[-1]['value'])} and {count} {'filter' if count == 1 else 'filters'}"
    return _short(plain)


def _short(value: object) -> str:
    if isinstance(value, list):
        numbers = [_short(v) for v in value]
        return f"[{', '.join(numbers)}]" if len(numbers) <= 8 else f"[{', '.join(numbers[:3])}, … {numbers[-1]}]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
