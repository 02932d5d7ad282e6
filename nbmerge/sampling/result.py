"""A sample: the text that a model generated after a prompt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One continuation of a prompt.

    Parameters
    ----------
    prompt : str
    text : str
        The continuation alone, without special tokens.
    tokens : tuple of int
        Token ids of the continuation; the model's end token is the last one where it ended by itself.
    seconds : float
    stopped : bool
        Whether it was stopped before its end.
    """

    prompt: str
    text: str
    tokens: tuple[int, ...]
    seconds: float
    stopped: bool = False

    def __str__(self) -> str:
        return self.prompt + self.text
