"""Analyses of the recipe on screen: the latest result of each, and the texts and scores that they are over. Without widgets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.methods import methods
from nbmerge.sampling import Perplexity
from nbmerge.sampling.scores import JointPerplexity

if TYPE_CHECKING:
    from nbmerge.widgets.state.studio_state import StudioState

NEXT_TOKENS, PROMPTS = "change of the next tokens", "perplexity of the prompts"
"""Scores that need nothing but the prompts."""
STATISTICS = "statistics"
"""The parameter of methods that names statistics of texts, and the kind of problems with them."""


class Analyses:
    """The latest result of each analysis, by its name, with the plan that it is of."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Any, Plan]] = {}
        self._lock = threading.Lock()  # results come from the thread that computes

    def note(self, name: str, result: Any, plan: Plan) -> None:
        """Keep a result in the place of the one before."""
        with self._lock:
            self._found[name] = result, plan

    def find(self, name: str, plan: Plan) -> Any:
        """The latest result, if it is of the same models and layers; else None."""
        result, of = self._found.get(name, (None, plan))
        return result if of.parents == plan.parents and of.depth == plan.depth else None

    def is_current(self, name: str, plan: Plan) -> bool:
        """Whether that result is of this recipe."""
        of = self._found[name][1] if name in self._found else None
        return of is not None and (of is plan or of.recipe == plan.recipe)

    def forget(self, name: str | None = None) -> None:
        """Free the result of an analysis; by default, of all."""
        with self._lock:
            self._found = {} if name is None else {key: kept for key, kept in self._found.items() if key != name}


def needs_texts(state: StudioState) -> bool:
    """Whether the method on screen uses statistics of texts."""
    method = None if state.recipe is None else methods().get(state.recipe.merge_method)
    return method is not None and method.parameter(STATISTICS) is not None


def list_prompts(state: StudioState) -> tuple[str, ...]:
    """The prompts of a state, each once."""
    return tuple(dict.fromkeys(line for line in state.prompts.split("\n") if line.strip()))


def list_scores(state: StudioState, *, tokens: bool = False) -> list[str]:
    """Names of the scores that can be analysed: those of the state, then the perplexity of its prompts.

    Parameters
    ----------
    state : StudioState
    tokens : bool
        Only scores that follow from log-probabilities of tokens; other functions of a model are left out.
    """
    own = [name for name, score in state.notes.scores.scores.items() if not tokens or hasattr(score, "combine")]
    return [*own, *([PROMPTS] if list_prompts(state) and PROMPTS not in own else [])]


def suggest_score(state: StudioState) -> str:
    """The first score that can be computed layer by layer; empty if there is none."""
    return next(iter(list_scores(state, tokens=True)), "")


def find_score(state: StudioState, name: str) -> Any:
    """A score by its name.

    Raises
    ------
    NbmergeError
        When there is none.
    """
    if name in state.notes.scores.scores:
        return state.notes.scores.scores[name]
    prompts = list_prompts(state)
    if name == PROMPTS and prompts:
        return JointPerplexity(prompts) if len(prompts) > 1 else Perplexity(prompts[0])
    if name == NEXT_TOKENS and prompts:
        from nbmerge.analysis import Divergence  # with torch

        return Divergence(prompts)
    raise NbmergeError("There is nothing to measure with. Type a prompt in Samples, or add a score in Scores.")
