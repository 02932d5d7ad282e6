"""The model card of a merge: what went in, by which recipe, to do again by anyone."""

from __future__ import annotations

from nbmerge.engine.plan import Plan


def card(plan: Plan) -> str:
    """The text of README.md for a merged model."""
    method = plan.method
    models = "\n".join(f"- `{ref}`{' (base)' if ref == plan.recipe.base_model else ''}" for ref in plan.recipe.references)
    hub = [str(r.path) for r in plan.recipe.references if r.path.count("/") == 1 and not r.path.startswith((".", "/", "~"))]
    front = ["library_name: transformers", "tags:", "- merge", "- nbmerge"]
    if hub:
        front += ["base_model:", *(f"- {h}" for h in hub)]
    newline = "\n"
    return f"""---
{newline.join(front)}
---

# A merge of {", ".join(plan.labels[r] for r in plan.recipe.references)}

Made with [nbmerge](https://github.com/nbmerge/nbmerge) by **{method.title}** ({method.reference}).
{method.words}

## Models

{models}

Config and tokenizer are those of `{plan.labels[plan.donor]}`.
The result has {plan.depth} layers and {plan.parameters:,} parameters.

## Recipe

`nbmerge merge nbmerge_recipe.yml OUT` makes the same model again, byte for byte. mergekit reads this recipe, too.

```yaml
{plan.recipe.to_yaml().rstrip()}
```

Recipe fingerprint: `{plan.recipe.fingerprint}`
"""
