"""The recipe: what the user wants, as plain validated data, independent of any widget, file or weight.

A recipe is immutable. Every change makes a new one, so history, undo and comparison cost nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe.reference import ModelRef
from nbmerge.recipe.setting import Setting
from nbmerge.recipe.text import dump, line_of

DTYPES = ("float64", "float32", "float16", "bfloat16")

NOT_YET = {
    "tokenizer": "merging vocabularies",
    "tokenizer_source": "merging vocabularies",
    "chat_template": "choosing a chat template",
    "modules": "models of several modules",
    "dtype_overrides": "dtypes per tensor",
}
"""Keys of mergekit's language that are understood but not carried out, with what they are for."""


def _dtype(raw: Any) -> str:
    name = str(raw).removeprefix("torch.").lower()
    name = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}.get(name, name)
    if name not in DTYPES:
        raise ValueError(f"'{raw}' is not a dtype to merge in. {nearest(name, DTYPES)}")
    return name


def _layer_range(raw: Any) -> tuple[int, int]:
    ok = isinstance(raw, list | tuple) and len(raw) == 2 and all(isinstance(x, int) and not isinstance(x, bool) for x in raw)
    if not ok:
        raise ValueError(f"a layer range is [first, end) with whole numbers, such as [0, 16], not {raw!r}.")
    first, end = raw
    if first < 0 or end <= first:
        raise ValueError(f"the layer range [{first}, {end}) holds no layer; count from 0, and the end is not included.")
    return first, end


def _parameters(raw: Any) -> dict[str, Setting]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise ValueError(f"parameters are a mapping of name to value, not {raw!r}.")
    return {str(k): Setting.of(v) for k, v in raw.items() if v is not None}


