"""Recipes of mixtures that several tests build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

POSITIVE = (["abc", "hello world"], ["some text"])


def mixture(base: Path, experts: Sequence[Path], **fields: Any) -> dict[str, Any]:
    """A recipe of a mixture, with prompts for each expert; an expert may also be a mapping."""
    prompts = [POSITIVE[i] if i < len(POSITIVE) else ["abc" * i] for i in range(len(experts))]
    entries = [{"source_model": str(m), "positive_prompts": p} for m, p in zip(experts, prompts, strict=True)]
    return {"base_model": str(base), "experts": entries, **fields}
