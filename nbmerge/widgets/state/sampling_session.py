"""What parents, merge and pinned merges say to the same prompts, token by token. State, without widgets."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import partial
from typing import Any

from nbmerge.engine.planning import Plan
from nbmerge.errors import MergeStopped
from nbmerge.widgets.state.model_pool import AUTOMATIC, Speaker, Stage

MERGE = "the merge"
PARENT, PIN = "parent", "pin"
KEPT = 512
"""Texts that are remembered, so that nothing is asked twice."""


@dataclass(frozen=True)
class Asked:
    """What everybody is asked.

    Parameters
    ----------
    prompts : tuple of str
    settings : tuple of (str, object)
        Of `nbmerge.sample`: max_new_tokens, temperature, seed.
    through : str
        How the merge is heard, see `Stage.merged`.
    parents : bool
        Whether the parents are asked, too.
    """

    prompts: tuple[str, ...]
    settings: tuple[tuple[str, Any], ...]
    through: str = AUTOMATIC
    parents: bool = True


@dataclass(frozen=True)
class Text:
    """A continuation as far as it is written.

    Parameters
    ----------
    prompt : str
    pieces : tuple of str
        What each token added.
    status : "waiting", "speaking", "done" or "stopped"
    """

    prompt: str
    pieces: tuple[str, ...] = ()
    status: str = "waiting"

    @property
    def text(self) -> str:
        """The continuation."""
        return "".join(self.pieces)


@dataclass(frozen=True)
class Voice:
    """One who speaks.

    Parameters
    ----------
    name : str
    kind : "merge", "pin" or "parent"
    texts : tuple of Text
        One for each prompt.
    words : str
        Who exactly it was: the live model or the virtual merge.
    of : str
        Fingerprint of the recipe that it is of; empty for parents.
    before : tuple of Text
        What it said to the same prompts before the last change, as far as it had ended.
    """

    name: str
    kind: str
    texts: tuple[Text, ...] = ()
    words: str = ""
    of: str = ""
    before: tuple[Text, ...] = ()


@dataclass
class Conversation:
    """Asks everybody the same.

    Parameters
    ----------
    stage : Stage
    told : callable
        Takes the `Voice` that has changed, in the thread that asks.
    """

    stage: Stage
    told: Callable[[Voice], Any]
    voices: dict[str, Voice] = field(default_factory=dict)
    _said: OrderedDict[tuple, tuple[str, ...]] = field(default_factory=OrderedDict)

    def cast(self, plan: Plan, asked: Asked) -> list[Voice]:
        """Who will speak: the merge, the pinned merges, the parents; each with what it said last."""
        names = {MERGE: "merge", **{pin: PIN for pin in self.stage.pins}}
        names |= dict.fromkeys(plan.parents, PARENT) if asked.parents else {}
        self.voices = {name: self.voices.get(name, Voice(name, kind)) for name, kind in names.items()}
        return list(self.voices.values())

    def ask(self, plan: Plan, asked: Asked, cancel: threading.Event) -> None:
        """Ask the merge, then whoever has not said it yet.

        Raises
        ------
        MergeStopped
            When `cancel` was set before the end.
        """
        speakers: dict[str, tuple[tuple, Callable[[], Speaker]]] = {}
        for voice in self.cast(plan, asked):
            if voice.kind == PARENT:
                speakers[voice.name] = (
                    (PARENT, self.stage.parent_key(plan, voice.name)),
                    partial(self.stage.parent, plan, voice.name, cancel),
                )
            elif voice.kind == PIN:
                pin = self.stage.pins[voice.name]
                words = "pinned, kept in memory"
                speakers[voice.name] = (MERGE, pin.recipe.fingerprint), partial(Speaker, pin, words)
            else:
                longest = max(map(len, asked.prompts)) // 3 + 1
                make = partial(
                    self.stage.merged, plan, asked.through, cancel, longest, dict(asked.settings)["max_new_tokens"]
                )
                speakers[voice.name] = (MERGE, plan.recipe.fingerprint), make
        for name, (key, make) in speakers.items():
            self._hear(name, key, make, asked, cancel)

    def _hear(
        self, name: str, key: tuple, make: Callable[[], Speaker], asked: Asked, cancel: threading.Event
    ) -> None:  # fmt: skip
        """One voice: what is remembered at once, the rest as it is spoken."""
        from nbmerge.sampling import sample

        known = [self._said.get((*key, prompt, asked.settings)) for prompt in asked.prompts]
        texts = [
            Text(p, k or (), "waiting" if k is None else "done") for p, k in zip(asked.prompts, known, strict=True)
        ]
        self._set(name, texts, key)
        if all(k is not None for k in known) and name != MERGE:
            return
        speaker = make()  # the merge is brought up to date also where its text is remembered
        self._set(name, texts, key, speaker.words)
        for i, prompt in enumerate(asked.prompts):
            if known[i] is not None:
                continue
            if cancel.is_set():
                raise MergeStopped("Stopped.")
            texts[i] = replace(texts[i], status="speaking")

            def heard(_: int, text: str, tokens: tuple[int, ...], i: int = i) -> None:
                texts[i] = replace(texts[i], pieces=(*texts[i].pieces, text[len(texts[i].text) :]))
                self._set(name, texts, key)

            (said,) = sample(speaker.model, [prompt], cancel=cancel, on_token=heard, **dict(asked.settings))
            rest = said.text[len(texts[i].text) :] if said.text.startswith(texts[i].text) else ""
            pieces = (*texts[i].pieces, rest) if rest else texts[i].pieces
            texts[i] = replace(texts[i], pieces=pieces, status="stopped" if said.stopped else "done")
            if not said.stopped:
                self._remember((*key, prompt, asked.settings), pieces)
            self._set(name, texts, key)
        if cancel.is_set() and any(t.status != "done" for t in texts):
            raise MergeStopped("Stopped.")

    def _set(self, name: str, texts: Sequence[Text], key: tuple, words: str | None = None) -> None:
        voice = self.voices[name]
        of = key[1] if key[0] == MERGE else ""
        before = voice.before
        if of != voice.of:  # what was said to its end is what the next text is compared with
            ended = {t.prompt: t for t in (*before, *voice.texts) if t.status == "done"}
            before = tuple(ended.values())
        voice = replace(voice, texts=tuple(texts), of=of, before=before, words=voice.words if words is None else words)
        self.voices[name] = voice
        self.told(voice)

    def _remember(self, key: tuple, pieces: tuple[str, ...]) -> None:
        self._said[key] = pieces
        while len(self._said) > KEPT:
            self._said.popitem(last=False)


def changed(pieces: Sequence[str], reference: Sequence[str]) -> list[bool]:
    """Which tokens of a text are not those of another, taking as many as possible for the same, in order."""
    flags = [True] * len(pieces)
    for block in SequenceMatcher(None, list(reference), list(pieces), autojunk=False).get_matching_blocks():
        flags[block.b : block.b + block.size] = [False] * block.size
    return flags
