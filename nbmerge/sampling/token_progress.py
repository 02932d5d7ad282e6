"""Progress of sampling: the tokens that are generated, as events."""

from __future__ import annotations

import time
from types import TracebackType

from nbmerge.progress import Event, Kind, Listener
from nbmerge.sampling.stream import OnToken


class TokenProgress:
    """Reports to a listener how many tokens there are of the most that there can be; a context manager.

    Parameters
    ----------
    listener : callable or None
        None reports nothing.
    texts : int
        Number of texts.
    most : int
        Most tokens of each. A text that ends earlier counts as whole when the next one begins.
    """

    def __init__(self, listener: Listener | None, texts: int, most: int):
        self._listener = listener
        self._texts, self._most = texts, most
        self._start = time.perf_counter()

    def __enter__(self) -> TokenProgress:
        self._tell("planned", 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._tell("finished", self._texts * self._most)

    def watch(self, on_token: OnToken | None, first: int = 0) -> OnToken | None:
        """A callback of `sample` that also counts; `first` is the number of texts before these."""
        if self._listener is None:
            return on_token

        def call(prompt: int, text: str, tokens: tuple[int, ...]) -> None:
            self._tell("tensor", (first + prompt) * self._most + len(tokens))
            if on_token is not None:
                on_token(prompt, text, tokens)

        return call

    def _tell(self, kind: Kind, done: int) -> None:
        if self._listener is not None:
            seconds = time.perf_counter() - self._start
            self._listener(Event(kind, self._texts * self._most, 0, tensors_done=done, seconds=seconds))
