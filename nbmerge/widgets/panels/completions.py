"""What can be written into a recipe, for the editor's completion: keys, methods, parameters, models and values.

Methods and parameters come from their registry, keys from the parts of a recipe, models from the recipe itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from nbmerge.engine.planning import Plan
from nbmerge.methods import REQUIRED, Method, Parameter, methods
from nbmerge.recipe import Recipe, Slice, Source
from nbmerge.recipe.parts import DTYPES, DtypeRule, Expert, Module, Part, Tokenizer, TokenRule
from nbmerge.recipe.readers.mergekit import DIALECTS
from nbmerge.recipe.recipe import GATE_MODES, VOCABULARIES

PARTS: dict[str, type[Part]] = {
    "recipe": Recipe, "model": Source, "slice": Slice, "module": Module, "tokenizer": Tokenizer, "token": TokenRule,
    "dtype_rule": DtypeRule, "expert": Expert,
}  # fmt: skip
HELP = {
    "approximate": "how rows of new tokens are made",
    "architecture": "architecture of a mixture of experts",
    "base_model": "what task vectors are relative to",
    "chat_template": "chat template of the result",
    "config_source": "model whose config is taken",
    "dialect": "program that the recipe was written for",
    "dtype": "dtype of the result",
    "dtype_overrides": "dtypes of single tensors",
    "embedding_source": "model whose embeddings are taken",
    "experts": "models of a mixture of experts",
    "experts_per_token": "experts that a token is routed to",
    "fill_from": "model that missing tensors are copied from",
    "fill_prefix": "what its names begin with there",
    "filter": "part of the tensors' names",
    "final_norm_source": "model whose final norm is taken",
    "force": "use the source for all models",
    "gate_mode": "what routers are made from",
    "layer_range": "first layer, and the one after the last",
    "lm_head_source": "model whose head is taken",
    "merge_method": "formula of the merge",
    "merges": "merges that are used as models",
    "missing_tensors": "tensors that some models do not have",
    "model": "folder or id of a model",
    "models": "models merged over their whole depth",
    "modules": "parts with their own layers",
    "name": "name for use in other merges",
    "negative_prompts": "texts that are not for this expert",
    "noise_scale": "noise that is added to the weights",
    "out_dtype": "dtype that is written",
    "pad_to_multiple_of": "multiple for the number of tokens",
    "parameters": "settings of the method",
    "positive_prompts": "texts for this expert",
    "random_seed": "seed of random masks",
    "residual_scale": "factor on what the expert adds",
    "rows": "how rows of tokens are made",
    "shared_experts": "experts of every token",
    "slices": "layers of the result, piece by piece",
    "source": "whose tokens are taken",
    "source_model": "model whose MLPs are the expert",
    "sources": "models of a slice",
    "stacks": "lists of modules that are layers",
    "tokenizer": "vocabulary of the result",
    "tokenizer_source": "whose vocabulary the result has",
    "tokens": "rules for single tokens",
    "value": "value where the filter matches",
    "vocabulary": "what to do if vocabulary sizes differ",
}
"""What each key is for."""
NESTED = {
    "dtype_overrides", "experts", "merges", "models", "modules", "negative_prompts", "parameters", "positive_prompts",
    "shared_experts", "slices", "sources", "tokenizer", "tokens",
}  # fmt: skip
"""Keys whose values are mappings or lists."""
MOST_FILTERS = 40


def list_words(recipe: Recipe | None, plan: Plan | None = None) -> dict[str, Any]:
    """All words of the recipes that can be written now, as the editor takes them.

    Parameters
    ----------
    recipe : Recipe or None
        Its models are offered.
    plan : Plan, optional
        The names of its tensors are offered as filters.
    """
    return {
        "keys": {part: [_key(name) for name in names] for part, names in list_keys().items()},
        "methods": [_method(m) for m in methods().values()],
        "models": [] if recipe is None else list(dict.fromkeys(map(str, recipe.references))),
        "values": {
            "dtype": list(DTYPES), "out_dtype": list(DTYPES), "vocabulary": list(VOCABULARIES),
            "gate_mode": list(GATE_MODES),
            "dialect": list(DIALECTS), "tokenizer_source": ["union", "base"],
            "rows": _choices(Tokenizer, "rows"), "approximate": _choices(Tokenizer, "approximate"),
            "force": ["true", "false"], "filter": [] if plan is None else list_filters(t.name for t in plan.tensors),
        },
    }  # fmt: skip


def list_keys() -> dict[str, list[str]]:
    """The keys of each part of a recipe."""
    keys = {part: list(kind.model_fields) for part, kind in PARTS.items()}
    keys["recipe"].insert(0, "dialect")
    return {**keys, "rule": ["filter", "value"]}


def list_filters(names: Iterable[str]) -> list[str]:
    """Parts of tensor names that several tensors share: "mlp", "q_proj"."""
    parts = {part: None for name in names for part in name.split(".")[:-1] if not part.isdigit()}
    return [p for p in parts if p not in ("model", "layers")][:MOST_FILTERS]


def _key(name: str) -> dict[str, Any]:
    return {"name": name, "help": HELP[name], "nested": name in NESTED}


def _method(method: Method) -> dict[str, Any]:
    return {
        "name": method.name, "title": method.title, "help": method.words,
        "parameters": [_parameter(p) for p in method.parameters],
    }  # fmt: skip


def _parameter(parameter: Parameter) -> dict[str, Any]:
    kind, default = parameter.kind, parameter.default
    choices = ["true", "false"] if kind == "flag" else [] if kind in ("number", "text") else [_write(v) for v in kind]
    return {
        "name": parameter.name, "help": parameter.help, "range": parameter.range, "each": parameter.scope == "input",
        "default": "" if default is REQUIRED or default is None else _write(default), "choices": choices,
    }  # fmt: skip


def _write(value: Any) -> str:
    """A scalar as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _choices(part: type[Part], field: str) -> list[str]:
    return list(get_args(part.model_fields[field].annotation))
