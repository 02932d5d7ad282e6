"""The recipe: what is merged and how, as plain validated data, independent of any widget, file or weight.

A recipe is immutable. Every change makes a new one, so history, undo and comparison cost nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from nbmerge.errors import RecipeError
from nbmerge.model_ref import ModelRef
from nbmerge.presentation import Displayed, draw
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe import constructors, edits
from nbmerge.recipe.meaning import canonical_data
from nbmerge.recipe.parts import (
    Dtype,
    DtypeRule,
    Expert,
    Model,
    Models,
    Module,
    Names,
    Parameters,
    Part,
    Slice,
    Tokenizer,
    plain,
)  # fmt: skip
from nbmerge.recipe.sections import Section, sections
from nbmerge.recipe.validation_errors import drop_consequences, explain_error, remove_keys
from nbmerge.recipe.yaml_text import line_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbmerge.recipe.writers import Export

Vocabulary = Literal["refuse", "edge-gradient", "zeros", "copy", "mean", "truncate"]
VOCABULARIES: tuple[str, ...] = get_args(Vocabulary)
"""Ways to treat vocabularies of different sizes."""
MissingTensors = Literal["refuse", "leave-out", "merge-rest"]
GateMode = Literal["hidden", "hidden_avg", "hidden_last", "cheap_embed", "random", "uniform_random"]
GATE_MODES: tuple[str, ...] = get_args(GateMode)
"""What the routers of a mixture are made from."""
MIXTURE = "moe"
"""`merge_method` of a mixture of experts; it may be left out, as mergekit-moe's files do."""


def _gate_mode(raw: Any) -> Any:
    if raw not in GATE_MODES:
        raise ValueError(f"unknown gate_mode '{raw!s:.60}'. {nearest(str(raw)[:60], GATE_MODES)}")
    return raw


