"""The recipe: what the user wants, as plain validated data, independent of any widget, file or weight.

A recipe is immutable. Every change makes a new one, so history, undo and comparison cost nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from nbmerge.errors import RecipeError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, Where
from nbmerge.recipe.changes import Changes
from nbmerge.recipe.defaults import said_anyway
from nbmerge.recipe.explain import explained, told, without
from nbmerge.recipe.makers import Makers
from nbmerge.recipe.parts import Dtype, DtypeRule, Model, Models, Module, Parameters, Part, Slice, Tokenizer, plain
from nbmerge.recipe.sections import Section, sections
from nbmerge.recipe.text import line_of

if TYPE_CHECKING:
    from nbmerge.recipe.writers import Export

VOCABULARIES = ("refuse", "edge-gradient", "zeros", "copy", "mean", "truncate")
"""Ways to treat vocabularies of different size."""


class Recipe(Makers, Changes, Part):
    """A merge, as data.

    Parameters
    ----------
    merge_method : str
        Name of a merge method, such as ``"slerp"``; `nbmerge.methods.names()` lists them.
    models : list of Source
        Models merged over their whole depth. Either this or `slices`.
    slices : list of Slice
        The output's layers, piece by piece.
    base_model : ModelRef, optional
        What task vectors are measured against, and the first end of a slerp.
    parameters : dict of str to Setting
        What holds for the whole merge.
    dtype, out_dtype : str, optional
        dtype of the result (`out_dtype` wins); default the stored one.
    embedding_source, final_norm_source, lm_head_source, config_source : ModelRef, optional
        Take these tensors, or config and tokenizer, from one model as they are.
    dtype_overrides : list of DtypeRule
        dtypes of single output tensors; the first filter that matches wins.
    tokenizer_source, tokenizer, chat_template
        What vocabulary the result has, as in mergekit; ``tokenizer_source: X`` is short for ``tokenizer: {source: X}``.
    vocabulary : str
        What becomes of vocabularies of different size without a tokenizer: refuse them, or bring embeddings and heads
        to one size by a rule of `VOCABULARIES`.
    modules : dict of str to Module
        Models of several stacks of layers, as in mergekit.
    random_seed : int
        Seed of random masks; default 0.
    name : str, optional
        What other recipes call this merge.
    merges : list of Recipe
        Merges, each with a `name`, that this one takes as models.

    Examples
    --------
    >>> from nbmerge import Recipe
    >>> recipe = Recipe.of({"merge_method": "slerp", "models": ["a", "b"], "parameters": {"t": [0, 1]}})
    >>> recipe.parameters["t"].at("model.layers.1.mlp.up_proj.weight", 0.5)
    0.5
    """

    name: str | None = None
    merge_method: str
    base_model: Model | None = None
    models: Models | None = None
    slices: tuple[Slice, ...] | None = None
    parameters: Parameters = Field(default_factory=dict)
    modules: dict[str, Module] | None = None
    dtype: Dtype | None = None
    out_dtype: Dtype | None = None
    dtype_overrides: tuple[DtypeRule, ...] = ()
    tokenizer_source: str | None = None
    tokenizer: Tokenizer | None = None
    chat_template: str | None = None
    vocabulary: Literal[VOCABULARIES] = "refuse"
    embedding_source: Model | None = None
    final_norm_source: Model | None = None
    lm_head_source: Model | None = None
    config_source: Model | None = None
    random_seed: int = Field(default=0, ge=0, lt=2**64)
    merges: tuple[Recipe, ...] = ()

    _found: str = PrivateAttr(default="a recipe")
    _lines: dict[Where, int] = PrivateAttr(default_factory=dict)
    _notes: tuple[Problem, ...] = PrivateAttr(default=())
    _dialect: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _whole(self) -> Recipe:
        forms = [n for n in ("models", "slices", "modules") if getattr(self, n) is not None]
        if len(forms) != 1:
            raise ValueError("a recipe has exactly one of 'models', 'slices' and 'modules'.")
        if not getattr(self, forms[0]):
            raise ValueError(f"'{forms[0]}' is empty; name at least one model.")
        if self.tokenizer is not None and self.tokenizer_source is not None:
            raise ValueError("a recipe has either 'tokenizer' or 'tokenizer_source'.")
        if not all(m.name for m in self.merges):
            raise ValueError("a merge that feeds another needs a 'name'.")
        return self

    @classmethod
    def of(cls, data: Any, lines: dict[Where, int] | None = None) -> Recipe:
        """Validate plain data.

        Raises
        ------
        RecipeError
            With every problem, each with its place and, where `lines` is given, its line.
        """
        if isinstance(data, Recipe):
            return data
        if not isinstance(data, Mapping):
            raise RecipeError(
                [Problem("error", (), "a recipe is a mapping with 'merge_method' and 'models' or 'slices'.")]
            )
        try:
            recipe = cls.model_validate(dict(data))
        except ValidationError as error:
            problems = [explained(e, lines or {}, list(cls.model_fields), data) for e in told(error.errors())]
            raise RecipeError(problems, cls._rest(data, [p.where for p in problems], lines or {})) from None
        recipe._lines = lines or {}
        return recipe

    @classmethod
    def _rest(cls, data: Mapping[str, Any], wrong: Iterable[Where], lines: dict[Where, int]) -> Recipe | None:
        """The recipe without its wrong parts; None where it is none without them."""
        rest = without(data, wrong)
        try:
            recipe = None if rest is None else cls.model_validate(rest)
        except ValidationError:
            return None
        if recipe is not None:
            recipe._lines = lines
        return recipe

    @classmethod
    def load(cls, source: str | Path | Mapping | Recipe, dialect: str | None = None) -> Recipe:
        """Read a recipe from a path or a text in any format known; `found` says which it was.

        Parameters
        ----------
        source : str, Path, mapping or Recipe
            A text or file of any format that `nbmerge.recipe.readers` knows, a merged model's folder or safetensors
            file, or plain data.
        dialect : str, optional
            Interpret it as this release of mergekit does, such as ``"mergekit-0.1"``, in place of what a key `dialect`
            in the recipe says; see `nbmerge.recipe.dialects`.

        Raises
        ------
        RecipeError
            With the line of what is not understood.
        """
        from nbmerge.recipe.load import load

        return load(source, dialect)

    @property
    def found(self) -> str:
        """What `load` found, in words."""
        return self._found

    @property
    def dialect(self) -> str:
        """The dialect that it was read in."""
        return self._dialect or "nbmerge"

    @property
    def wanted_tokenizer(self) -> Tokenizer | None:
        """What `tokenizer` or its short form `tokenizer_source` says of the result's vocabulary."""
        short = None if self.tokenizer_source is None else Tokenizer(source=self.tokenizer_source)
        return self.tokenizer or short

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What the text that was read says beyond this recipe, and what was decided in reading it."""
        return self._notes

    def read_as(self, found: str | None = None, notes: Iterable[Problem] = (), like: Recipe | None = None) -> Recipe:
        """The same recipe with what is known about where it was read.

        Parameters
        ----------
        found : str, optional
            What the text was, in words.
        notes : iterable of Problem
            Added to those it has.
        like : Recipe, optional
            Take over lines, notes and the words from the recipe that this one was made of.
        """
        copy, of = self.model_copy(), like or self
        copy._found, copy._lines, copy._notes = found or of._found, of._lines, (*of._notes, *notes)
        copy._dialect = of._dialect
        return copy

    def line(self, where: Where) -> int | None:
        """Line of a place in the text this was read from, None where there was none."""
        return line_of(where, self._lines)

    @property
    def pieces(self) -> tuple[Slice, ...]:
        """All slices of all sections; the `models` form is one slice over all layers."""
        return tuple(piece for section in self.sections for piece in section.slices)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The recipe as one section for the whole model, or one for each of its modules."""
        return sections(self)

    @property
    def references(self) -> list[ModelRef]:
        """Every model that is named, each once: inputs in the order named, then the base, then donors."""
        named = [s.model for piece in self.pieces for s in piece.sources]
        bases = [piece.base_model for piece in self.pieces]
        donors = [
            self.base_model,
            *bases,
            self.embedding_source,
            self.final_norm_source,
            self.lm_head_source,
            self.config_source,
        ]
        return list(dict.fromkeys([*named, *(d for d in donors if d is not None)]))

    def merge_named(self, ref: ModelRef) -> Recipe | None:
        """The merge that a model of this recipe stands for, None where it is a checkpoint."""
        return next((m for m in self.merges if m.name == ref.path), None)

    def plain(self) -> dict[str, Any]:
        """The recipe as plain data, in a fixed order, without what is left at its default."""
        return plain(self)

    def to_yaml(self) -> str:
        """YAML that mergekit also reads and, whatever its version, understands in the same way.

        Where a gradient reaches the final norm or the head, their values are spelled out, because versions of mergekit
        differ there. Merges that feed this one come first, as documents of their own. `to_mergekit` says what mergekit
        cannot do of it.
        """
        from nbmerge.recipe.writers.own import to_yaml

        return to_yaml(self)

    def to_mergekit(self) -> Export:
        """YAML for mergekit 0.1.5 to compute the same model from, and what it cannot express."""
        from nbmerge.recipe.writers.mergekit import to_mergekit

        return to_mergekit(self)

    def to_python(self, name: str = "recipe") -> str:
        """A notebook cell that makes this recipe again and calls it `name`."""
        from nbmerge.recipe.writers.python import to_python

        return to_python(self, name)

    def in_words(self, plan: Any = None) -> str:
        """The recipe in sentences; with its `Plan`, layer by layer."""
        from nbmerge.recipe.writers.words import in_words

        return in_words(self, plan)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the meaning: equal across processes, key order, formatting and ways to write the same value."""
        return hashlib.sha256(json.dumps(self._meaning(), sort_keys=True).encode()).hexdigest()

    def _meaning(self) -> dict[str, Any]:
        """Plain data in which the same meaning is the same text."""
        from nbmerge.recipe.ends import folded

        idle = said_anyway(self)
        same = {
            "parameters": {n: s for n, s in self.parameters.items() if n not in idle},
            "dtype": self.out_dtype or self.dtype,
            "out_dtype": None,
            "tokenizer_source": None,
            "tokenizer": self.wanted_tokenizer,
            "merges": tuple(m._meaning() for m in self.merges),
        }
        return plain(self.model_copy(update=same), lambda setting: folded(setting).plain())

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self._meaning() == other._meaning()

    def __repr__(self) -> str:
        models = " + ".join(dict.fromkeys(s.model.name for p in self.pieces for s in p.sources))
        return f"<Recipe {self.merge_method}: {models} ({self.fingerprint[:8]})>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        import html

        return f"<pre style='font-family:var(--jp-code-font-family,monospace)'>{html.escape(self.to_yaml())}</pre>"
