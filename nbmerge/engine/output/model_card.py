"""The model card of a merged model: its models and its recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nbmerge.engine.planning.plans import Plan
from nbmerge.recipe.yaml_text import dump_yaml

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def card(plan: Plan) -> str:
    """The text of README.md for a merged model."""
    method = plan.method
    references = plan.recipe.references
    models = "\n".join(f"- {_code(str(ref))}{' (base)' if ref == plan.recipe.base_model else ''}" for ref in references)
    what, program = ("merge", "mergekit") if plan.recipe.experts is None else ("mixture", "mergekit-moe")
    front: dict[str, Any] = {"tags": ["merge", *(["moe"] if plan.recipe.experts else []), "nbmerge"]}
    if plan.bare:
        program = "mergekit-pytorch"
    else:
        front = {"library_name": "transformers"} | front
    if hub := [ref.path for ref in references if _HUB_ID.fullmatch(ref.path) and not Path(ref.path).exists()]:
        front["base_model"] = hub
    return f"""---
{dump_yaml(front).rstrip()}
---

# A {what} of {", ".join(_code(plan.labels[ref]) for ref in references)}

Made with [nbmerge](https://github.com/nbmerge/nbmerge) by **{method.title}** ({method.reference}).
{method.words}

## Models

{models}

{_contents(plan)}

## Recipe

`nbmerge merge nbmerge_recipe.yml OUT` reproduces this model byte for byte. {program} also reads this recipe.

```yaml
{plan.recipe.to_yaml().rstrip()}
```

Recipe fingerprint: `{plan.recipe.fingerprint}`
"""


def _contents(plan: Plan) -> str:
    """What the folder contains besides the recipe."""
    if plan.bare:
        return f"These are {len(plan.tensors):,} tensors with {plan.parameters:,} parameters, without a config."
    return f"{_tokenizer(plan)}\nThe merged model has {plan.depth} layers and {plan.parameters:,} parameters."


def _tokenizer(plan: Plan) -> str:
    """Where config and tokenizer come from."""
    donor = _code(plan.labels[plan.donor])
    if plan.tokenizer is None:
        return f"Config and tokenizer are from {donor}."
    return f"The config is from {donor}; the tokenizer was built as the recipe describes."


def _code(text: str) -> str:
    """A name as Markdown code, whatever it holds."""
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
