"""The Tokens panel: how the models' vocabularies differ, and which vocabulary the recipe chooses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ipywidgets

from nbmerge.engine.planning.tokens import count_rows
from nbmerge.errors import CheckpointError
from nbmerge.recipe import Recipe
from nbmerge.tokenizers.comparison import SPECIAL, TokenizerComparison
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.names import tell_apart
from nbmerge.widgets.state.studio_state import StudioState

SOURCES = [
    ("unchanged", ""),
    ("union; mean of the models that have a token", "owners union"),
    ("base model's; mean of the models that have a token", "owners base"),
    ("union; missing rows filled", "fill union"), ("base model's; missing rows filled", "fill base"),
    ("by size: edge gradient", "edge-gradient"), ("by size: zeros", "zeros"), ("by size: copy", "copy"),
    ("by size: mean", "mean"), ("by size: truncate", "truncate"),
]  # fmt: skip
SHOWN = 60
"""Most tokens of a list on screen."""
LETTERS = 32
"""Letters of a model's name."""
SAMPLE = "The cat sat on the mat."


class TokensView(View):
    """The drawing of the Tokens panel."""

    script = "vocabularies"


class TokensPanel(Panel):
    """Vocabularies side by side: tokens that only some models have, special tokens, and how each tokenizes a text.

    Attributes
    ----------
    compared : TokenizerComparison or None
        The tokenizers of the recipe's models; None where they cannot be read.
    sample : str
        The text that is shown in the tokens of each model.
    """

    title = "Tokens"

    def _build(self) -> list[ipywidgets.Widget]:
        self.compared: TokenizerComparison | None = None
        self.sample = SAMPLE
        self._fault = ""
        self._folders: list[tuple[str, Any]] = []
        self.view = TokensView({"choose": self.choose, "set_sample": self.set_sample}, self.errors)
        return [self.view]

    # --- state to screen ---

    def _refresh(self) -> None:
        self._compare()
        recipe, compared = self.state.recipe, self.compared
        chosen = "" if recipe is None else find_choice(recipe)
        self.view.show({
            "options": list_options(chosen), "value": chosen, "disabled": recipe is None, "facts": self._list_facts(),
            "tables": [] if compared is None else self._list_tables(compared),
            "lists": [] if compared is None else _list_differences(compared),
            "sample": self.sample, "cuts": [] if compared is None else _cut(compared, self.sample),
        })  # fmt: skip

    def _compare(self) -> None:
        """Read the tokenizers, where the models have changed."""
        folders = list(list_folders(self.state).items())
        if folders == self._folders:
            return
        self._folders, self._fault, self.compared = folders, "", None
        if folders:
            try:
                self.compared = TokenizerComparison.of(dict(folders))
            except CheckpointError as error:
                self._fault = str(error)

    def _list_facts(self) -> list[str]:
        if self.compared is None:
            return [self._fault] if self._fault else []
        missing = [f"{m} has no tokenizer.json." for m, _ in self._folders if m not in self.compared.models]
        return [*self.compared.facts(), *missing] or ["All models have the same tokens with the same ids."]

    def _list_tables(self, compared: TokenizerComparison) -> list[dict[str, Any]]:
        tables = [_summarise(compared), _list_specials(compared)]
        if self.state.plan is not None and (rows := count_rows(self.state.plan)):
            tables.insert(1, _describe_rows(rows))
        return tables

    # --- screen to state ---

    def choose(self, value: str) -> None:
        """Choose the vocabulary of the result, one of `SOURCES`."""
        recipe = self.state.recipe
        if recipe is not None:
            self.state.set_recipe(set_vocabulary(recipe, value))

    def set_sample(self, text: str) -> None:
        """Show how each model tokenizes a text."""
        self.sample = text
        self._refresh()


def set_vocabulary(recipe: Recipe, choice: str) -> Recipe:
    """The recipe with a vocabulary of `SOURCES`."""
    kind, _, source = choice.partition(" ")
    fields: dict[str, Any] = {"tokenizer_source": None, "tokenizer": None, "vocabulary": None}
    if kind == "owners":
        fields["tokenizer"] = {"source": source, "rows": "owners"}
    elif kind == "fill":
        fields["tokenizer"] = {"source": source}
    elif kind:
        fields["vocabulary"] = kind
    return recipe.replace(**fields)


