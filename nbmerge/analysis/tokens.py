"""A text token by token: how likely each is under the merge and its parents, and which parent the merge is closest to."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from nbmerge.analysis.measure import measure_plans
from nbmerge.analysis.parents import parent_plan
from nbmerge.checkpoints import hub
from nbmerge.engine.planning import Plan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError
from nbmerge.presentation import Displayed, draw
from nbmerge.progress_bars import show_progress
from nbmerge.sampling import Perplexity

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal

MERGE = "merge"
"""Name of the merge's column."""


@dataclass(frozen=True)
class TokenComparison(Displayed):
    """Log-probabilities of a text's tokens under a merge and its parents; returned by `compare_tokens`.

    Parameters
    ----------
    start : str
        The first token, which has no probability because nothing comes before it.
    tokens : tuple of str
        All later tokens.
    merge : tuple of float
        Natural logarithm of each token's probability, given those before it.
    parents : dict of str to tuple of float
        The same for each parent, by its label.
    fallback, notes, seconds
        As in `PathScores`.
    """

    start: str
    tokens: tuple[str, ...]
    merge: tuple[float, ...]
    parents: dict[str, tuple[float, ...]]
    fallback: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @cached_property
    def closest(self) -> tuple[str, ...]:
        """For each token, the parent whose log-probability is closest to the merge's; of several, the first."""
        pairs = enumerate(self.merge)
        return tuple(min(self.parents, key=lambda label: abs(self.parents[label][i] - own)) for i, own in pairs)

    @cached_property
    def outside(self) -> tuple[float, ...]:
        """How far the merge departs from all parents: above 0 if the token is more likely than under any, below 0 if less."""
        rows = zip(self.merge, zip(*self.parents.values(), strict=True), strict=True)
        return tuple(max(own - max(theirs), 0.0) + min(own - min(theirs), 0.0) for own, theirs in rows)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per token: the token, log-probabilities, the closest parent, and how far outside of all parents."""
        import pandas as pd

        columns = {"token": self.tokens, MERGE: self.merge, **self.parents}
        return pd.DataFrame(columns).assign(closest=self.closest, outside=self.outside)

    def perplexity(self, label: str = MERGE) -> float:
        """The perplexity of the text under the merge or a parent."""
        if label != MERGE and label not in self.parents:
            raise ArgumentError(f"There is no model {label!r}. Models: {', '.join((MERGE, *self.parents))}.")
        logs = self.merge if label == MERGE else self.parents[label]
        return math.exp(-math.fsum(logs) / len(logs))

    def plot(
        self, *, theme: Literal["auto", "light", "dark"] = "auto", width: float = 20 / 3, font_size: float = 9.0
    ) -> Figure:
        """Plot the log-probabilities, one row per model and one column per token.

        Parameters
        ----------
        theme, width, font_size
            As in `Recipe.plot`.
        """
        return draw("token_comparison", self, theme=theme, width=width, font_size=font_size)

    def __repr__(self) -> str:
        each = ", ".join(f"{label} {self.perplexity(label):.4g}" for label in (MERGE, *self.parents))
        return f"<TokenComparison: {len(self.tokens)} tokens, perplexity {each}>"


@hub.stopping
def compare_tokens(
    recipe: RecipeLike,
    text: str,
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> TokenComparison:
    """Compute the log-probability of each token of a text under a merge and each of its parents.

    All of them are evaluated together, layer by layer, with the merge's config and tokenizer. A parent whose
    layers are not those of the merge, as in a stack of more layers, is left out; `TokenComparison.notes` names it.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    text : str
        At least two tokens. A text longer than the context is read in windows that overlap, as by `perplexity`.
    progress, cancel, threads
        As in `nbmerge.merge`.
    device : str, optional
        Where the model is evaluated, as in `nbmerge.live`: "cuda", "mps", "auto".

    Raises
    ------
    RecipeError, SampleError, TooLargeError, MergeStopped
        As in `sweep`.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> found = nbm.compare_tokens(nbm.demo.flat(0.4), "the fox", progress=False)
    >>> found.table.columns.to_list()
    ['token', 'merge', 'base', 'reverser', 'shouter', 'closest', 'outside']
    """
    began = time.perf_counter()
    if not isinstance(text, str):
        raise ArgumentError(f"text must be a str, not {type(text).__name__}.")
    plan = make_plan(recipe)
    plans, missing = _parent_plans(plan)
    if not plans:
        raise ArgumentError("No parent of this merge has the same layers, so none can be compared with it.")
    with show_progress(progress, "Comparing tokens") as listener:
        found = measure_plans(
            [plan, *plans.values()], {"text": Perplexity(text)}, progress=listener, cancel=cancel, threads=threads,
            device=device,
        )  # fmt: skip
    trace = found.traces["text"]
    merge, *parents = trace.logs
    notes = (*(f"{label} is left out: its layers are not those of the merge." for label in missing), *found.notes)
    return TokenComparison(
        trace.start,
        trace.tokens,
        merge,
        dict(zip(plans, parents, strict=True)),
        found.fallback,
        notes,
        time.perf_counter() - began,
    )


def _parent_plans(plan: Plan) -> tuple[dict[str, Plan], list[str]]:
    """The parents in the form of the merge, and labels of those that cannot have it."""
    refs = {label: ref for ref, label in plan.labels.items()}
    made = {label: parent_plan(plan, refs[label]) for label in plan.parents if label in refs}
    missing = [label for label in plan.parents if made.get(label) is None]
    return {label: own for label, own in made.items() if own is not None}, missing