class Recipe(Displayed, Part):
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
        What task vectors are relative to, and the first end of a slerp.
    parameters : dict of str to Setting
        Parameters of the whole merge.
    dtype, out_dtype : str, optional
        dtype of the result (`out_dtype` wins); default the stored one.
    embedding_source, final_norm_source, lm_head_source, config_source : ModelRef, optional
        Take these tensors, or config and tokenizer, from one model as they are.
    dtype_overrides : list of DtypeRule
        dtypes of single output tensors; the first filter that matches wins.
    tokenizer_source, tokenizer, chat_template
        The vocabulary of the result, as in mergekit; ``tokenizer_source: X`` is short for ``tokenizer: {source: X}``.
    vocabulary : str
        How to treat vocabularies of different sizes without a tokenizer: refuse them, or bring embeddings and heads to
        one size by a rule of `VOCABULARIES`.
    modules : dict of str to Module
        Parts of a model with several stacks of layers, as in mergekit.
    experts : list of Expert
        Models whose MLPs stand side by side behind a router, in a mixture of experts; all else is from `base_model`.
    shared_experts : list of Expert
        Those that every token passes through.
    gate_mode : str
        What the routers of a mixture are made from, one of `GATE_MODES`: hidden states of the base model for the experts'
        prompts ("hidden" and "hidden_last": of their last tokens; "hidden_avg": of all), embeddings of the prompts' tokens, or
        random numbers.
    experts_per_token : int
        Number of experts that a token is routed to.
    architecture : str, optional
        Architecture of a mixture, where the models fit several.
    fill_from : ModelRef, optional
        A larger model that the result is a part of, such as one with a vision tower: all other tensors, config and tokenizer are
        from there.
    fill_prefix : str, optional
        What the names of the result begin with there; default the prefix that fits most tensors.
    stacks : str or list of str
        For bare weights, which have no config: the lists of modules that are layers, such as ``transformer_blocks``.
    missing_tensors : "refuse", "leave-out" or "merge-rest"
        For bare weights: what to do about a tensor that some models do not have.
    random_seed : int
        Seed of random numbers; default 0.
    name : str, optional
        Name by which other recipes refer to this merge.
    merges : list of Recipe
        Merges, each with a `name`, that this one uses as models.

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
    vocabulary: Vocabulary = "refuse"
    embedding_source: Model | None = None
    final_norm_source: Model | None = None
    lm_head_source: Model | None = None
    config_source: Model | None = None
    experts: tuple[Expert, ...] | None = None
    shared_experts: tuple[Expert, ...] = ()
    gate_mode: Annotated[GateMode, BeforeValidator(_gate_mode)] = "hidden"
    experts_per_token: int = Field(default=2, ge=1)
    architecture: str | None = None
    fill_from: Model | None = None
    fill_prefix: str | None = None
    stacks: Names = ()
    missing_tensors: MissingTensors = "refuse"
    random_seed: int = Field(default=0, ge=0, lt=2**64)
    merges: tuple[Recipe, ...] = ()

    _origin: str = PrivateAttr(default="a recipe")
    _lines: dict[Where, int] = PrivateAttr(default_factory=dict)
    _notes: tuple[Problem, ...] = PrivateAttr(default=())
    _dialect: str | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _mixtures(cls, data: Any) -> Any:
        """mergekit-moe's files name no method."""
        named = not isinstance(data, Mapping) or "experts" not in data or data.get("merge_method") is not None
        return data if named else {"merge_method": MIXTURE, **{k: v for k, v in data.items() if k != "merge_method"}}

    @model_validator(mode="after")
    def _whole(self) -> Recipe:
        forms = [n for n in ("models", "slices", "modules", "experts") if getattr(self, n) is not None]
        if len(forms) != 1:
            raise ValueError("a recipe needs exactly one of 'models', 'slices', 'modules' and 'experts'.")
        if self.experts is not None and self.merge_method != MIXTURE:
            raise ValueError(f"a recipe with 'experts' has no merge_method, or '{MIXTURE}', not '{self.merge_method}'.")
        if self.experts is None and (self.shared_experts or self.architecture):
            raise ValueError("'shared_experts' and 'architecture' belong to a mixture, which has 'experts'.")
        if not getattr(self, forms[0]):
            raise ValueError(f"'{forms[0]}' is empty; name at least one model.")
        if self.tokenizer is not None and self.tokenizer_source is not None:
            raise ValueError("a recipe can have 'tokenizer' or 'tokenizer_source', not both.")
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
            problems = [
                explain_error(e, lines or {}, list(cls.model_fields), data) for e in drop_consequences(error.errors())
            ]
            raise RecipeError(problems, cls._rest(data, [p.where for p in problems], lines or {})) from None
        recipe._lines = lines or {}
        return recipe

    @classmethod
    def _rest(cls, data: Mapping[str, Any], wrong: Iterable[Where], lines: dict[Where, int]) -> Recipe | None:
        """The recipe without its invalid parts; None if the rest is not a recipe."""
        rest = remove_keys(data, wrong)
        try:
            recipe = None if rest is None else cls.model_validate(rest)
        except ValidationError:
            return None
        if recipe is not None:
            recipe._lines = lines
        return recipe

    @classmethod
    def load(cls, source: str | PathLike[str] | Mapping[str, Any] | Recipe, dialect: str | None = None) -> Recipe:
        """Read a recipe from a path or a text in any known format; `origin` describes which it was.

        Parameters
        ----------
        source : str, Path, mapping or Recipe
            A text or file of any format that `nbmerge.recipe.readers` knows, a merged model's folder or safetensors
            file, or plain data.
        dialect : str, optional
            Interpret it as this release of mergekit does, such as ``"mergekit-0.1"``; overrides the key `dialect` in
            the recipe. See `nbmerge.recipe.dialects`.

        Raises
        ------
        RecipeError
            With the line of what cannot be read.
        """
        from nbmerge.recipe.load import load

        return load(source, dialect)

    block_merge = classmethod(constructors.block_merge)
    block_gradient = classmethod(constructors.block_gradient)
    slerp_merge = classmethod(constructors.slerp_merge)
    unet_merge = classmethod(constructors.unet_merge)

    @property
    def origin(self) -> str:
        """What the recipe was read from, in words: "a recipe", "YAML text", "a bakllama config", ..."""
        return self._origin

    @property
    def dialect(self) -> str:
        """The dialect that it was read in."""
        return self._dialect or "nbmerge"

    @property
    def declared_dialect(self) -> str | None:
        """The dialect that its text names; empty for mergekit's language without one, None for any other text."""
        return self._dialect

    @property
    def wanted_tokenizer(self) -> Tokenizer | None:
        """The result's vocabulary, from `tokenizer` or its short form `tokenizer_source`."""
        short = None if self.tokenizer_source is None else Tokenizer(source=self.tokenizer_source)
        return self.tokenizer or short

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Notes on what the text contains beyond this recipe, and on decisions made while reading it."""
        return self._notes

    def with_origin(
        self, origin: str | None = None, notes: Iterable[Problem] = (), like: Recipe | None = None,
        dialect: str | None = None,
    ) -> Recipe:  # fmt: skip
        """The same recipe with what is known about the text it was read from.

        Parameters
        ----------
        origin : str, optional
            What the text was, in words.
        notes : iterable of Problem
            Added to the notes that it has.
        like : Recipe, optional
            Take over lines, notes, dialect and origin from the recipe that this one was made of.
        dialect : str, optional
            The dialect that it was read in.
        """
        copy, source = self.model_copy(), like or self
        copy._origin = origin or source._origin
        copy._lines, copy._notes = source._lines, (*source._notes, *notes)
        copy._dialect = source._dialect if dialect is None else dialect
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
    def inputs(self) -> list[ModelRef]:
        """The models that are merged, or the experts of a mixture, each once and without a base that is not listed itself."""
        merged = [source.model for piece in self.pieces for source in piece.sources]
        experts = [expert.source_model for expert in (*(self.experts or ()), *self.shared_experts)]
        return list(dict.fromkeys([*merged, *experts]))

    @property
    def references(self) -> list[ModelRef]:
        """Every model that is named, each once: inputs in the order named, then the base, then donors."""
        bases = [piece.base_model for piece in self.pieces]
        donors = [
            self.base_model,
            *bases,
            self.embedding_source,
            self.final_norm_source,
            self.lm_head_source,
            self.config_source,
            self.fill_from,
        ]
        return list(dict.fromkeys([*self.inputs, *(d for d in donors if d is not None)]))

    def merge_named(self, ref: ModelRef) -> Recipe | None:
        """The merge that a model of this recipe stands for, None where it is a checkpoint."""
        return next((m for m in self.merges if m.name == ref.path), None)

    def replace(self, **changes: Any) -> Recipe:
        """A copy with other fields, validated again."""
        return type(self).of(self.plain() | {k: plain(v) for k, v in changes.items()})

    with_parameter = edits.with_parameter
    with_models = edits.with_models
    with_references = edits.with_references
    find = edits.find
    each_setting = edits.each_setting

    def plain(self) -> dict[str, Any]:
        """The recipe as plain data, in a fixed order, without what is left at its default."""
        return plain(self)

    def to_yaml(self) -> str:
        """YAML that mergekit also reads and, whatever its version, understands in the same way.

        Where a gradient reaches the final norm or the head, their values are spelled out, because versions of mergekit
        differ there. Merges that feed this one come first, as separate documents. `to_mergekit` lists what mergekit
        cannot express.
        """
        from nbmerge.recipe.writers.nbmerge_yaml import to_yaml

        return to_yaml(self)

    def to_mergekit(self) -> Export:
        """YAML from which mergekit 0.1.5 computes the same model, and what it cannot express."""
        from nbmerge.recipe.writers.mergekit import to_mergekit

        return to_mergekit(self)

    def to_python(self, name: str = "recipe") -> str:
        """A notebook cell that recreates this recipe as the variable `name`."""
        from nbmerge.recipe.writers.python import to_python

        return to_python(self, name)

    def describe(self, plan: Any = None) -> str:
        """The recipe in sentences; with its `Plan`, layer by layer."""
        from nbmerge.recipe.writers.prose import describe

        return describe(self, plan)

    def plot(
        self,
        parameters: str | Iterable[str] | None = None,
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot the gradients over the layers; for slices, also which layers of which model they are.

        If all models are folders on this machine, their headers are read, and the plot shows the value of each layer. Otherwise
        it shows what the recipe says, from the first layer to the last. Nothing is downloaded.

        Parameters
        ----------
        parameters : str or iterable of str, optional
            Parameters to plot, such as ``"weight"``; default those that differ from their defaults.
        theme : "auto", "light" or "dark"
            "auto" is transparent, for notebooks of either theme; "light" is for paper, "dark" for slides.
        width : float
            Of the figure, in inches; the height follows from what is shown.
        font_size : float
            Of the text, in points; margins grow with it.

        Returns
        -------
        matplotlib.figure.Figure
            Shown by notebooks as the result of a cell; ``figure.savefig("gradients.pdf")`` writes it to a file.

        Raises
        ------
        ArgumentError
            When it has no such parameter, or nothing that can be plotted.

        Examples
        --------
        One column of a paper:

        >>> import nbmerge as nbm
        >>> figure = nbm.demo.recipe().plot("weight", theme="light", width=3.4, font_size=7)
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['weight']
        """
        return draw("recipe", self, parameters, theme=theme, width=width, font_size=font_size)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the meaning: equal across processes, key order, formatting and ways to write the same value."""
        return hashlib.sha256(json.dumps(canonical_data(self), sort_keys=True).encode()).hexdigest()

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Recipe) and canonical_data(self) == canonical_data(other)

    def __repr__(self) -> str:
        models = " + ".join(dict.fromkeys(ref.name for ref in self.inputs))
        return f"<Recipe {self.merge_method}: {models} ({self.fingerprint[:8]})>"

    __str__ = __repr__
