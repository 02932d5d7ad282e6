"""The base of live and virtual merges: a model in memory that can be used only while its weights are those of one recipe.

An update that is stopped or fails leaves weights between two recipes. Such a model cannot be accessed: `plan`, `recipe`,
`model`, `tokenizer` and `locked` are the only ways to it, and all of them call `require_ready`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbmerge.engine.planning.incremental import plan_after
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import NotReadyError
from nbmerge.presentation import Displayed
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from typing_extensions import Self

    from nbmerge.typing import RecipeLike


class MergeInMemory(Displayed):
    """A merge that can be sampled, updated and closed.

    Parameters
    ----------
    plan : Plan
        The plan of the model; subclasses build it within `_updating`.
    """

    _model: PreTrainedModel | None = None
    _tokenizer: PreTrainedTokenizerBase | None = None

    def __init__(self, plan: Plan):
        self._lock = threading.RLock()
        self._plan = plan
        self._ready = False
        self.closed = False
        """Whether `close` was called."""

    # --- access to the model ---

    @property
    def plan(self) -> Plan:
        """The plan of the current weights."""
        self.require_ready()
        return self._plan

    @property
    def recipe(self) -> Recipe:
        """The recipe of the current weights."""
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
    def locked(self) -> Iterator[None]:
        """Lock the model: updates wait until the block ends. Sampling and scoring do this by themselves."""
        with self._lock:
            self.require_ready()
            yield

    def require_ready(self) -> None:
        """Raise an error unless the weights are those of one recipe.

        Raises
        ------
        NotReadyError
            During an update, after one that was stopped or failed, and after `close`.
        """
        self._require_open()
        if not self._ready:
            what = "was stopped, has failed or is still running, so its weights are between two recipes."
            how = "Call update with the recipe that you want; only the missing tensors are computed."
            raise NotReadyError(f"The last update of this {self._kind} {what} {how}")

    # --- updates ---

    def plan_for(self, recipe: RecipeLike) -> Plan:
        """The plan of a recipe, derived from the current one if only numbers differ."""
        self._require_open()
        return plan_after(self._plan, recipe)

    @contextmanager
    def _updating(self) -> Iterator[None]:
        """Block access to the model until the block has succeeded."""
        self._ready = False
        yield
        self._ready = True

    # --- closing ---

    def close(self) -> None:
        """Release the weights, the workers and the mapped files, after a call that is using the model has ended.

        A closed model raises `NotReadyError`; closing twice does nothing.
        """
        with self._lock:
            self.closed, self._ready = True, False
            self._model = self._tokenizer = None
            self._release()

    def _release(self) -> None:
        """Release what a subclass has besides model and tokenizer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _require_open(self) -> None:
        if self.closed:
            raise NotReadyError(f"This {self._kind} was closed. Create another one with {self._maker}(recipe).")

    _kind, _maker = "merge in memory", "nbmerge.live"

    def __repr__(self) -> str:
        state = "closed" if self.closed else repr(self._plan.recipe) if self._ready else "between two recipes"
        return f"<{type(self).__name__} {state}{self._details() if self._ready else ''}>"

    def _details(self) -> str:
        """What the representation of a ready model states besides its recipe."""
        return ""
