"""The file's format: JSON with every step of the history, the draft, prompts and scores. Neither weights, tokens nor code.

A file may come from anybody, with a notebook that was sent around. So it is parsed within a bound on memory, every field
is checked against a schema, recipes are read as recipes from anywhere are, and nothing in it is ever run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nbmerge import __version__
from nbmerge.bounded import parsed
from nbmerge.errors import ArgumentError, NbmergeError, RecipeError
from nbmerge.recipe import Recipe
from nbmerge.sampling import BlindTest, Perplexity, Phrase
from nbmerge.widgets.state.history import MOST_STEPS, History, KeptRecipe, Line, Step, Summary
from nbmerge.widgets.state.studio_state import StudioState

MOST_BYTES = 2_000_000
"""Size of a file; older steps without name, pin or score are left out until it fits."""
MEMORY = 100_000_000
"""Memory in bytes that parsing a file may take."""
FORMAT = "nbmerge studio"
SECRET = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
"""An access token of the Hub, as someone may paste one into a recipe or a prompt."""
SECRET_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


class _Part(BaseModel):
    # Validators are built when a file is first read or written, not while a Studio is opened.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True, defer_build=True)


_Name = Annotated[str, Field(max_length=400)]
_Text = Annotated[str, Field(max_length=400_000)]
_Id = Annotated[int, Field(ge=1, lt=2**53)]


class _Line(_Part):
    title: _Name
    values: Annotated[list[float], Field(max_length=64)]


class _Step(_Part):
    id: _Id
    parent: _Id | None = None
    time: Annotated[float, Field(ge=0, lt=1e11)]
    text: _Text | None = None
    recipe: dict[str, Any] | None = None
    name: _Name = ""
    words: Annotated[str, Field(max_length=1000)] | None = None
    lines: Annotated[list[_Line], Field(max_length=16)] = Field(default_factory=list)
    scores: dict[_Name, float | None] = Field(default_factory=dict)
    pins: Annotated[list[_Name], Field(max_length=64)] = Field(default_factory=list)


class _PerplexityScore(_Part):
    kind: Literal["perplexity"]
    name: _Name
    text: _Text


class _PhraseScore(_Part):
    kind: Literal["phrase"]
    name: _Name
    prompt: _Text
    wanted: list[_Text]
    unwanted: list[_Text]


class _Draft(_Part):
    text: _Text
    step: _Id | None = None  # whose recipe its editing began with


_Score = Annotated[_PerplexityScore | _PhraseScore, Field(discriminator="kind")]


class _File(_Part):
    format: Literal["nbmerge studio"] = "nbmerge studio"
    version: Literal[1] = 1
    saved: Annotated[float, Field(ge=0, lt=1e11)]
    start: Annotated[str, Field(max_length=64)]
    current: _Id | None
    prompts: _Text
    scores: Annotated[list[_Score], Field(max_length=100)] = Field(default_factory=list)
    blind_test: _Text | None = None
    draft: _Draft | None = None
    digest: Annotated[str, Field(max_length=64)] = ""
    steps: Annotated[list[_Step], Field(max_length=MOST_STEPS)]


@dataclass(frozen=True)
class Document:
    """A kept Studio, checked but not yet read into recipes.

    Attributes
    ----------
    saved : float
        When it was written, in seconds since 1970.
    start : str
        Fingerprint of the recipe that its Studio was opened with.
    """

    file: _File

    @property
    def saved(self) -> float:
        """When it was written."""
        return self.file.saved

    @property
    def start(self) -> str:
        """Fingerprint of the recipe that its Studio was opened with."""
        return self.file.start

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.file.steps)


StepTexts: TypeAlias = dict[int, tuple[Step, str]]
"""The text of each step that was written before; steps are immutable, so it is written once."""


def write_document(state: StudioState, known: StepTexts | None = None) -> bytes:
    """A Studio's state as a file. But for the time of writing, equal states give equal files.

    Parameters
    ----------
    state : StudioState
    known : dict, optional
        Texts of steps from the call before; it is brought up to date.
    """
    with state.lock:
        state.history.write_texts()
        history = History(state.history, state.history.current_id)
    known = {} if known is None else known
    while True:
        raw = _encode(state, history, known)
        if len(raw) <= MOST_BYTES or len(history) <= 1:
            return raw
        history.prune(len(history) * 3 // 4)


def _encode(state: StudioState, history: History, known: StepTexts) -> bytes:
    texts = {step.id: _encode_step(step, known.get(step.id)) for step in history}
    known.clear()
    known.update(texts)
    lines = [text for _, text in texts.values()]
    head = _File(
        saved=round(time.time(), 1), start=state.start, current=history.current_id, prompts=state.prompts[:400_000],
        scores=list(_list_scores(state)), blind_test=state.notes.blind_test.to_json() if state.notes.blind_test else None,
        draft=_describe_draft(state), digest=_make_digest(lines), steps=[],
    )  # fmt: skip
    first = json.dumps({"format": FORMAT, "version": 1, **head.model_dump(mode="json", exclude={"steps"})}, indent=1)
    steps = ",\n".join(lines)
    return _redact(f'{first.removesuffix("}").rstrip()},\n "steps": [\n{steps}\n ]\n}}\n').encode()


def _describe_draft(state: StudioState) -> _Draft | None:
    text, base = state.draft.text, state.draft.base
    if text is None:
        return None
    begun = state.history.find(base.fingerprint) if base is not None else None
    return _Draft(text=text[:400_000], step=None if begun is None else begun.id)


def _encode_step(step: Step, known: tuple[Step, str] | None) -> tuple[Step, str]:
    if known is not None and known[0] is step:
        return known
    return step, _dump_step(_describe_step(step))


def _dump_step(step: _Step) -> str:
    return json.dumps(step.model_dump(mode="json", exclude_defaults=True))


def _make_digest(lines: Iterable[str]) -> str:
    """Whether steps are as this version of nbmerge has written them: then their recipes need not be checked at once."""
    return hashlib.sha256("\n".join((__version__, *lines)).encode()).hexdigest()


def _describe_step(step: Step) -> _Step:
    summary = step.summary or Summary("")
    return _Step(
        id=step.id, parent=step.parent, time=round(step.time, 1), text=step.source,
        recipe=step.recipe.plain() if step.source is None else None, name=step.name, words=summary.words or None,
        lines=[_Line(title=line.title[:400], values=list(line.values)) for line in summary.lines],
        scores={name[:400]: value if math.isfinite(value) else None for name, value in step.scores.items()},
        pins=list(step.pins),
    )  # fmt: skip


def _list_scores(state: StudioState) -> Iterator[_PerplexityScore | _PhraseScore]:
    """Scores that are data; a user's own functions are code, which is not kept."""
    for name, score in state.notes.scores.scores.items():
        if isinstance(score, Perplexity):
            yield _PerplexityScore(kind="perplexity", name=name[:400], text=score.text)
        elif isinstance(score, Phrase):
            wanted, unwanted = ([t] if isinstance(t, str) else list(t) for t in (score.wanted, score.unwanted))
            yield _PhraseScore(kind="phrase", name=name[:400], prompt=score.prompt, wanted=wanted, unwanted=unwanted)