def list_options(chosen: str) -> list[dict[str, str]]:
    """The vocabularies to choose from, and one that only the recipe names."""
    options = [{"value": value, "label": label} for label, value in SOURCES]
    if chosen not in {value for _, value in SOURCES}:
        options.append({"value": chosen, "label": f"as in the recipe: {chosen}"})
    return options


def find_choice(recipe: Recipe) -> str:
    """The vocabulary that a recipe chooses, in the words of `SOURCES`."""
    if wanted := recipe.wanted_tokenizer:
        return f"{'owners' if wanted.rows == 'owners' else 'fill'} {wanted.source}"
    return "" if recipe.vocabulary == "refuse" else recipe.vocabulary


def list_folders(state: StudioState) -> dict[str, Any]:
    """Label and folder of each model of the recipe, the base first, also where there is no plan."""
    recipe = state.recipe
    if recipe is None:
        return {}
    from nbmerge.checkpoints import Checkpoint

    folders = {}
    refs = [*([recipe.base_model] if recipe.base_model else []), *recipe.references]
    for ref in dict.fromkeys(refs):
        try:
            path = Checkpoint.open(ref).path
        except CheckpointError:
            continue  # the setup bar shows the error
        folders[ref.name if ref.name not in folders else str(ref)] = path
    return folders


def _summarise(compared: TokenizerComparison) -> dict[str, Any]:
    names = _name_models(compared.models)
    rows = [
        [
            names[m],
            d.kind,
            *(f"{len(n):,}" for n in (d.ids, d.added, compared.own(m), compared.lacking(m), compared.moved(m))),
        ]
        for m, d in compared.documents.items()
    ]
    return {"head": ["model", "kind", "tokens", "added", "only here", "missing", "other id"], "rows": rows}


def _list_specials(compared: TokenizerComparison) -> dict[str, Any]:
    names = [n for n in SPECIAL if any(n in s for s in compared.specials.values())]
    short = _name_models(compared.models)
    rows = [
        [short[m], *(_describe_token(s.get(n), compared.documents[m].ids.get(s.get(n, ""))) for n in names),
         "yes" if compared.templates[m] else "no"]
        for m, s in compared.specials.items()
    ]  # fmt: skip
    return {"head": ["model", *names, "chat template"], "rows": rows}


def _name_models(models: Iterable[str]) -> dict[str, dict[str, str]]:
    """Cells for models: short names, whole on hover."""
    whole = list(dict.fromkeys(models))
    short = tell_apart(whole, LETTERS)
    return {name: {"name": cell, "whole": name} for name, cell in zip(whole, short, strict=True)}


def _describe_token(token: str | None, number: int | None) -> str | dict[str, str]:
    return "" if token is None else {"token": token, "note": "" if number is None else str(number)}


def _list_differences(compared: TokenizerComparison) -> list[dict[str, Any]]:
    lists, names = [], _name_models(compared.models)
    for model in compared.models:
        for what, tokens in (("only in", compared.own(model)), ("with a different id in", compared.moved(model))):
            if tokens:
                title = f"{len(tokens):,} token{'s' if len(tokens) > 1 else ''} {what} {names[model]['name']}"
                more = max(len(tokens) - SHOWN, 0)
                lists.append({"title": title, "tokens": list(tokens[:SHOWN]), "more": more})
    return lists


def _describe_rows(rows: Iterable[Any]) -> dict[str, Any]:
    counts = list(rows)
    names = _name_models([f.model for f in counts])
    cells = [
        [f.tensor, names[f.model], *(f"{n:,}" for n in (f.own, f.others, f.mixed, f.mean, f.zero))] for f in counts
    ]
    head = ["rows of the merged model", "model", "own", "of others", "mixed", "mean of all", "zero"]
    return {"head": head, "rows": cells}


def _cut(compared: TokenizerComparison, sample: str) -> list[dict[str, Any]]:
    names = _name_models(compared.models)
    return [
        {"model": names[model], "count": len(cut), "tokens": [[text, number] for text, number in cut[:SHOWN]]}
        for model, cut in compared.cut(sample).items()
    ]
