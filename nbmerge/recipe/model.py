"""The recipe: what the user wants, as plain validated data, independent of any widget, file or weight.

A recipe is immutable. Every change makes a new one, so history, undo and comparison cost nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe.explain import explained
from nbmerge.recipe.parts import Dtype, DtypeRule, Model, Models, Module, Parameters, Part, Slice, Source, Tokenizer, plain
from nbmerge.recipe.reference import ModelRef
from nbmerge.recipe.setting import Setting
from nbmerge.recipe.text import dump, line_of


class Recipe(Part):
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
        What vocabulary the result has, as in mergekit.
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
    >>> recipe = Recipe.of({"merge_method": "slerp", "models": ["a", "b"], "base_model": "a", "parameters": {"t": [0, 1]}})
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
    embedding_source: Model | None = None
    final_norm_source: Model | None = None
    lm_head_source: Model | None = None
    config_source: Model | None = None
    random_seed: int = Field(default=0, ge=0, lt=2**64)
    merges: tuple[Recipe, ...] = ()

    _found: str = PrivateAttr(default="a recipe")
    _lines: dict[Where, int] = PrivateAttr(default_factory=dict)

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
            raise RecipeError([Problem("error", (), "a recipe is a mapping with 'merge_method' and 'models' or 'slices'.")])
        try:
            recipe = cls.model_validate(dict(data))
        except ValidationError as error:
            raise RecipeError([explained(e, lines or {}, list(cls.model_fields)) for e in error.errors()]) from None
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
        return self.slices if self.slices is not None else (Slice(sources=self.models),) if self.models is not None else ()

    @property
    def references(self) -> list[ModelRef]:
        """Every model that is named, each once: inputs in the order named, then the base, then donors."""
        named = [s.model for piece in self.pieces for s in piece.sources]
        donors = [self.base_model, self.embedding_source, self.final_norm_source, self.lm_head_source, self.config_source]
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
        differ there. Merges that feed this one come first, as documents of their own.
        """
        from nbmerge.recipe.ends import spelled_out

        spelled = [spelled_out(r).plain() for r in (*self.merges, self)]
        return "---\n".join(dump({k: v for k, v in data.items() if k != "merges"}) for data in spelled)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the meaning: equal across processes, key order, formatting and ways to write the same value."""
        return hashlib.sha256(json.dumps(self._meaning(), sort_keys=True).encode()).hexdigest()

    def _meaning(self) -> dict[str, Any]:
        """Plain data in which the same meaning is the same text."""
        from nbmerge.recipe.ends import folded

        return plain(self, lambda setting: folded(setting).plain())

    def replace(self, **changes: Any) -> Recipe:
        """A copy with other fields, validated again."""
        return Recipe.of(self.plain() | {k: plain(v) for k, v in changes.items()})

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
            return plain(source) | {"parameters": plain(parameters)}

        if self.models is not None:
            return self.replace(models=[change(s) for s in self.models])
        return self.replace(slices=[plain(p) | {"sources": [change(s) for s in p.sources]} for p in self.slices])

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
        return isinstance(other, Recipe) and self._meaning() == other._meaning()

    def __repr__(self) -> str:
        models = " + ".join(dict.fromkeys(s.model.name for p in self.pieces for s in p.sources))
        return f"<Recipe {self.merge_method}: {models} ({self.fingerprint[:8]})>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        import html

        return f"<pre style='font-family:var(--jp-code-font-family,monospace)'>{html.escape(self.to_yaml())}</pre>"


def _changed(parameters: Mapping[str, Setting], name: str, value: Any) -> dict[str, Any]:
    rest = {k: v.plain() for k, v in parameters.items() if k != name}
    if value is None:
        return rest
    order = list(parameters) if name in parameters else [*parameters, name]
    changed = rest | {name: Setting.of(value).plain()}
    return {k: changed[k] for k in order}


def documents(recipes: Iterable[Recipe]) -> Recipe:
    """One recipe of several that feed each other: the one that no other takes, the others as its `merges`."""
    everyone = list(recipes)
    names = [r.name for r in everyone if r.name]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise RecipeError([Problem("error", (), f"two documents are named '{twice}'.", "Give each a name of its own.")])
    taken = {ref.path for r in everyone for ref in r.references} & set(names)
    last = [r for r in everyone if r.name not in taken]
    if len(last) != 1:
        what = "the documents feed each other in a circle." if not last else f"{len(last)} of the documents feed no other one."
        raise RecipeError([Problem("error", (), what, "Keep exactly one that takes the others, directly or not.")])
    by_name = {r.name: r for r in everyone if r.name}

    def linked(recipe: Recipe, above: tuple[str, ...]) -> Recipe:
        inner = []
        for ref in recipe.references:
            if ref.path in above:
                how = "A merge cannot take its own result."
                raise RecipeError([Problem("error", (), f"the documents feed each other in a circle ({ref.path}).", how)])
            if ref.path in by_name:
                inner.append(linked(by_name[ref.path], (*above, ref.path)))
        linked_recipe = recipe.model_copy(update={"merges": tuple(inner)})
        linked_recipe._found, linked_recipe._lines = recipe._found, recipe._lines
        return linked_recipe

    return linked(last[0], (last[0].name,) if last[0].name else ())