class _Part(BaseModel):
    """Common ground of all parts: immutable, and a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


Model = Annotated[ModelRef, BeforeValidator(ModelRef.of)]
Dtype = Annotated[str, BeforeValidator(_dtype)]
Range = Annotated[tuple[int, int], BeforeValidator(_layer_range)]
Parameters = Annotated[dict[str, Annotated[Setting, BeforeValidator(Setting.of)]], BeforeValidator(_parameters)]


class Source(_Part):
    """One model's share in a slice.

    Parameters
    ----------
    model : ModelRef
    layer_range : (int, int), optional
        First layer and the one behind the last. None means all layers.
    parameters : dict of str to Setting
        What holds for this model alone.
    """

    model: Model
    layer_range: Range | None = None
    parameters: Parameters = Field(default_factory=dict)


class Slice(_Part):
    """Layers of the output, made from the layers of its sources."""

    sources: tuple[Source, ...] = Field(min_length=1)
    parameters: Parameters = Field(default_factory=dict)


class Recipe(_Part):
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
    random_seed : int
        Seed of random masks; default 0.

    Examples
    --------
    >>> from nbmerge import Recipe
    >>> recipe = Recipe.of({"merge_method": "slerp", "models": ["a", "b"], "base_model": "a", "parameters": {"t": [0, 1]}})
    >>> recipe.parameters["t"].at("model.layers.1.mlp.up_proj.weight", 0.5)
    0.5
    """

    merge_method: str
    base_model: Model | None = None
    models: tuple[Source, ...] | None = None
    slices: tuple[Slice, ...] | None = None
    parameters: Parameters = Field(default_factory=dict)
    dtype: Dtype | None = None
    out_dtype: Dtype | None = None
    embedding_source: Model | None = None
    final_norm_source: Model | None = None
    lm_head_source: Model | None = None
    config_source: Model | None = None
    random_seed: int = Field(default=0, ge=0, lt=2**64)

    _found: str = PrivateAttr(default="a recipe")
    _lines: dict[Where, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, data: Any) -> Any:
        """Take a bare name for a model entry, and nulls for what is not said."""
        if not isinstance(data, Mapping):
            return data
        data = {k: v for k, v in data.items() if v is not None}
        for key in ("models",):
            if isinstance(data.get(key), list | tuple):
                data[key] = [x if isinstance(x, Mapping | Source) else {"model": x} for x in data[key]]
        return data

    @model_validator(mode="after")
    def _one_form(self) -> Recipe:
        if (self.models is None) == (self.slices is None):
            raise ValueError("a recipe has either 'models' or 'slices'.")
        if not (self.models or self.slices):
            raise ValueError(f"'{'models' if self.models is not None else 'slices'}' is empty; name at least one model.")
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
            raise RecipeError([Problem("error", (), "a recipe is a mapping with 'merge_method' and 'models' or 'slices'.")])
        try:
            recipe = cls.model_validate(dict(data))
        except ValidationError as error:
            raise RecipeError([_problem(e, lines or {}) for e in error.errors()]) from None
        recipe._lines = lines or {}
        return recipe

    @classmethod
    def load(cls, source: str | Path | Mapping | Recipe, dialect: str | None = None) -> Recipe:
        """Read a recipe from a path or a text in any format known; `found` says which it was.

        Parameters
        ----------
        source : str, Path, mapping or Recipe
            YAML text, a YAML file, a merged model folder, or plain data.
        dialect : "mergekit-0.1", optional
            Read with that release's meaning, in which final norm and head take a gradient's *first* value.

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

    def line(self, where: Where) -> int | None:
        """Line of a place in the text this was read from, None where there was none."""
        return line_of(where, self._lines)

    @property
    def pieces(self) -> tuple[Slice, ...]:
        """The recipe as slices; the `models` form is one slice over all layers."""
        return self.slices if self.slices is not None else (Slice(sources=self.models),)

    @property
    def references(self) -> list[ModelRef]:
        """Every model that is named, each once, inputs in the order named, then the base, then donors."""
        named = [s.model for piece in self.pieces for s in piece.sources]
        donors = [self.base_model, self.embedding_source, self.final_norm_source, self.lm_head_source, self.config_source]
        return list(dict.fromkeys([*named, *(d for d in donors if d is not None)]))

    def plain(self) -> dict[str, Any]:
        """The recipe as plain data, in a fixed order, without what is left at its default."""
        data = {name: _plain(getattr(self, name)) for name in _ORDER}
        return {k: v for k, v in data.items() if v not in (None, {}, []) and (k, v) != ("random_seed", 0)}

    def to_yaml(self) -> str:
        """YAML that mergekit also reads and, whatever its version, understands in the same way.

        Where a gradient reaches the final norm or the head, their values are spelled out
        (`Recipe.with_ends_spelled_out`), because versions of mergekit differ there.
        """
        from nbmerge.recipe.ends import spelled_out

        return dump(spelled_out(self).plain())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the meaning: equal across processes, key order, formatting and ways to write the same value."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()

    def replace(self, **changes: Any) -> Recipe:
        """A copy with other fields, validated again."""
        return Recipe.of(self.plain() | {k: _plain(v) for k, v in changes.items()})

    def with_parameter(self, name: str, value: Any, model: str | ModelRef | None = None) -> Recipe:
        """A copy with one parameter set, for the whole merge or for one model wherever it is a source.

        Parameters
        ----------
        name : str
        value : scalar, gradient, rules or None
            None removes the parameter.
        model : str or ModelRef, optional
            A model of the recipe, as written there or by its short name.
        """
        if model is None:
            return self.replace(parameters=_changed(self.parameters, name, value))
        ref = self.find(model)

        def change(source: Source) -> dict:
            parameters = _changed(source.parameters, name, value) if source.model == ref else source.parameters
            return _plain(source) | {"parameters": _plain(parameters)}

        if self.models is not None:
            return self.replace(models=[change(s) for s in self.models])
        return self.replace(slices=[_plain(p) | {"sources": [change(s) for s in p.sources]} for p in self.slices])

    def find(self, model: str | ModelRef) -> ModelRef:
        """The model of this recipe with that reference, path or short name.

        Raises
        ------
        RecipeError
            When there is none, or several share the name.
        """
        hits = [r for r in self.references if model in (r, str(r), r.path)]
        hits = hits or [r for r in self.references if r.name == model]
        if len(hits) != 1:
            names = [r.name for r in self.references]
            raise RecipeError([Problem("error", (), f"'{model}' is not one model of this recipe.", nearest(str(model), names))])
        return hits[0]

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.plain() == other.plain()

    def __repr__(self) -> str:
        models = " + ".join(dict.fromkeys(s.model.name for p in self.pieces for s in p.sources))
        return f"<Recipe {self.merge_method}: {models} ({self.fingerprint[:8]})>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        import html

        return f"<pre style='font-family:var(--jp-code-font-family,monospace)'>{html.escape(self.to_yaml())}</pre>"


_ORDER = (
    "merge_method", "base_model", "models", "slices", "parameters", "dtype", "out_dtype",
    "embedding_source", "final_norm_source", "lm_head_source", "config_source", "random_seed",
)  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, Setting | ModelRef):
        return value.plain()
    if isinstance(value, Source | Slice):
        names = type(value).model_fields
        return {n: p for n in names if (p := _plain(getattr(value, n))) not in (None, {}, [])}
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _changed(parameters: Mapping[str, Setting], name: str, value: Any) -> dict[str, Any]:
    rest = {k: v.plain() for k, v in parameters.items() if k != name}
    if value is None:
        return rest
    order = list(parameters) if name in parameters else [*parameters, name]
    changed = rest | {name: Setting.of(value).plain()}
    return {k: changed[k] for k in order}


def _problem(error: Mapping[str, Any], lines: dict[Where, int]) -> Problem:
    """Translate one finding of pydantic into ours."""
    where = tuple(error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        what, how = _unknown_key(where)
    elif kind == "missing":
        what, how = f"'{where[-1]}' is missing.", "Every recipe needs it." if len(where) == 1 else "Add it here."
    else:
        message = re.sub(r"^(Value error|Assertion failed), ", "", error["msg"])
        what, how = message if message.endswith((".", "?")) else f"{message} (found {error.get('input')!r:.80}).", ""
    return Problem("error", where, what, how, line_of(where, lines))


def _unknown_key(where: Where) -> tuple[str, str]:
    key = str(where[-1])
    if len(where) == 1 and key in NOT_YET:
        return f"'{key}' ({NOT_YET[key]}) is not carried out by this version.", "Remove it to use the base model's, unchanged."
    part = Recipe if len(where) == 1 else Source if "sources" in where or where[0] == "models" else Slice
    return f"unknown key '{key}'.", nearest(key, part.model_fields)


def sources(recipe: Recipe) -> Iterator[tuple[Where, Source]]:
    """Every source of a recipe with its place as written."""
    if recipe.models is not None:
        yield from ((("models", i), s) for i, s in enumerate(recipe.models))
        return
    for k, piece in enumerate(recipe.slices):
        yield from ((("slices", k, "sources", i), s) for i, s in enumerate(piece.sources))
