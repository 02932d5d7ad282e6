"""What live and virtual merges have in common: a model in memory whose weights are those of one recipe, or of none.

An update that is stopped or fails in its middle leaves weights between two recipes. Nothing here gives such a model out:
`plan`, `recipe`, `model`, `tokenizer` and `held` are the only ways to it, and all of them pass through `require_ready`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbmerge.engine.planning.incremental import plan_after
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import NotReadyError
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from typing_extensions import Self

    from nbmerge.typing import RecipeLike


class MergeInMemory:
    """A merge that can be asked, changed and closed.

    Parameters
    ----------
    plan : Plan
        What the model is going to be; subclasses make it so within `_changing`.
    """

    _model: PreTrainedModel | None = None
    _tokenizer: PreTrainedTokenizerBase | None = None

    def __init__(self, plan: Plan):
        self._lock = threading.RLock()
        self._plan = plan
        self._ready = False
        self.closed = False
        """Whether `close` was called."""

    # --- the only ways to the model ---

    @property
    def plan(self) -> Plan:
        """What the model holds now."""
        self.require_ready()
        return self._plan

    @property
    def recipe(self) -> Recipe:
        """The recipe that the model holds."""
        return self.plan.recipe

    @property
    def model(self) -> PreTrainedModel:
        """The transformers model, in evaluation mode; `update` changes it in place."""
        self.require_ready()
        assert self._model is not None
        return self._model

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | None:
        """The result's tokenizer; None where the config donor has none."""
        self.require_ready()
        return self._tokenizer

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the model as it is: updates wait. Sampling and scoring do so by themselves."""
        with self._lock:
            self.require_ready()
            yield

    def require_ready(self) -> None:
        """Refuse where the weights are not those of one recipe.

        Raises
        ------
        NotReadyError
            During an update, after one that was stopped or failed, and after `close`.
        """
        self._require_open()
        if not self._ready:
            what = "was stopped, has failed or is still running, so its weights are between two recipes."
            how = "Call update with the recipe that you want; only what is missing is computed."
            raise NotReadyError(f"The last update of this {self._kind} {what} {how}")

    # --- changes ---

    def plan_for(self, recipe: RecipeLike) -> Plan:
        """The plan of a recipe, made from the present one where only numbers differ."""
        self._require_open()
        return plan_after(self._plan, recipe)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The model is given to nobody from here on, until what is done inside has succeeded."""
        self._ready = False
        yield
        self._ready = True

    # --- the end ---

    def close(self) -> None:
        """Let go of the weights, the workers and the mapped files. It waits for whoever asks the model at that moment.

        Models that are closed refuse everything; closing twice does nothing.
        """
        with self._lock:
            self.closed, self._ready = True, False
            self._model = self._tokenizer = None
            self._release()

    def _release(self) -> None:
        """Let go of what a subclass holds besides model and tokenizer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _require_open(self) -> None:
        if self.closed:
            raise NotReadyError(f"This {self._kind} was closed. Make another one with {self._maker}(recipe).")

    _kind, _maker = "merge in memory", "nbmerge.live"

    def __repr__(self) -> str:
        state = "closed" if self.closed else repr(self._plan.recipe) if self._ready else "between two recipes"
        return f"<{type(self).__name__} {state}{self._details() if self._ready else ''}>"

    def _details(self) -> str:
        """What a ready model says of itself besides its recipe."""
        return ""
