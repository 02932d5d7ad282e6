"""Paths of the bundled models, and the recipes that merge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbmerge.recipe import Recipe

HERE = Path(__file__).parent
EXPERTS = {"reverser": "reverse", "shouter": "upper"}
"""Each expert's name, which is also its folder's, and its skill."""


@dataclass(frozen=True)
class Family:
    """A base model and its fine-tunes.

    Parameters
    ----------
    base
        Folder of the base model.
    experts
        Folders of the fine-tunes by name.
    """

    base: Path
    experts: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> Family:
        """The family whose model folders are in `folder`."""
        return cls(folder / "base", {name: folder / name for name in EXPERTS})

    def folder(self, name: str) -> str:
        """The folder of the model called `name` in a recipe."""
        return str(self.base if name == "base" else self.experts[name])


def family() -> Family:
    """The three bundled models."""
    return Family.of(HERE / "models")


def shipped_recipe() -> Recipe:
    """Load ``recipe.yaml``, with the names of models replaced by their folders."""
    import yaml

    return _recipe(yaml.safe_load((HERE / "recipe.yaml").read_text(encoding="utf-8")))


def flat_recipe(weight: float) -> Recipe:
    """Make the recipe with a single weight."""
    models = [{"model": name, "parameters": {"weight": weight}} for name in EXPERTS]
    return _recipe({"merge_method": "task_arithmetic", "base_model": "base", "models": models, "dtype": "float32"})


def _recipe(data: dict[str, Any]) -> Recipe:
    from nbmerge.recipe import Recipe

    ours = family()
    models = [{**entry, "model": ours.folder(entry["model"])} for entry in data["models"]]
    return Recipe.load({**data, "base_model": ours.folder(data["base_model"]), "models": models})
