"""What parents, merge and pinned merges generate for the same prompts, token by token. State, without widgets."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import partial
from typing import Any, TypeAlias

from nbmerge.engine.planning import Plan
from nbmerge.errors import MergeStopped
from nbmerge.widgets.state.model_pool import AUTOMATIC, ModelPool, PooledModel

MERGE_NAME = "the merge"
MERGE, PIN, PARENT = "merge", "pin", "parent"
CACHED = 512
"""Continuations that are remembered, so that nothing is generated twice."""

SourceKey: TypeAlias = tuple[str, str]
"""What a model is, whatever its name: the kind, and the fingerprint of its recipe or its folder."""


@dataclass(frozen=True)
class SampleRequest:
    """What all models are to generate.

    Parameters
    ----------
    prompts : tuple of str
    settings : tuple of (str, object)
        Of `nbmerge.sample`: max_new_tokens, temperature, seed.
    backend : str
        How the merge is run, see `ModelPool.load_merge`.
    parents : bool
        Whether the parents are sampled, too.
    """

    prompts: tuple[str, ...]
    settings: tuple[tuple[str, Any], ...]
    backend: str = AUTOMATIC
    parents: bool = True


@dataclass(frozen=True)
class Continuation:
    """What follows one prompt, as far as it is generated.

    Parameters
    ----------
    prompt : str
    pieces : tuple of str
        The text that each token added.
    status : "waiting", "generating", "done" or "stopped"
    """

    prompt: str
    pieces: tuple[str, ...] = ()
    status: str = "waiting"

    @property
    def text(self) -> str:
        """The continuation."""
        return "".join(self.pieces)


@dataclass(frozen=True)
class ModelOutput:
    """What one model has generated.

    Parameters
    ----------
    name : str
    kind : "merge", "pin" or "parent"
    continuations : tuple of Continuation
        One for each prompt.
    description : str
        How the model was run: as a live merge or as a virtual merge.
    fingerprint : str
        Of the recipe that it belongs to; empty for parents.
    previous : tuple of Continuation
        What it generated for the same prompts before the last change, as far as that was finished.
    """

    name: str
    kind: str
    continuations: tuple[Continuation, ...] = ()
    description: str = ""
    fingerprint: str = ""
    previous: tuple[Continuation, ...] = ()


@dataclass
class SamplingSession:
    """Samples all models with the same prompts.

    Parameters
    ----------
    pool : ModelPool
    on_change : callable
        Takes the `ModelOutput` that has changed, in the thread that samples.
    """

    pool: ModelPool
    on_change: Callable[[ModelOutput], Any]
    outputs: dict[str, ModelOutput] = field(default_factory=dict)
    _cache: OrderedDict[Hashable, tuple[str, ...]] = field(default_factory=OrderedDict)

    def list_outputs(self, plan: Plan, request: SampleRequest) -> list[ModelOutput]:
        """An output for the merge, the pinned merges and the parents, with what each generated last."""
        kinds = {MERGE_NAME: MERGE, **dict.fromkeys(self.pool.pins, PIN)}
        kinds |= dict.fromkeys(plan.parents, PARENT) if request.parents else {}
        self.outputs = {name: self.outputs.get(name, ModelOutput(name, kind)) for name, kind in kinds.items()}
        return list(self.outputs.values())

    def run(self, plan: Plan, request: SampleRequest, cancel: threading.Event) -> None:
        """Sample the merge, then every other model whose continuations are not known yet.

        Raises
        ------
        MergeStopped
            When `cancel` was set before the end.
        """
        sources = [
            (out.name, *self._find_source(out, plan, request, cancel)) for out in self.list_outputs(plan, request)
        ]
        for name, key, load in sources:
            self._sample_model(name, key, load, request, cancel)

    def _find_source(
        self, output: ModelOutput, plan: Plan, request: SampleRequest, cancel: threading.Event
    ) -> tuple[SourceKey, Callable[[], PooledModel]]:  # fmt: skip
        """What a model is, and how to get it."""
        if output.kind == PARENT:
            key = PARENT, self.pool.parent_key(plan, output.name)
            return key, partial(self.pool.load_parent, plan, output.name, cancel)
        if output.kind == PIN:
            pin = self.pool.pins[output.name]
            return (MERGE, pin.recipe.fingerprint), partial(PooledModel, pin, "pinned, kept in memory")
        longest, new_tokens = max(map(len, request.prompts)) // 3 + 1, dict(request.settings)["max_new_tokens"]
        load = partial(self.pool.load_merge, plan, request.backend, cancel, longest, new_tokens)
        return (MERGE, plan.recipe.fingerprint), load

    def _sample_model(
        self, name: str, key: SourceKey, load: Callable[[], PooledModel], request: SampleRequest, cancel: threading.Event
    ) -> None:  # fmt: skip
        """One model: what is cached at once, the rest token by token."""
        cached = [self._cache.get((key, prompt, request.settings)) for prompt in request.prompts]
        texts = [
            Continuation(prompt, pieces or (), "waiting" if pieces is None else "done")
            for prompt, pieces in zip(request.prompts, cached, strict=True)
        ]
        self._set(name, texts, key)
        if None not in cached and name != MERGE_NAME:
            return
        pooled = load()  # the merge is brought up to date also where its continuations are cached
        self._set(name, texts, key, pooled.description)
        for number, pieces in enumerate(cached):
            if pieces is None:
                if cancel.is_set():
                    raise MergeStopped("Stopped.")
                self._generate(name, key, pooled, texts, number, request, cancel)
        if cancel.is_set() and any(t.status != "done" for t in texts):
            raise MergeStopped("Stopped.")

    def _generate(
        self, name: str, key: SourceKey, pooled: PooledModel, texts: list[Continuation], number: int,
        request: SampleRequest, cancel: threading.Event,
    ) -> None:  # fmt: skip
        """Generate one continuation, which is changed in `texts` with every token."""
        from nbmerge.sampling import sample

        prompt = request.prompts[number]
        self.pool.note(f"{name}, prompt {number + 1} of {len(request.prompts)}")
        texts[number] = replace(texts[number], status="generating")

        def add_token(_: int, text: str, tokens: tuple[int, ...]) -> None:
            so_far = texts[number]
            texts[number] = replace(so_far, pieces=(*so_far.pieces, text[len(so_far.text) :]))
            self._set(name, texts, key)

        (result,) = sample(pooled.model, [prompt], cancel=cancel, on_token=add_token, **dict(request.settings))
        so_far = texts[number]
        rest = result.text[len(so_far.text) :] if result.text.startswith(so_far.text) else ""
        pieces = (*so_far.pieces, rest) if rest else so_far.pieces
        texts[number] = replace(so_far, pieces=pieces, status="stopped" if result.stopped else "done")
        if not result.stopped:
            self._remember((key, prompt, request.settings), pieces)
        self._set(name, texts, key)

    def _set(self, name: str, texts: Sequence[Continuation], key: SourceKey, description: str | None = None) -> None:
        output = self.outputs[name]
        fingerprint = key[1] if key[0] == MERGE else ""
        previous = output.previous
        if fingerprint != output.fingerprint:  # what was finished is what the next texts are compared with
            finished = {t.prompt: t for t in (*previous, *output.continuations) if t.status == "done"}
            previous = tuple(finished.values())
        output = replace(
            output, continuations=tuple(texts), fingerprint=fingerprint, previous=previous,
            description=output.description if description is None else description,
        )  # fmt: skip
        self.outputs[name] = output
        self.on_change(output)

    def _remember(self, key: Hashable, pieces: tuple[str, ...]) -> None:
        self._cache[key] = pieces
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)


def mark_changed(pieces: Sequence[str], reference: Sequence[str]) -> list[bool]:
    """Which tokens of a text are not those of another, matching as many as possible in order."""
    flags = [True] * len(pieces)
    for block in SequenceMatcher(None, list(reference), list(pieces), autojunk=False).get_matching_blocks():
        flags[block.b : block.b + block.size] = [False] * block.size
    return flags
