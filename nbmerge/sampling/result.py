"""A sample: the text that a model generated after a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from nbmerge.presentation import Displayed


@dataclass(frozen=True, slots=True)
class Sample(Displayed):
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

    def __repr__(self) -> str:
        count = len(self.tokens)
        stopped = ", stopped" if self.stopped else ""
        words = f"{count} {'token' if count == 1 else 'tokens'}, {self.seconds:.2f} s{stopped}"
        return f"<Sample {self.prompt!r} → {self.text!r}: {words}>"
