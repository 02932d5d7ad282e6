"""Where a model comes from, by what its folder says: the recipe of a merge, its card, its config and the headers of its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from nbmerge.checkpoints import hub
from nbmerge.errors import ArgumentError, CheckpointError, RecipeError
from nbmerge.guarded_files import read_model_json, read_model_text
from nbmerge.model_ref import ModelRef
from nbmerge.presentation import Displayed, draw
from nbmerge.recipe import Recipe
from nbmerge.recipe.yaml_text import MAX_CHARACTERS, parse_yaml

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CARD, CONFIG, ADAPTER = "README.md", "config.json", "adapter_config.json"
MOST_GENERATIONS = 10
MOST_MODELS = 500
RELATIONS = {
    "finetune": "fine-tuned from",
    "adapter": "adapter of",
    "quantized": "quantised from",
    "merge": "merged from",
}
"""What a card's ``base_model_relation`` means."""


@dataclass(frozen=True)
class Ancestor:
    """One step of a lineage.

    Parameters
    ----------
    model, parent : str
        Names, as the files write them.
    relation : str
        "merged from", "base of the merge", "fine-tuned from", "adapter of", "quantised from" or "loaded from".
    source : str
        Where it is written.
    method : str
        Of a merge: its method.
    """

    model: str
    parent: str
    relation: str
    source: str
    method: str = ""


class Lineage(Displayed):
    """The ancestors of a model; the result of `trace_lineage`.

    Attributes
    ----------
    model : str
    steps : tuple of Ancestor
        Each model's parents, the nearest generation first.
    """

    def __init__(self, model: str, steps: tuple[Ancestor, ...]):
        self.model = model
        self.steps = steps

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each step, with the fields of `Ancestor`."""
        names = list(Ancestor.__dataclass_fields__)
        return pd.DataFrame([[getattr(step, name) for name in names] for step in self.steps], columns=names)

    @property
    def roots(self) -> tuple[str, ...]:
        """Ancestors of which nothing older is known."""
        children = {step.model for step in self.steps}
        return tuple(dict.fromkeys(step.parent for step in self.steps if step.parent not in children))

    def lines(self) -> Iterator[tuple[int, str, str]]:
        """The tree, line by line: depth, name, and how it is related to the model above it."""
        yield 0, self.model, ""
        yield from self._below(self.model, (self.model,))

    def _below(self, model: str, above: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
        for step in self.steps:
            if step.model == model:
                how = f"{step.relation} ({step.method})" if step.method else step.relation
                yield len(above), step.parent, f"{how}, {step.source}"
                if step.parent not in above:
                    yield from self._below(step.parent, (*above, step.parent))

    def plot(
        self, *, theme: Literal["auto", "light", "dark"] = "auto", width: float = 20 / 3, font_size: float = 9.0
    ) -> Figure:
        """Plot the lineage as a tree.

        Parameters
        ----------
        theme, width, font_size
            As in `Recipe.plot`.
        """
        return draw("lineage", self, theme=theme, width=width, font_size=font_size)

    def __str__(self) -> str:
        return "\n".join(f"{'  ' * depth}{name}{f'  [{how}]' if how else ''}" for depth, name, how in self.lines())

    def __repr__(self) -> str:
        return f"<Lineage: {self.model}, {len(self.steps)} ancestors>"


def trace_lineage(model: str | Path | ModelRef) -> Lineage:
    """Read where a model comes from: recipe, card, config and headers, also of those ancestors that are on this machine.

    Nothing is downloaded, and no weight is read. What files say is not checked; `check_family` looks at the weights.

    Parameters
    ----------
    model : path, Hub id in the local cache, or ModelRef

    Raises
    ------
    CheckpointError
        When there is no such model on this machine.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> nbm.trace_lineage(nbm.demo.family().base).steps
    ()
    """
    ref = ModelRef.of(model)
    if _folder_of(ref) is None:
        raise CheckpointError(
            f"{ref} is neither a folder nor a model in the cache of the Hub. Pass the folder of a model."
        )
    steps: list[Ancestor] = []
    waiting: list[tuple[ModelRef, int]] = [(ref, 0)]
    known = {str(ref)}
    while waiting and len(known) < MOST_MODELS:
        child, generation = waiting.pop(0)
        folder = _folder_of(child)
        if folder is None or generation == MOST_GENERATIONS:
            continue
        for step in _parents(str(child), folder):
            steps.append(step)
            if step.parent not in known:
                known.add(step.parent)
                waiting += [(parent, generation + 1) for parent in _as_model(step.parent)]
    return Lineage(str(ref), tuple(steps))


def _as_model(name: str) -> list[ModelRef]:
    try:
        return [ModelRef.of(name)]
    except ArgumentError:
        return []


def _folder_of(ref: ModelRef) -> Path | None:
    """The folder of a model on this machine."""
    try:
        folder = Path(ref.path).expanduser()
        return folder if folder.is_dir() else hub.find(ref, ask=False)
    except (OSError, RuntimeError, ValueError, CheckpointError):
        return None


def _parents(model: str, folder: Path) -> Iterator[Ancestor]:
    """What the files of one model say of its parents; of several sources, the most exact."""
    steps = list(_from_recipe(model, folder)) or list(_from_card(model, folder)) or list(_from_config(model, folder))
    yield from {
        (step.parent, step.relation): step for step in steps if step.parent not in (model, str(folder))
    }.values()


def _from_recipe(model: str, folder: Path) -> Iterator[Ancestor]:
    try:
        recipe = Recipe.load(folder)
    except RecipeError:
        return
    sources = set(recipe.inputs)
    for ref in recipe.references:
        inside = recipe.merge_named(ref)
        if inside is None and ref in sources and ref != recipe.base_model:
            yield Ancestor(model, str(ref), "merged from", recipe.origin, recipe.merge_method)
        elif ref == recipe.base_model:
            yield Ancestor(model, str(ref), "base of the merge", recipe.origin, recipe.merge_method)


def _from_card(model: str, folder: Path) -> Iterator[Ancestor]:
    front = _front_matter(folder / CARD)
    named = front.get("base_model")
    parents = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    tags = front.get("tags")
    merged = isinstance(tags, list) and "merge" in tags
    relation = RELATIONS.get(str(front.get("base_model_relation")), "merged from" if merged else "fine-tuned from")
    for parent in parents:
        if isinstance(parent, str) and parent.strip():
            yield Ancestor(model, parent, relation, f"base_model in {CARD}")


def _from_config(model: str, folder: Path) -> Iterator[Ancestor]:
    adapted = _read_json(folder / ADAPTER).get("base_model_name_or_path")
    if isinstance(adapted, str) and adapted.strip():
        yield Ancestor(model, adapted, "adapter of", ADAPTER)
        return
    loaded = _read_json(folder / CONFIG).get("_name_or_path")
    if isinstance(loaded, str) and loaded.strip(". ") and Path(loaded).name != folder.name:
        yield Ancestor(model, loaded, "loaded from", CONFIG)


def _front_matter(card: Path) -> Mapping[str, Any]:
    """The YAML at the beginning of a card."""
    try:
        text = read_model_text(card, 4 * MAX_CHARACTERS)
        if not text.startswith("---"):
            return {}
        documents = parse_yaml(text[3:].split("\n---", 1)[0])
    except (OSError, CheckpointError, RecipeError):
        return {}
    data = documents[0][0] if documents else None
    return data if isinstance(data, Mapping) else {}


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        return read_model_json(file)
    except (OSError, CheckpointError):
        return {}
