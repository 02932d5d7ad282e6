"""Whose tokens the result has, and its dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError
from nbmerge.recipe import Recipe
from nbmerge.recipe.parts import DTYPES
from nbmerge.tokenizers.comparison import TokenizerComparison
from nbmerge.widgets.panels.setup.form import Form
from nbmerge.widgets.panels.tokens import find_choice, list_folders, list_options, set_vocabulary


class VocabularyForm(Form):
    """Choose the vocabulary and the dtype of the result; the Tokens panel compares vocabularies token by token."""

    kind = "vocabulary"
    _compared: tuple[Any, list[list[str]], list[str]] = (None, [], [])

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the browser may ask for."""
        return {"choose_vocabulary": self.choose, "set_dtype": self.set_dtype}

    def choose(self, value: str) -> None:
        """Choose the vocabulary of the result."""
        self.state.edit(lambda recipe: set_vocabulary(recipe, value))

    def set_dtype(self, value: str) -> None:
        """Choose the dtype of the result; empty for that of the models."""
        self.state.edit(lambda recipe: recipe.replace(dtype=value or None, out_dtype=None))

    def content(self) -> dict[str, Any]:
        """All that the browser draws."""
        recipe = self.state.recipe
        rows, facts = self._compare()
        chosen = find_choice(recipe) if recipe is not None else ""
        stored = _find_stored_dtype(recipe)
        dtypes = [{"value": "", "label": f"as stored ({stored})" if stored else "as stored"}]
        return {
            "value": chosen, "options": list_options(chosen), "rows": rows, "facts": facts,
            "dtype": (recipe.out_dtype or recipe.dtype or "") if recipe is not None else "",
            "dtypes": [*dtypes, *({"value": d, "label": d} for d in DTYPES)],
        }  # fmt: skip

    def _compare(self) -> tuple[list[list[str]], list[str]]:
        """A row for each model, and what differs in words; read when the models change."""
        folders = list_folders(self.state)
        key = tuple(folders.items())
        if key != self._compared[0]:
            try:
                self._compared = key, *_describe(TokenizerComparison.of(folders), folders)
            except CheckpointError as error:
                self._compared = key, [], [str(error)]
        return self._compared[1], self._compared[2]


def _describe(compared: TokenizerComparison, folders: Mapping[str, Any]) -> tuple[list[list[str]], list[str]]:
    rows = [
        [
            m,
            f"{len(d.ids):,}",
            f"{len(compared.own(m)):,}",
            f"{len(compared.lacking(m)):,}",
            f"{len(compared.moved(m)):,}",
        ]
        for m, d in compared.documents.items()
    ]
    missing = [f"{m} has no tokenizer.json." for m in folders if m not in compared.models]
    facts = [*compared.facts(), *missing]
    return rows, facts or (["All models have the same tokens with the same ids."] if rows else [])


def _find_stored_dtype(recipe: Recipe | None) -> str:
    """The dtype in which the first model is stored."""
    if recipe is None:
        return ""
    try:
        return Checkpoint.open(recipe.base_model or recipe.references[0], ask=False).dtype
    except CheckpointError:
        return ""
