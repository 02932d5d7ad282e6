"""Recipes over tiny models in few words, for the tests of plans."""

from __future__ import annotations

import pytest

from nbmerge.engine.planning.planner import examine, plan
from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe

UP = "model.layers.{}.mlp.up_proj.weight"
Q = "model.layers.{}.self_attn.q_proj.weight"
EMBED, NORM, HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


def recipe(method: str, *models, base=None, **more) -> Recipe:
    """A recipe; a model is a folder or (folder, its parameters)."""
    pairs = [m if isinstance(m, tuple) else (m, {}) for m in models]
    data = {"merge_method": method, "models": [{"model": str(m), "parameters": p} for m, p in pairs]}
    return Recipe.of(data | ({"base_model": str(base)} if base else {}) | more)


def sliced(method: str, *slices, **more) -> Recipe:
    """A recipe of slices; each is a list of (folder, first, end[, parameters]) and maybe parameters of the slice."""
    pieces = []
    for piece in slices:
        sources = [
            {"model": str(s[0]), "layer_range": [s[1], s[2]], "parameters": s[3] if len(s) > 3 else {}}
            for s in piece
            if not isinstance(s, dict)
        ]
        pieces.append({"sources": sources, "parameters": next((s for s in piece if isinstance(s, dict)), {})})
    return Recipe.of({"merge_method": method, "slices": pieces} | more)


def problems(r: Recipe) -> list[Problem]:
    made, found = examine(r)
    assert made is None
    assert any(p.severity == "error" for p in found)
    with pytest.raises(RecipeError) as caught:
        plan(r)
    assert caught.value.problems == tuple(found)
    return found


def errors(r: Recipe) -> str:
    return "\n".join(str(p) for p in problems(r) if p.severity == "error")


def t_of(p, name: str):
    return p[name].values["t"]
