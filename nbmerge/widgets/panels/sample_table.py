"""Samples as a table: rows are prompts, columns are the merge as it is now, pinned merges and parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from nbmerge.widgets.state.sampling_session import (
    MERGE,
    PIN,
    Continuation,
    ModelOutput,
    mark_changed,
)

ACCENT = "var(--jp-brand-color1, #1976d2)"
"""Colour of the merge and its pins; parents have that of their curves."""


@dataclass(frozen=True)
class Column:
    """A model of the table.

    Parameters
    ----------
    output : ModelOutput
    colour : str
    reference : sequence of Continuation
        What its texts are compared with; tokens that differ are marked.
    stale : bool
        Whether it is of an earlier recipe.
    """

    output: ModelOutput
    colour: str = ACCENT
    reference: Sequence[Continuation] = ()
    stale: bool = False


def draw_table(prompts: Sequence[str], columns: Sequence[Column]) -> Mapping[str, Any]:
    """The table as the browser takes it; text stays text."""
    return {
        "prompts": list(prompts),
        "columns": [_head(column) for column in columns],
        "rows": [[_cell(column, prompt) for column in columns] for prompt in prompts],
    }


def _head(column: Column) -> dict[str, Any]:
    output = column.output
    title = "Now" if output.kind == MERGE else f"Pinned {output.name}" if output.kind == PIN else output.name
    return {
        "name": output.name, "kind": output.kind, "title": title, "colour": column.colour,
        "detail": output.description, "stale": column.stale, "recipe": output.fingerprint[:8],
    }  # fmt: skip


def _cell(column: Column, prompt: str) -> dict[str, Any] | None:
    """The continuation of a prompt in runs of equal mark; None where there is none."""
    text = next((t for t in column.output.continuations if t.prompt == prompt), None)
    if text is None:
        return None
    before = next((t for t in column.reference if t.prompt == prompt and t.status == "done"), None)
    flags = [False] * len(text.pieces) if before is None else _mark_changed(text.pieces, before.pieces)
    pairs = zip(flags, text.pieces, strict=True)
    runs = [["".join(p for _, p in group), new] for new, group in groupby(pairs, key=lambda pair: pair[0])]
    note = _count_changes(sum(flags), len(flags)) if before is not None and text.status == "done" else ""
    return {"runs": runs, "status": text.status, "note": note, "tokens": len(text.pieces)}


@lru_cache(maxsize=128)
def _mark_changed(pieces: tuple[str, ...], reference: tuple[str, ...]) -> list[bool]:
    """Remembered, since long texts take long to compare and are drawn with every move of a slider."""
    return mark_changed(pieces, reference)


def _count_changes(number: int, total: int) -> str:
    return f"{number} of {total} tokens changed" if number else "no change"
