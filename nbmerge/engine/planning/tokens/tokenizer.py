"""Which tokenizer a result gets, and whether its models' vocabularies are aligned by token or by size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.tokens.named_tokens import named_token
from nbmerge.engine.planning.tokens.vocabulary import BySize, ByToken, base_first
from nbmerge.errors import CheckpointError
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.parts import Tokenizer, TokenSource
from nbmerge.tokenizers import Document, OutputTokenizer, read_document
from nbmerge.tokenizers.comparison import TokenizerComparison
from nbmerge.tokenizers.output_tokenizer import chat_template
from nbmerge.tokenizers.templates import NAMED, chosen
from nbmerge.tokenizers.union import named, union, without


def align_vocabularies(
    recipe: Recipe,
    checkpoints: Mapping[ModelRef, Checkpoint],
    labels: Mapping[ModelRef, str],
    donor: ModelRef,
    involved: Iterable[ModelRef],
    tokenizers: Mapping[ModelRef, OutputTokenizer],
    findings: Findings,
) -> ByToken | BySize | OutputTokenizer | None:
    """How the models' vocabularies are aligned; None if they need no alignment.

    Parameters
    ----------
    donor : ModelRef
        The model whose config the result gets.
    involved : iterable of ModelRef
        Models whose embeddings or heads go into the result.
    tokenizers : mapping of ModelRef to OutputTokenizer
        Tokenizers of merges that feed this one.
    """
    planner = _VocabularyPlanner(
        recipe, checkpoints, labels, donor, list(dict.fromkeys(involved)), tokenizers, findings
    )
    wanted = None if recipe.tokenizer_source == "" else recipe.wanted_tokenizer  # an empty source means the donor's
    try:
        return planner.plan_by_size() if wanted is None else planner.plan_by_token(wanted)
    except CheckpointError as error:
        findings.error((), str(error))
        return None


@dataclass(frozen=True, eq=False)
class _VocabularyPlanner:
    """The steps of `align_vocabularies`, which has the fields as its arguments."""

    recipe: Recipe
    checkpoints: Mapping[ModelRef, Checkpoint]
    labels: Mapping[ModelRef, str]
    donor: ModelRef
    involved: Sequence[ModelRef]
    tokenizers: Mapping[ModelRef, OutputTokenizer]
    findings: Findings

    def document(self, ref: ModelRef) -> Document | None:
        """A model's tokenizer, also if the model is a merge that is not made yet; None if it has no tokenizer.json."""
        made = self.tokenizers.get(ref)
        return (made.document if made else None) or read_document(self.folder(ref))

    def folder(self, ref: ModelRef) -> Path:
        """The folder of a model's tokenizer files."""
        made = self.tokenizers.get(ref)
        return made.folder if made else self.checkpoints[ref].path

    def template(self, inherited: str | None = None) -> str | None:
        """The chat template that the recipe asks for, else the inherited one; None keeps that of the tokenizer."""
        wish = self.recipe.chat_template
        if wish is None:
            return inherited
        found = chosen(wish, [chat_template(self.folder(r)) for r in self.recipe.references])
        if found is None:
            how = f"Known: auto, {', '.join(NAMED)}, or a Jinja text."
            self.findings.error(("chat_template",), f"unknown chat template '{wish}'.", how)
        return found

    # --- by token ---

    def plan_by_token(self, wanted: Tokenizer) -> ByToken | None:
        """Rows for the tokens that the recipe chooses; None if that is impossible, which is reported."""
        key = "tokenizer_source" if self.recipe.tokenizer_source else "tokenizer"
        checkpoints, documents = self._open_owners()
        if not self._all_have_documents(documents, key):
            return None
        rows = {r: checkpoints[r].vocabulary or 0 for r in documents}
        found = self._find_source(wanted.source, key, _without_unrepresented(documents, rows, self.findings))
        if found is None:
            return None
        folder, document = found
        if self.recipe.tokenizer:
            document = named(document, tuple(self.recipe.tokenizer.tokens))
        written = self._output_tokenizer(folder, document)
        donor = self._unmerged_owner(folder, documents)
        made = ByToken(self.recipe, checkpoints, documents=documents, document=document, written=written, donor=donor)
        self._check_rules(made)
        self._note_differences(key)
        return None if self.findings.fatal else made

    def _unmerged_owner(self, folder: Path, documents: Iterable[ModelRef]) -> Checkpoint | None:
        """The model that a tokenizer's folder belongs to, None if it is one of the merged models."""
        merged = any(self.folder(r) == folder for r in documents if r in self.checkpoints)
        return None if merged else Checkpoint.open(folder)

    def _output_tokenizer(self, folder: Path, document: Document) -> OutputTokenizer:
        template = self.template(self._inherit_template(folder))
        changed = None if document is read_document(folder) else document
        return OutputTokenizer(folder, self.checkpoints[self.donor].path, changed, template)

    def _note_differences(self, key: str) -> None:
        folders = {self.labels[r]: self.folder(r) for r in base_first(self.recipe)}
        for fact in TokenizerComparison.of(folders).facts():
            self.findings.info((key,), fact)

    def _open_owners(self) -> tuple[dict[ModelRef, Checkpoint], dict[ModelRef, Document]]:
        """The models whose tokens are used, and the tokenizers of those that have one."""
        checkpoints = dict(self.checkpoints)
        documents: dict[ModelRef, Document] = {}
        for ref in dict.fromkeys([*base_first(self.recipe), *self._named_in_tokens()]):
            if ref not in checkpoints:
                checkpoints[ref] = Checkpoint.open(ref)
            document = self._owned_document(ref, checkpoints[ref])
            if document is not None:
                documents[ref] = document
        return checkpoints, documents

    def _all_have_documents(self, documents: Mapping[ModelRef, Document], key: str) -> bool:
        missing = [self.labels.get(r, r.name) for r in self.recipe.references if r not in documents]
        if missing:
            how = "Save its tokenizer once with transformers (AutoTokenizer.from_pretrained, save_pretrained)."
            what = f"{', '.join(missing)} has no tokenizer.json, so its tokens are not known."
            self.findings.error((key,), what, how)
        return not missing

    def _owned_document(self, ref: ModelRef, checkpoint: Checkpoint) -> Document | None:
        if ref in self.tokenizers:
            return self.tokenizers[ref].document or read_document(self.tokenizers[ref].folder)
        return read_document(checkpoint.path)

    def _named_in_tokens(self) -> list[ModelRef]:
        """The models that the recipe's rules for single tokens name."""
        rules = self.recipe.tokenizer.tokens.values() if self.recipe.tokenizer else ()
        named = (r.source.model if isinstance(r.source, TokenSource) else r.source for r in rules)
        return [ref for ref in named if ref is not None]

    def _find_source(self, wish: str, key: str, documents: Mapping[ModelRef, Document]) -> tuple[Path, Document] | None:
        """Folder and contents of the tokenizer that a recipe asks for; None if it cannot be read, which is reported."""
        if wish == "union":
            return self._join_tokenizers(key, documents)
        if wish == "base":
            base = self.recipe.base_model
            if base is None:
                what = "'base' is the base model's tokenizer, but the recipe has no base_model."
                self.findings.error((key,), what, "Set base_model, or name a model.")
                return None
            return self.folder(base), documents[base]
        path = wish.removeprefix("model:")
        ref = next((r for r in self.recipe.references if str(r) == path or r.path == path), None)
        ref = ref or next((r for r in self.recipe.references if self.labels[r] == path), None)
        return self._open_tokenizer(path, key) if ref is None else (self.folder(ref), documents[ref])

    def _join_tokenizers(self, key: str, documents: Mapping[ModelRef, Document]) -> tuple[Path, Document]:
        """The union of the models' tokenizers."""
        refs = [r for r in base_first(self.recipe) if r in documents]
        kinds = {documents[r].kind for r in refs}
        if len(kinds) > 1:
            what = f"the tokenizers are of different kinds ({', '.join(sorted(kinds))}), so few tokens are shared."
            how = "Choose one model's tokenizer as the source; tokens that other models do not have are approximated."
            self.findings.warning((key,), what, how)
        return self.folder(refs[0]), union(tuple(documents[r] for r in refs))

    def _open_tokenizer(self, path: str, key: str) -> tuple[Path, Document] | None:
        """The tokenizer of a model that is not merged."""
        try:
            folder = Checkpoint.open(path).path
        except (CheckpointError, ValueError) as error:
            self.findings.error((key,), f"{error}", "A tokenizer's source is union, base, or a model.")
            return None
        document = read_document(folder)
        if document is None:
            self.findings.error(
                (key,), f"{folder} has no tokenizer.json.", "Save its tokenizer once with transformers."
            )
            return None
        return folder, document

    def _inherit_template(self, folder: Path) -> str | None:
        """A chat template for a tokenizer without one, from the first model that has one."""
        if chat_template(folder) is not None or self.recipe.chat_template is not None:
            return None
        for ref in base_first(self.recipe):
            if ref in self.checkpoints and (found := chat_template(self.folder(ref))):
                what = f"the chat template is that of {self.labels[ref]}, since the tokenizer's source has none."
                self.findings.info((), what)
                return found
        return None

    def _check_rules(self, made: ByToken) -> None:
        rules = self.recipe.tokenizer.tokens if self.recipe.tokenizer else {}
        for token, rule in rules.items():
            named = None if rule.source is None else named_token(token, rule.source)
            if named is None:
                continue
            where = ("tokenizer", "tokens", token, "source")
            if named.ref not in made.documents:
                self.findings.error(where, f"{named.ref.name} has no tokenizer.json, so its tokens are not known.")
                continue
            row = named.find_row(made.documents[named.ref])
            if row is None or row >= made.rows_of(named.ref):
                self.findings.error(where, f"{named.ref.name} has no token {named.token}.")

    # --- by size ---

    def plan_by_size(self) -> BySize | OutputTokenizer | None:
        """Equal numbers of rows, if the models' embeddings have different ones."""
        rows = {r: n for r in self.involved if (n := self.checkpoints[r].vocabulary)}
        mode = self.recipe.vocabulary
        if len(set(rows.values())) < 2:
            return self._donor_tokenizer()
        padding = mode == "refuse"
        if padding and not self._only_padding(rows):
            return self._donor_tokenizer()
        total = min(rows.values()) if mode == "truncate" else max(rows.values())
        longest = max(rows, key=rows.__getitem__)
        if padding:
            text = ", ".join(f"{self.labels[r]} {n}" for r, n in rows.items())
            self.findings.info((), f"rows after the last token are padding ({text}); the result has {total}.")
            written = self._donor_tokenizer()
        else:
            written = self._find_fitting(rows, total)
        mode = "copy" if padding else mode
        return BySize(self.recipe, self.checkpoints, mode=mode, rows=total, longest=longest, written=written)

    def _only_padding(self, rows: Mapping[ModelRef, int]) -> bool:
        """Whether the rows that not all models have are without a token in all of them."""
        documents = [self.document(r) for r in rows]
        return all(d is not None and d.size <= min(rows.values()) for d in documents)

    def _find_fitting(self, rows: Mapping[ModelRef, int], total: int) -> OutputTokenizer | None:
        """The tokenizer with as many tokens as rows, else that of the model with as many rows."""
        documents = {r: d for r in rows if (d := self.document(r))}
        ref = self.recipe.config_source
        if ref is None:
            exact = [r for r, d in documents.items() if d.size == total]
            ref = next(iter(exact), next((r for r, n in rows.items() if n == total), self.donor))
            if ref != self.donor:
                what = f"the tokenizer is that of {self.labels[ref]}, which fits {total} rows."
                self.findings.info(("vocabulary",), what)
        document, changed = self.document(ref), self.tokenizers[ref].document if ref in self.tokenizers else None
        if document is not None and document.size > total:
            changed = document.without({t for t, i in document.ids.items() if i >= total})
            what = (
                f"{document.size - total} tokens of {self.labels[ref]} have no row and are left out of the tokenizer."
            )
            self.findings.warning(("vocabulary",), what)
        return OutputTokenizer(self.folder(ref), self.checkpoints[self.donor].path, changed, self.template())

    def _donor_tokenizer(self) -> OutputTokenizer | None:
        """The donor's tokenizer; None if it is copied unchanged."""
        made = self.tokenizers.get(self.donor)
        if self.recipe.chat_template is None:
            return made
        changed = made.document if made else None
        return OutputTokenizer(self.folder(self.donor), self.checkpoints[self.donor].path, changed, self.template())


def _without_unrepresented(
    documents: Mapping[ModelRef, Document], rows: Mapping[ModelRef, int], findings: Findings
) -> dict[ModelRef, Document]:
    """Tokenizers without the tokens that have no row in any model that lists them."""
    beyond = {t for r, d in documents.items() if d.size > rows[r] for t, i in d.ids.items() if i >= rows[r]}
    owned = {t for t in beyond for r, d in documents.items() if d.ids.get(t, rows[r]) < rows[r]}
    gone = beyond - owned
    if not gone:
        return dict(documents)
    what = f"{len(gone)} tokens that no model has a row for are left out of the tokenizer ({min(gone)!r})."
    findings.info((), what)
    return {r: without(d, frozenset(gone & d.ids.keys())) if gone & d.ids.keys() else d for r, d in documents.items()}
