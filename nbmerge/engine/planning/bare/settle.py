"""What a recipe for bare weights may contain, and which of their modules are layers.

Without a config it is unknown which numbered modules are layers, so a gradient has no meaning until the recipe names them
(`Recipe.stacks`), and everything about configs and tokens is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.stacks import NUMBERED
from nbmerge.engine.planning.findings import Findings
from nbmerge.model_ref import ModelRef
from nbmerge.problems import nearest
from nbmerge.recipe import Recipe
from nbmerge.recipe.sections import levels

FOR_MODELS = (
    "tokenizer_source", "tokenizer", "chat_template", "vocabulary", "embedding_source", "final_norm_source", "lm_head_source",
    "config_source", "modules",
)  # fmt: skip
"""Fields of a recipe that mean something only for models with a config."""
FOR_BARE = ("stacks", "missing_tensors")
"""Fields that mean something only for bare weights."""
_FACTORS = re.compile(r"(^|[._])(lora_(A|B|up|down)|hada_w[12]_[ab]|lokr_w[12](_[ab])?)(\.|$)")
"""Factors of adapters, as peft, kohya's programs and LyCORIS name them."""
_NAMED = 8
"""Most lists of modules in a message."""


def settle_bare(
    recipe: Recipe, checkpoints: Mapping[ModelRef, Checkpoint], findings: Findings
) -> dict[ModelRef, Checkpoint]:
    """The models with the layers that the recipe names, if they are bare weights; what does not fit is reported."""
    bare = [ref for ref, checkpoint in checkpoints.items() if checkpoint.bare]
    if not bare:
        for field in _given(recipe, FOR_BARE):
            what = f"'{field}' is for bare weights, and these models have configs."
            findings.error((field,), what, "Remove it.")
        return dict(checkpoints)
    others = [ref for ref in checkpoints if ref not in bare]
    if others:
        what = f"{bare[0].name} is a file without a config, and {others[0].name} is a model with one."
        how = "Merge either models, named by their folders, or weights files, also those inside model folders."
        findings.error(("models",), what, how, "architecture")
    for field in _given(recipe, FOR_MODELS):
        findings.error((field,), f"'{field}' needs models with a config, and these are bare weights.", "Remove it.")
    settled = {ref: replace(c, stacks=recipe.stacks) if c.bare else c for ref, c in checkpoints.items()}
    _check_stacks(recipe, settled, findings)
    _warn_of_factors(recipe, settled, findings)
    return settled


def _given(recipe: Recipe, fields: tuple[str, ...]) -> list[str]:
    """Those of the fields that a recipe sets."""
    return [name for name in fields if getattr(recipe, name) != type(recipe).model_fields[name].default]


def _check_stacks(recipe: Recipe, checkpoints: Mapping[ModelRef, Checkpoint], findings: Findings) -> None:
    """Refuse stacks that no model has, and gradients and slices without any."""
    known = {name for checkpoint in checkpoints.values() for name in checkpoint.layout.stacks}
    for name in recipe.stacks:
        if name not in known:
            lists = _lists(checkpoints)
            how = nearest(name, lists) if lists else "These weights have no numbered modules."
            findings.error(("stacks",), f"no model has a list of modules named '{name:.120}'.", how)
    if recipe.stacks:
        return
    lists = _lists(checkpoints)
    shown = ", ".join(lists[:_NAMED]) + (", ..." if len(lists) > _NAMED else "")
    how = "Name the lists of modules that are its layers in stacks" + (f" (here are {shown})." if lists else ".")
    if recipe.slices is not None:
        findings.error(("slices",), "slices need layers, and bare weights have none by themselves.", how)
    for where, settings, _, _ in levels(recipe):
        for name, setting in settings.items():
            for i, rule in enumerate(setting.rules):
                if rule.canonical().is_gradient:
                    here = (*where, name, i) if len(setting.rules) > 1 else (*where, name)
                    what = f"a gradient of '{name}' needs layers, and bare weights have none by themselves."
                    findings.error(here, what, f"{how} Or give one value for each filter.")


def _lists(checkpoints: Mapping[ModelRef, Checkpoint]) -> list[str]:
    """Names of all lists of modules, the one with the most tensors first."""
    counts: dict[str, int] = {}
    for checkpoint in checkpoints.values():
        for match in filter(None, map(NUMBERED.match, checkpoint.tensors)):
            counts[match["stack"]] = counts.get(match["stack"], 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def _warn_of_factors(recipe: Recipe, checkpoints: Mapping[ModelRef, Checkpoint], findings: Findings) -> None:
    """Warn where factors of adapters would be merged one by one."""
    if len(checkpoints) > 1 and recipe.merge_method != "passthrough":
        name = next((n for c in checkpoints.values() for n in c.tensors if _FACTORS.search(n)), None)
        if name is not None:
            what = (
                f"these are factors of adapters ({name:.120}), and each is merged by itself: the product of two means is "
                "not the mean of the products."
            )
            how = (
                "This suits adapters that were trained from the same start; nbmerge.merge_adapters merges the products."
            )
            findings.warning(("models",), what, how)
