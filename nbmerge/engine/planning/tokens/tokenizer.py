"""Which tokenizer a result gets, and whether its models' vocabularies are brought together by token or by size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.tokens.vocabulary import BySize, ByToken, in_order
from nbmerge.errors import CheckpointError
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.tokenizers import Document, OutputTokenizer, read_document
from nbmerge.tokenizers.comparison import TokenizerComparison
from nbmerge.tokenizers.output_tokenizer import chat_template
from nbmerge.tokenizers.templates import NAMED, chosen
from nbmerge.tokenizers.union import named, union, without


def vocabulary_of(
    recipe: Recipe,
    checkpoints: Mapping[ModelRef, Checkpoint],
    labels: Mapping[ModelRef, str],
    donor: ModelRef,
    involved: Iterable[ModelRef],
    tokenizers: Mapping[ModelRef, OutputTokenizer],
    findings: Findings,
) -> ByToken | BySize | OutputTokenizer | None:
    """What becomes of the vocabularies; None where they fit as they are.

    Parameters
    ----------
    donor : ModelRef
        Whose config the result has.
    involved : iterable of ModelRef
        Models whose embeddings or heads go into the result.
    tokenizers : mapping of ModelRef to OutputTokenizer
        Tokenizers of merges that feed this one.
    """
    try:
        made = _Maker(recipe, checkpoints, labels, donor, list(dict.fromkeys(involved)), tokenizers, findings)
        return made.by_token() if recipe.tokenizer_source or recipe.tokenizer else made.by_size()
    except CheckpointError as error:
        findings.error((), str(error))
        return None


class _Maker:
    def __init__(self, recipe, checkpoints, labels, donor, involved, tokenizers, findings: Findings):
        self.recipe, self.checkpoints, self.labels, self.donor = recipe, checkpoints, labels, donor
        self.involved, self.tokenizers, self.findings = involved, tokenizers, findings

    def document(self, ref: ModelRef) -> Document | None:
        """A model's tokenizer; that of a merge which is not made yet is known as well."""
        made = self.tokenizers.get(ref)
        return (made.document if made else None) or read_document(self.folder(ref))

    def folder(self, ref: ModelRef):
        """Where a model's tokenizer files are."""
        made = self.tokenizers.get(ref)
        return made.folder if made else self.checkpoints[ref].path

    def template(self, folder, inherited: str | None = None) -> str | None:
        """The chat template that the recipe asks for; None leaves the folder's own."""
        wish = self.recipe.chat_template
        if wish is None:
            return inherited
        found = chosen(wish, [chat_template(self.folder(r)) for r in self.recipe.references])
        if found is None:
            how = f"Known: auto, {', '.join(NAMED)}, or a Jinja text."
            self.findings.error(("chat_template",), f"there is no chat template '{wish}'.", how)
        return found

    # --- by token ---

    def by_token(self) -> ByToken | None:
        key = "tokenizer_source" if self.recipe.tokenizer_source else "tokenizer"
        wish = self.recipe.tokenizer_source or self.recipe.tokenizer.source
        checkpoints, documents = self._open_owners()
        if not self._all_have_documents(documents, key):
            return None
        rows = {r: checkpoints[r].vocabulary or 0 for r in documents}
        found = self._source(wish, key, _represented(documents, rows, self.findings))
        if found is None:
            return None
        folder, document = found
        if self.recipe.tokenizer:
            document = named(document, tuple(self.recipe.tokenizer.tokens))
        written = self._written(folder, document)
        donor = self._stranger(folder, documents)
        made = ByToken(self.recipe, checkpoints, documents=documents, document=document, written=written, donor=donor)
        self._check_rules(made)
        self._note_differences(key)
        return None if self.findings.fatal else made

    def _stranger(self, folder: Path, documents: Iterable[ModelRef]) -> Checkpoint | None:
        """The model that a tokenizer's folder belongs to, None where it is one of those that are merged."""
        merged = any(self.folder(r) == folder for r in documents if r in self.checkpoints)
        return None if merged else Checkpoint.open(folder)

    def _written(self, folder: Path, document: Document) -> OutputTokenizer:
        template = self.template(folder, self._template_of_another(folder))
        changed = None if document is read_document(folder) else document
        return OutputTokenizer(folder, self.checkpoints[self.donor].path, changed, template)

    def _note_differences(self, key: str) -> None:
        for fact in TokenizerComparison.of({self.labels[r]: self.folder(r) for r in in_order(self.recipe)}).facts():
            self.findings.info((key,), fact)

    def _open_owners(self) -> tuple[dict[ModelRef, Checkpoint], dict[ModelRef, Document]]:
        """The models whose tokens are known or named, and the tokenizers of those that have one."""
        checkpoints, documents = dict(self.checkpoints), {}
        for ref in dict.fromkeys([*in_order(self.recipe), *self._named_in_tokens()]):
            if ref not in checkpoints:
                checkpoints[ref] = Checkpoint.open(ref)
            document = self._owned_document(ref, checkpoints[ref])
            if document is not None:
                documents[ref] = document
        return checkpoints, documents

    def _all_have_documents(self, documents: Mapping[ModelRef, Document], key: str) -> bool:
        lacking = [self.labels.get(r, r.name) for r in self.recipe.references if r not in documents]
        if lacking:
            how = "Save its tokenizer once with transformers (AutoTokenizer.from_pretrained, save_pretrained)."
            what = f"{', '.join(lacking)} has no tokenizer.json, so its tokens are not known."
            self.findings.error((key,), what, how)
        return not lacking

    def _owned_document(self, ref: ModelRef, checkpoint: Checkpoint) -> Document | None:
        if ref in self.tokenizers:
            return self.tokenizers[ref].document or read_document(self.tokenizers[ref].folder)
        return read_document(checkpoint.path)

    def _named_in_tokens(self) -> list[ModelRef]:
        rules = self.recipe.tokenizer.tokens.values() if self.recipe.tokenizer else ()
        sources = [r.source for r in rules if r.source is not None]
        found = [s if isinstance(s, ModelRef) else s.model for s in sources]
        return [f for f in found if f is not None]

    def _source(self, wish: str, key: str, documents: Mapping[ModelRef, Document]):
        """Folder and contents of the tokenizer that a recipe asks for."""
        order = [r for r in in_order(self.recipe) if r in documents]
        if wish == "union":
            kinds = {documents[r].kind for r in order}
            if len(kinds) > 1:
                what = (
                    f"the tokenizers are of different kinds ({', '.join(sorted(kinds))}), so hardly a token is shared."
                )
                how = "Choose one model's tokenizer as the source; tokens that others lack are then approximated."
                self.findings.warning((key,), what, how)
            return self.folder(order[0]), union(tuple(documents[r] for r in order))
        if wish == "base":
            base = self.recipe.base_model
            if base is None:
                self.findings.error(
                    (key,),
                    "'base' is the base model's tokenizer, and none is named.",
                    "Set base_model, or name a model.",
                )
                return None
            return self.folder(base), documents[base]
        path = wish.removeprefix("model:")
        ref = next((r for r in self.recipe.references if str(r) == path or r.path == path), None)
        ref = ref or next((r for r in self.recipe.references if self.labels[r] == path), None)
        if ref is not None:
            return self.folder(ref), documents[ref]
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

    def _template_of_another(self, folder) -> str | None:
        """A chat template for a tokenizer without one, from the first model that has one."""
        if chat_template(folder) is not None or self.recipe.chat_template is not None:
            return None
        for ref in in_order(self.recipe):
            if ref in self.checkpoints and (found := chat_template(self.folder(ref))):
                self.findings.info(
                    (), f"the chat template is that of {self.labels[ref]}, since the tokenizer's source has none."
                )
                return found
        return None

    def _check_rules(self, made: ByToken) -> None:
        rules = self.recipe.tokenizer.tokens if self.recipe.tokenizer else {}
        for token, rule in rules.items():
            source, where = rule.source, ("tokenizer", "tokens", token, "source")
            if source is None or getattr(source, "kind", "") in ("zero", "mean"):
                continue
            ref = source if isinstance(source, ModelRef) else source.model
            if ref not in made.documents:
                self.findings.error(where, f"{ref.name} has no tokenizer.json, so its tokens are not known.")
                continue
            text = token if isinstance(source, ModelRef) else source.token
            row = made.documents[ref].ids.get(text) if text is not None else source.token_id
            if row is None or row >= made.rows_of(ref):
                self.findings.error(
                    where, f"{ref.name} has no token {text if text is not None else source.token_id!r}."
                )

    # --- by size ---

    def by_size(self) -> BySize | OutputTokenizer | None:
        rows = {r: n for r in self.involved if (n := self.checkpoints[r].vocabulary)}
        mode = self.recipe.vocabulary
        if len(set(rows.values())) < 2:
            return self._plain()
        padding = mode == "refuse"
        if padding and not self._only_padding(rows):
            return self._plain()
        total = min(rows.values()) if mode == "truncate" else max(rows.values())
        longest = max(rows, key=rows.get)
        if padding:
            text = ", ".join(f"{self.labels[r]} {n}" for r, n in rows.items())
            self.findings.info((), f"rows beyond the tokens are padding ({text}); the result has {total}.")
            written = self._plain()
        else:
            written = self._fitting(rows, total)
        mode = "copy" if padding else mode
        return BySize(self.recipe, self.checkpoints, mode=mode, rows=total, longest=longest, written=written)

    def _only_padding(self, rows: Mapping[ModelRef, int]) -> bool:
        """Whether the rows in which models differ belong to no token of any of them."""
        documents = [self.document(r) for r in rows]
        return all(d is not None and d.size <= min(rows.values()) for d in documents)

    def _fitting(self, rows: Mapping[ModelRef, int], total: int) -> OutputTokenizer | None:
        """The tokenizer that fits the rows: as many tokens as rows, else of the model with as many rows."""
        documents = {r: d for r in rows if (d := self.document(r))}
        ref = self.recipe.config_source
        if ref is None:
            exact = [r for r, d in documents.items() if d.size == total]
            ref = next(iter(exact), next((r for r, n in rows.items() if n == total), self.donor))
            if ref != self.donor:
                self.findings.info(
                    ("vocabulary",), f"the tokenizer is that of {self.labels[ref]}, which fits {total} rows."
                )
        document, changed = self.document(ref), self.tokenizers[ref].document if ref in self.tokenizers else None
        if document is not None and document.size > total:
            changed = document.without({t for t, i in document.ids.items() if i >= total})
            self.findings.warning(
                ("vocabulary",),
                f"{document.size - total} tokens of {self.labels[ref]} have no row and are left out of the tokenizer.",
            )
        folder = self.folder(ref)
        return OutputTokenizer(folder, self.checkpoints[self.donor].path, changed, self.template(folder))

    def _plain(self) -> OutputTokenizer | None:
        """The donor's tokenizer, where anything is to be said of it."""
        made = self.tokenizers.get(self.donor)
        if self.recipe.chat_template is None:
            return made
        folder = self.folder(self.donor)
        return OutputTokenizer(
            folder, self.checkpoints[self.donor].path, made.document if made else None, self.template(folder)
        )


def _represented(
    documents: Mapping[ModelRef, Document], rows: Mapping[ModelRef, int], findings: Findings
) -> dict[ModelRef, Document]:
    """Tokenizers without the tokens whose numbers lie beyond the rows of every model that lists them."""
    beyond = {t for r, d in documents.items() if d.size > rows[r] for t, i in d.ids.items() if i >= rows[r]}
    owned = {t for t in beyond for r, d in documents.items() if d.ids.get(t, rows[r]) < rows[r]}
    gone = beyond - owned
    if not gone:
        return dict(documents)
    what = f"{len(gone)} tokens that no model has a row for are left out of the tokenizer ({min(gone)!r})."
    findings.info((), what)
    return {r: without(d, frozenset(gone & d.ids.keys())) if gone & d.ids.keys() else d for r, d in documents.items()}
