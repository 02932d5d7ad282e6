"""The models that are chosen: the base and the others, in their order, whether the method uses them or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from nbmerge.widgets.state.compose import list_unused


@dataclass(frozen=True)
class Choice:
    """A base and other models; every change gives another choice.

    Parameters
    ----------
    base : str
        Empty without one.
    models : tuple of str
    """

    base: str = ""
    models: tuple[str, ...] = ()

    @classmethod
    def of(cls, base: str, models: Iterable[str]) -> Choice:
        """A choice in which every model occurs once, the base only as the base."""
        return cls(base, tuple(dict.fromkeys(m for m in models if m and m != base)))

    def with_model(self, path: str) -> Choice:
        """One more model: the base where there is none."""
        return Choice.of(self.base or path, [*self.models, path])

    def without_model(self, path: str) -> Choice:
        """All but one model."""
        return Choice.of("" if path == self.base else self.base, (m for m in self.models if m != path))

    def with_base(self, path: str) -> Choice:
        """Another base; the former one becomes the first of the others. An empty path gives none."""
        return Choice.of(path, [self.base, *self.models])

    def with_recipe(self, recipe: Recipe, keep_base: bool = False) -> Choice:
        """With the models that a recipe names; of the others, those that its method has no use for stay.

        Parameters
        ----------
        recipe : Recipe
        keep_base : bool
            Whether to stay without a base where there is none and the method needs none.
        """
        named = [str(ref) for ref in recipe.references]
        method = methods().get(recipe.merge_method)
        takes_base = (not self.base and not keep_base) or (method is not None and method.base == "required")
        base = str(recipe.base_model) if recipe.base_model and takes_base else self.base
        chosen = [m for m in dict.fromkeys([*self.models, *named]) if m != base]
        spare = chosen if method is None or recipe.models is None else list_unused(method, base, chosen)
        return Choice(base, tuple(m for m in chosen if m in named or m in spare))
