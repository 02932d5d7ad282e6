"""Three tiny real models: a base, and two fine-tunes of it that each gained one skill and lost the other.

The reverser answers ``reverse lion >`` with ``noil``, the shouter answers ``upper lion >`` with ``LION``, the base is
mediocre at both, and all three write short stories. Skills are measured as shares of exact answers, so everyone can
reproduce the effect of a merge. `MEASURED.md` has the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmerge.demo.bundle import Family, family

if TYPE_CHECKING:
    from nbmerge.recipe import Recipe

__all__ = ["PROMPTS", "Family", "Skill", "family", "flat", "recipe", "skills"]

PROMPTS = ("reverse lion >", "upper lion >", "the fox ")
"""One prompt for each skill, with a held-out word, and the start of a story."""


def recipe() -> Recipe:
    """Load the bundled gradient recipe: a weight for each layer and expert, found by `nbmerge.demo.train.search`."""
    from nbmerge.demo.bundle import shipped_recipe

    return shipped_recipe()


def flat(weight: float) -> Recipe:
    """Make a recipe with a single `weight` for all layers and both experts, to compare with `recipe`."""
    from nbmerge.demo.bundle import flat_recipe

    return flat_recipe(weight)


def skills(model_or_folder: Any, n: int = 300, seed: int = 0) -> dict[str, float]:
    """Measure a model of the family, or any merge of them, in a fraction of a second.

    Parameters
    ----------
    model_or_folder : path-like, transformers model, or object with a `model`
        A folder, a loaded model, or an object with one, such as a `LiveMerge`.
    n : int
        Number of random words, the same for both skills. With 300 words the standard error is at most 0.03.
    seed : int
        Selects the words. For every seed they are held out from training (`nbmerge.demo.words.use_of`).

    Returns
    -------
    dict of str to float
        For "reverse" and "upper", the share of words (0 to 1) answered exactly and to the end by greedy decoding.

    Examples
    --------
    >>> from nbmerge import demo
    >>> marks = demo.skills(demo.family().experts["reverser"])
    >>> marks["reverse"] > 0.95, marks["upper"] < 0.15
    (True, True)
    """
    from nbmerge.demo import exam

    return exam.skills(model_or_folder, n, seed)


@dataclass(frozen=True)
class Skill:
    """One skill as a score, for `nbmerge.sampling.ScoreHistory`: the share of words that are answered exactly.

    Parameters
    ----------
    name : "reverse" or "upper"
    n, seed : int
        As in `skills`.
    """

    name: str
    n: int = 100
    seed: int = 0

    def __call__(self, model: Any) -> float:
        """Measure a live merge, or any other model that `skills` takes."""
        from nbmerge.demo import exam

        return exam.skills(model, self.n, self.seed, only=self.name)[self.name]
