"""The form of a search: what is varied, the scores, and the budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nbmerge.errors import NbmergeError
from nbmerge.recipe import Recipe
from nbmerge.sampling import Perplexity
from nbmerge.sampling.scores import JointPerplexity
from nbmerge.widgets.state.analyses import find_score
from nbmerge.widgets.state.studio_state import StudioState
from nbmerge.widgets.state.texts import split_lines

if TYPE_CHECKING:
    from nbmerge.optimisation import Range, Space

MOST_TRIALS = 100_000


class SearchedRange(BaseModel):
    """One parameter: whether it is varied, between which bounds, and in how many knots."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    title: str
    chosen: bool = True
    low: float
    high: float
    knots: int = Field(ge=1, le=100)


class SearchForm(BaseModel):
    """All fields of the form.

    Parameters
    ----------
    ranges : list of SearchedRange
        By their titles; those of the recipe that are not among them are not varied.
    scores : list of str
        Names of the scores of the Studio that are searched for.
    held_out : dict of str to str
        For some of them, the name of another score that is only looked at.
    held_out_texts : dict of str to str
        Or texts whose perplexity is, one in a line.
    trials, seconds : int, float or None
    seed : int
    goal, sampler : str
    storage : str
        A file; empty to keep trials in memory.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    ranges: list[SearchedRange]
    scores: list[str]
    held_out: dict[str, str] = {}
    held_out_texts: dict[str, str] = {}
    trials: int | None = Field(50, ge=1, le=MOST_TRIALS)
    seconds: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)
    goal: Literal["pareto", "weakest", "mean"] = "pareto"
    sampler: Literal["tpe", "cmaes", "random", "grid"] = "tpe"
    storage: str = "search.db"

    @property
    def file(self) -> Path | None:
        """The storage file."""
        return Path(self.storage).expanduser() if self.storage.strip() else None

    def make_space(self, recipe: Recipe) -> Space:
        """What is varied.

        Raises
        ------
        NbmergeError
            When nothing is chosen.
        """
        from nbmerge.optimisation import Space

        wanted = {one.title: one for one in self.ranges if one.chosen}
        parts = [_change(part, wanted[part.title]) for part in list_ranges(recipe) if part.title in wanted]
        if not parts:
            raise NbmergeError("Choose at least one parameter to search.")
        return Space(tuple(parts))

    def find_scores(self, state: StudioState) -> tuple[dict[str, Any], dict[str, Any]]:
        """The scores that are searched for, and for some of them those of texts that are held out.

        Raises
        ------
        NbmergeError
            When none is chosen, or one is not there any more.
        """
        if not self.scores:
            raise NbmergeError(
                "Choose at least one score. Scores are added in Scores; prompts in Samples are one, too."
            )
        held_out: dict[str, Any] = {}
        for name in self.scores:
            texts = split_lines(self.held_out_texts.get(name, ""))
            if texts:
                held_out[name] = JointPerplexity(texts) if len(texts) > 1 else Perplexity(texts[0])
            elif other := self.held_out.get(name, ""):
                held_out[name] = find_score(state, other)
        return {name: find_score(state, name) for name in self.scores}, held_out


def read_form(fields: dict[str, Any]) -> SearchForm:
    """Check what the browser sent.

    Raises
    ------
    NbmergeError
        With the first field that is wrong.
    """
    try:
        return SearchForm.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = " of ".join(str(part) for part in reversed(first["loc"]) if not isinstance(part, int))
        raise NbmergeError(f"The field {where} is wrong: {first['msg']}.") from error


def list_ranges(recipe: Recipe) -> list[Range]:
    """The numbers of a recipe that can be searched, with suggested bounds and knots."""
    from nbmerge.optimisation import Range, make_space

    try:
        return [part for part in make_space(recipe).parts if isinstance(part, Range)]
    except NbmergeError:  # no numbers
        return []


def _change(part: Range, wanted: SearchedRange) -> Range:
    from dataclasses import replace

    return replace(part, low=wanted.low, high=wanted.high, knots=wanted.knots)