def _redact(text: str) -> str:
    """Leave out access tokens, wherever they were typed."""
    for variable in SECRET_VARIABLES:
        if len(secret := os.environ.get(variable, "")) >= 8:
            text = text.replace(secret, "(removed)")
    return SECRET.sub("(removed)", text)


def read_document(raw: bytes) -> Document:
    """Check a file.

    Raises
    ------
    NbmergeError
        When it is not such a file, or was written by a newer version.
    """
    try:
        data = parsed(raw, MEMORY)
        if data.get("format") != FORMAT:
            raise NbmergeError("it is not a file of a Studio")
        if isinstance(data.get("version"), int) and data["version"] > 1:
            raise NbmergeError("it was written by a newer version of nbmerge")
        return Document(_File.model_validate_json(raw))
    except ValidationError as error:
        first = error.errors()[0]
        raise NbmergeError(f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from error
    except ValueError as error:
        raise NbmergeError(str(error)) from error


def take_document(document: Document, state: StudioState) -> int:
    """Go on from a kept Studio: with its history, beside what the history has since then, its prompts, scores and draft.

    Returns
    -------
    int
        Number of steps that were read; those with a recipe that is not valid any more are left out.
    """
    steps = _read_steps(document.file)
    for score in document.file.scores:
        if score.name not in state.notes.scores.scores:
            made = Perplexity(score.text) if isinstance(score, _PerplexityScore) else _make_phrase(score)
            state.notes.scores.add(score.name, made)
    if document.file.blind_test is not None and state.notes.blind_test is None:
        with suppress(ArgumentError):  # of no importance beside the history
            state.notes.blind_test = BlindTest.from_json(document.file.blind_test)
    if document.file.prompts:
        state.prompts = document.file.prompts
    if steps:
        state.take_history(History(steps, document.file.current))
        if (draft := document.file.draft) is not None:
            begun = next((step.recipe for step in steps if step.id == draft.step), None)
            state.draft.resume(draft.text, begun)
    return len(steps)


def _make_phrase(score: _PhraseScore) -> Phrase:
    return Phrase(score.prompt, tuple(score.wanted), tuple(score.unwanted))


def _read_steps(file: _File) -> list[Step]:
    """The steps. Their recipes are read when they are needed, unless someone else may have written them."""
    steps = [_read_step(saved) for saved in file.steps]
    if file.digest == _make_digest(map(_dump_step, file.steps)):
        return steps
    return [step for step in steps if _is_valid(step)]


def _is_valid(step: Step) -> bool:
    try:
        return step.recipe is not None
    except RecipeError:
        return False


def _read_step(saved: _Step) -> Step:
    lines = tuple(Line(line.title, tuple(line.values)) for line in saved.lines)
    scores = {name: math.nan if value is None else value for name, value in saved.scores.items()}
    summary = None if saved.words is None else Summary(saved.words, lines)
    recipe = KeptRecipe(partial(_read_recipe, saved))
    return Step(saved.id, recipe, saved.text, saved.parent, saved.time, saved.name, scores, tuple(saved.pins), summary)


def _read_recipe(saved: _Step) -> Recipe:
    if saved.text is None:
        return Recipe.of(saved.recipe or {})
    return Recipe.load(saved.text if "\n" in saved.text else f"{saved.text}\n")  # never the path of a file
