"""Changed copies of a recipe: the methods of `Recipe` that return one. Its class has them as its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from nbmerge.errors import RecipeError
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, nearest
from nbmerge.recipe.parts import Module, Slice, Source, plain
from nbmerge.recipe.sections import rewrite_parts
from nbmerge.recipe.setting import Rule, Setting

if TYPE_CHECKING:
    from nbmerge.recipe.recipe import Recipe

LAYERS = "layers."
"""Filter for what lies in layers, in nearly all current architectures."""


def with_parameter(self: Recipe, name: str, value: Any, model: str | PathLike[str] | ModelRef | None = None) -> Recipe:
    """A copy with one parameter set, for the whole merge or for one model wherever it is a source.

    Parameters
    ----------
    name : str
    value : scalar, gradient, rules or None
        None removes the parameter.
    model : str, path or ModelRef, optional
        A model of the recipe, as written there or by its short name.
    """
    if model is None:
        return self.replace(parameters=_changed(self.parameters, name, value))
    ref = find(self, model)

    def change(source: Source) -> dict[str, Any]:
        parameters = _changed(source.parameters, name, value) if source.model == ref else source.parameters
        return plain(source) | {"parameters": plain(parameters)}

    return self.replace(**rewrite_parts(self, change))


def with_models(self: Recipe, models: Mapping[str, Any]) -> Recipe:
    """A copy in which some models are replaced by others, such as placeholders by real models.

    Parameters
    ----------
    models : mapping
        Model of this recipe, as written there or by its short name, to its replacement. A filter ``layers.`` becomes
        the one that fits the new models, where those have another name for their layers.
    """
    new = {find(self, old): ModelRef.of(model) for old, model in models.items()}
    filter = _layers_filter(new.values())

    def write(setting: Setting) -> Any:
        rules = (Rule(r.value, filter if r.filter == LAYERS else r.filter) for r in setting.rules)
        return Setting(tuple(rules)).plain()

    data = plain(self, write, lambda ref: new.get(ref, ref).plain())
    return type(self).of(data).with_origin(like=self)


def with_references(self: Recipe, change: Callable[[ModelRef], ModelRef]) -> Recipe:
    """A copy in which every model that is named anywhere is ``change(model)``; itself where that changes nothing.

    Names of merges that feed this one are passed to `change` as well.
    """
    changed: dict[ModelRef, ModelRef] = {}

    def write(ref: ModelRef) -> Any:
        changed[ref] = change(ref)
        return changed[ref].plain()

    data = plain(self, model=write)
    for part, names in _tokenizers(self, data):
        for key in ("tokenizer_source", "source"):
            if key in part and (text := _of_tokenizer(part[key], names, change)) != part[key]:
                part[key], changed[ModelRef(part[key])] = text, ModelRef(text)
    if all(old == new for old, new in changed.items()):
        return self
    return type(self).of(data).with_origin(like=self)


def find(self: Recipe, model: str | PathLike[str] | ModelRef) -> ModelRef:
    """The model of this recipe with that reference, path or short name.

    Raises
    ------
    RecipeError
        When there is none, or several share the name.
    """
    model = str(model) if isinstance(model, PathLike) else model
    references = self.references
    hits = [r for r in references if model in (r, str(r), r.path)] or [r for r in references if r.name == model]
    if len(hits) > 1:
        what = f"'{model}' is ambiguous: {len(hits)} models of this recipe have this name."
        raise RecipeError([Problem("error", (), what, f"Use one of {', '.join(map(str, hits))}.")])
    if not hits:
        what = f"'{model}' is not a model of this recipe."
        raise RecipeError([Problem("error", (), what, nearest(str(model), [r.name for r in references]))])
    return hits[0]


def each_setting(self: Recipe, change: Callable[[str, Setting], Setting]) -> Recipe:
    """A copy in which every setting, at any level, is ``change(parameter name, setting)``."""

    def level(parameters: Mapping[str, Setting]) -> dict[str, Any]:
        return {k: change(k, v).plain() for k, v in parameters.items()}

    def part(value: Source | Slice | Module) -> dict[str, Any]:
        return plain(value) | {"parameters": level(value.parameters)}

    changes = {"parameters": level(self.parameters), **rewrite_parts(self, part, part, part)}
    return self.replace(**changes).with_origin(like=self)


def _changed(parameters: Mapping[str, Setting], name: str, value: Any) -> dict[str, Any]:
    rest = {k: v.plain() for k, v in parameters.items() if k != name}
    if value is None:
        return rest
    order = list(parameters) if name in parameters else [*parameters, name]
    changed = rest | {name: Setting.of(value).plain()}
    return {k: changed[k] for k in order}


def _tokenizers(recipe: Recipe, data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[ModelRef]]]:
    """Where plain data name the source of a tokenizer, with the models that may be meant."""
    if "tokenizer_source" in data:
        yield data, recipe.references
    if isinstance(data.get("tokenizer"), dict):
        yield data["tokenizer"], recipe.references
    for merge, inner in zip(recipe.merges, data.get("merges", ()), strict=False):
        yield from _tokenizers(merge, inner)


def _of_tokenizer(text: str, names: list[ModelRef], change: Callable[[ModelRef], ModelRef]) -> str:
    """The source of a tokenizer after a change of models; words and short names stay as they are."""
    path = text.removeprefix("model:")
    if path in ("union", "base") or (path in (r.name for r in names) and path not in (r.path for r in names)):
        return text
    meant = next((r for r in names if path in (str(r), r.path)), None) or ModelRef.of(path)
    new = change(meant)
    return text if new == meant else text[: len(text) - len(path)] + str(new)


def _layers_filter(models: Iterable[ModelRef]) -> str:
    """`LAYERS`, or what takes its place in the first of these models that is at hand."""
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    for ref in models:
        try:
            stack = Checkpoint.open(ref, ask=False).layout.stack
        except CheckpointError:
            continue
        return f"{stack.rsplit('.', 1)[-1]}." if stack else LAYERS
    return LAYERS
