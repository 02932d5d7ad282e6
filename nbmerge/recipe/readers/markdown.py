"""A README or model card: the first of its code blocks that contains a recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbmerge.errors import RecipeError
from nbmerge.recipe.readers.recipe_text import RecipeText, reading_error
from nbmerge.recipe.recipe import Recipe

_FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<word>[\w+-]*)[^`]*$")
MAX_BLOCKS = 200
YAML = ("yaml", "yml")
HINTS = ("merge_method", "layer_slices", "genome:", "operations:", "--merge", "--model_path1", "mergekit-yaml")
"""What a block contains that is meant as a recipe."""


def read(text: RecipeText) -> Recipe | None:
    """Read the first block in YAML that validates, else the first of any other kind that is a recipe."""
    if "```" not in text.raw and "~~~" not in text.raw:
        return None
    from nbmerge.recipe.readers import read as read_any

    blocks = [b for b in _blocks(text.raw) if any(h in b[2] for h in HINTS)]
    blocks.sort(key=lambda b: b[1] not in YAML)
    first_error: RecipeError | None = None
    for line, _, block in blocks:
        try:
            recipe = read_any(block, line + text.above, "markdown")
        except RecipeError as error:
            first_error = first_error or error
            continue
        return recipe.with_origin(f"{recipe.origin} in Markdown, line {line + 1 + text.above}")
    if first_error:
        raise first_error
    if _is_yaml(text):
        return None
    raise reading_error("no code block in this text is a recipe.", "Paste only the recipe.")


def _is_yaml(text: RecipeText) -> bool:
    """Whether the fences are part of a comment or text in a YAML recipe."""
    return bool(text.mapping)


def _blocks(raw: str) -> Iterator[tuple[int, str, str]]:
    """Each fenced block: number of lines above it, its language, its text without the fence's indent."""
    block: list[str] | None = None
    fence, word, indent, above, count = "", "", "", 0, 0
    for number, line in enumerate(raw.splitlines(), start=1):
        match = _FENCE.match(line) if len(line) < 400 else None
        if block is None:
            if match:
                block, fence, word, indent, above = [], match["fence"], match["word"].lower(), match["indent"], number
        elif match and match["fence"].startswith(fence) and not match["word"]:
            yield above, word, "\n".join(block) + "\n"
            block, count = None, count + 1
            if count >= MAX_BLOCKS:
                return
        else:
            block.append(line.removeprefix(indent) if indent else line)
    if block is not None:
        yield above, word, "\n".join(block) + "\n"
