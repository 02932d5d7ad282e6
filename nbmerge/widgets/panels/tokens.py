"""The Tokens panel: how the models' vocabularies differ, and which vocabulary the recipe chooses."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.engine.planning.tokens import count_rows
from nbmerge.errors import CheckpointError
from nbmerge.recipe import Recipe
from nbmerge.tokenizers.comparison import SPECIAL, TokenizerComparison
from nbmerge.widgets.controls.elements import field, row, set_visible, table, text
from nbmerge.widgets.panels.panel import Panel
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
SAMPLE = "The cat sat on the mat."


class TokensPanel(Panel):
    """Vocabularies side by side: tokens that only some models have, special tokens, and how each tokenizes a text."""

    title = "Tokens"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.source = field(ipywidgets.Dropdown, "Vocabulary", options=SOURCES)
        self.summary = text(kind="table")
        self.facts = text(kind="quiet")
        self.specials = text(kind="table")
        self.lists = text()
        self.rows_ = text(kind="table")
        self.sample = field(ipywidgets.Text, "Text", width="98%", value=SAMPLE, continuous_update=False)
        self.cuts = text(kind="table")
        self.cuts.add_class("nbm-cuts")
        self.compared: TokenizerComparison | None = None
        self._shown: tuple[tuple[str, Any], ...] | None = None
        self.source.observe(guard(lambda change: self._choose()), "value")
        self.sample.observe(guard(lambda change: self._cut()), "value")
        self.body = ipywidgets.VBox(
            [self.summary, self.facts, self.rows_, self.specials, self.lists, self.sample, self.cuts]
        )
        return [row(self.source), self.body]

    # --- state to screen ---

    def _refresh(self) -> None:
        recipe, plan = self.state.recipe, self.state.plan
        self.source.disabled = recipe is None
        if recipe is not None:
            self._busy = True
            chosen = find_choice(recipe)
            known = {value for _, value in SOURCES}
            self.source.options = SOURCES if chosen in known else [*SOURCES, (f"as in the recipe: {chosen}", chosen)]
            self.source.value = chosen
            self._busy = False
        self._compare()
        self.rows_.value = "" if plan is None else _describe_rows(plan)

    def _compare(self) -> None:
        folders = list_folders(self.state)
        key = tuple(folders.items())
        if key == self._shown:
            return
        self._shown = key
        try:
            self.compared = TokenizerComparison.of(folders) if folders else None
        except CheckpointError as error:
            self.compared = None
            self.facts.value = html.escape(str(error))
        set_visible(self.body, bool(folders))
        if self.compared is not None:
            missing = [m for m in folders if m not in self.compared.models]
            self.summary.value, self.specials.value = _summary(self.compared), _specials(self.compared)
            facts = [*self.compared.facts(), *(f"{m} has no tokenizer.json." for m in missing)]
            self.facts.value = (
                "<br>".join(map(html.escape, facts)) or "All models have the same tokens with the same ids."
            )
            self.lists.value = _lists(self.compared)
            self._cut()

    def _cut(self) -> None:
        if self.compared is not None:
            self.cuts.value = _cuts(self.compared, self.sample.value)

    # --- screen to state ---

    def _choose(self) -> None:
        recipe = self.state.recipe
        if self._busy or recipe is None:
            return
        self.state.set_recipe(set_vocabulary(recipe, self.source.value))


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


def _summary(compared: TokenizerComparison) -> str:
    rows = [
        [html.escape(m), d.kind, f"{len(d.ids):,}", f"{len(d.added):,}", f"{len(compared.own(m)):,}", f"{len(compared.lacking(m)):,}",
         f"{len(compared.moved(m)):,}"]
        for m, d in compared.documents.items()
    ]  # fmt: skip
    return table(["model", "kind", "tokens", "added", "only here", "missing", "other id"], rows)


def _specials(compared: TokenizerComparison) -> str:
    names = [n for n in SPECIAL if any(n in s for s in compared.specials.values())]
    rows = [
        [html.escape(m), *(_token(s.get(n), compared.documents[m].ids.get(s.get(n, ""))) for n in names),
         "yes" if compared.templates[m] else "no"]
        for m, s in compared.specials.items()
    ]  # fmt: skip
    return table(["model", *names, "chat template"], rows)


def _token(token: str | None, number: int | None) -> str:
    if token is None:
        return ""
    return f"<code>{html.escape(token)}</code>" + ("" if number is None else f" {number}")


def _lists(compared: TokenizerComparison) -> str:
    parts = []
    for model in compared.models:
        for what, tokens in (("only in", compared.own(model)), ("with a different id in", compared.moved(model))):
            if tokens:
                shown = " ".join(f"<code>{html.escape(t)}</code>" for t in tokens[:SHOWN])
                more = f" and {len(tokens) - SHOWN:,} more" if len(tokens) > SHOWN else ""
                head = f"{len(tokens):,} token{'s' if len(tokens) > 1 else ''} {what} {html.escape(model)}"
                parts.append(f"<details><summary>{head}</summary>{shown}{more}</details>")
    return "".join(parts)


def _describe_rows(plan: Plan) -> str:
    rows = [
        [html.escape(f.tensor), html.escape(f.model), *(f"{n:,}" for n in (f.own, f.others, f.mixed, f.mean, f.zero))]
        for f in count_rows(plan)
    ]
    return (
        table(["rows of the merged model", "model", "own", "of others", "mixed", "mean of all", "zero"], rows)
        if rows
        else ""
    )


def _cuts(compared: TokenizerComparison, sample: str) -> str:
    rows = []
    for model, cut in compared.cut(sample).items():
        shown = " ".join(f"<code title='{i}'>{html.escape(t)}</code>" for t, i in cut[:SHOWN])
        rows.append([html.escape(model), str(len(cut)), shown])
    return table(["model", "tokens", "the text in tokens"], rows)
