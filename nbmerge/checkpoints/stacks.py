"""Stacks of layers: which numbered module lists of a checkpoint are layers, and where its config says how many.

Many models have one stack. Encoder-decoders and models that see or hear have several, each with a depth of its own. A
list of modules counts as a stack when the config speaks of its length; so a classifier's or a projector's few numbered
modules are not taken for layers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NUMBERED = re.compile(r"^(?P<stack>(?:.*?\.)?[A-Za-z_]\w*)\.(?P<index>\d+)\.(?P<rest>.+)$")
"""A tensor in a list of modules; in lists of lists, the outermost counts."""

_DEPTH = re.compile(r"^(n_layers?|num_layers|depth|(num_)?\w+_layers)$")
_PLAIN = re.compile(r"^(num_)?(encoder|decoder)_(hidden_)?layers$")
_NO_DEPTH = re.compile(r"layerdrop|position|freq|shared|dense_layers|feat|hash|local|global|window|skip|every")
SENSES = {"vision", "audio", "speech", "video"}
"""Words for stacks that a language model sees and hears with."""
_SYNONYMS = {
    "visual": "vision", "vit": "vision", "img": "vision", "image": "vision", "language": "text", "llm": "text", "enc": "encoder",
    "dec": "decoder",
}  # fmt: skip
_TELLING = {"encoder", "decoder", "text", *SENSES}


@dataclass(frozen=True, slots=True)
class Stack:
    """A list of layers.

    Parameters
    ----------
    name : str
        Its name in the checkpoint, such as ``model.layers`` or ``decoder.block``.
    depth : int
        Number of layers that have tensors.
    """

    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class SaidDepth:
    """A number of layers that a config speaks of.

    Parameters
    ----------
    path : tuple of str
        Keys from the top of the config down to it.
    value : int
    """

    path: tuple[str, ...]
    value: int

    @property
    def words(self) -> set[str]:
        """What its name says about the stack that is meant: ``{"decoder"}``, ``{"text"}``, or nothing."""
        return telling(self.path)

    @property
    def _sections(self) -> set[str]:
        """Names of the configs that it stands in: ``{"patcher"}`` for ``patcher_config``."""
        return {key.removesuffix("_config").lower() for key in self.path[:-1]}

    def means(self, stack: Stack, main: bool, others: Sequence[SaidDepth]) -> bool:
        """Whether this is the depth of a stack.

        Parameters
        ----------
        main : bool
            Whether the stack is the one that the model is named for.
        others : sequence of SaidDepth
            Everything that the config says.
        """
        if self.value != stack.depth:
            return False
        words = telling((stack.name,))
        if not self.words and self._sections & set(_words(stack.name)):
            return True
        if not self.words:  # num_layers beside num_decoder_layers is the encoder's
            apart = any("decoder" in d.words for d in others)
            return "encoder" in words and not words & SENSES if apart else main
        ours, theirs = self.words & (SENSES | {"text"}), words & (SENSES | {"text"})
        if theirs == {"text"} and not ours and _PLAIN.match(self.path[-1]):
            return bool(self.words & words)  # decoder_layers, of the text_decoder
        if ours or theirs:
            return bool(ours & theirs) or (main and ours <= {"text"} and not theirs)
        return bool(self.words & words)


def depths(config: Mapping[str, Any]) -> list[SaidDepth]:
    """Every number of layers that a config speaks of, in it and in the configs it contains."""
    return list(_depths(config, ()))


def _depths(config: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[SaidDepth]:
    for key, value in config.items():
        if isinstance(value, Mapping) and len(path) < 3:
            yield from _depths(value, (*path, str(key)))
        elif type(value) is int and value > 0 and _DEPTH.match(str(key)) and not _NO_DEPTH.search(str(key)):
            yield SaidDepth((*path, str(key)), value)


def stacks(names: Iterable[str], lengths: Iterable[int], depth: int | None) -> tuple[list[Stack], Stack | None]:
    """The stacks among a checkpoint's tensors, and the one that the model is named for.

    Parameters
    ----------
    names : iterable of str
        All tensor names.
    lengths : iterable of int
        Every number of layers that the config speaks of.
    depth : int, optional
        The one that it means first of all.
    """
    lists: dict[str, dict[int, set[str]]] = {}
    sizes: Counter[str] = Counter()
    for match in filter(None, map(NUMBERED.match, names)):
        lists.setdefault(match["stack"], {}).setdefault(int(match["index"]), set()).add(match["rest"])
        sizes[match["stack"]] += 1
    if not lists:
        return [], None

    def rank(name: str) -> tuple:
        words = telling((name,))
        told = len(lists[name]) in lengths
        return told and not words & SENSES, told and "decoder" in words, len(lists[name]) == depth, sizes[name]

    lengths = set(lengths)
    main = max(lists, key=rank)
    found = [
        Stack(name, 1 + max(layers))
        for name, layers in lists.items()
        if name == main or (len(layers) in lengths and _alike(layers))
    ]
    return found, next(s for s in found if s.name == main)


def _alike(layers: Mapping[int, set[str]]) -> bool:
    """Whether a list is numbered without gaps and its modules share most of their parts; experts count once."""
    parts = [{re.sub(r"\d+", "#", part) for part in layer} for layer in layers.values()]
    common = set.intersection(*parts)
    return set(layers) == set(range(len(layers))) and 2 * len(common) > max(map(len, parts))


def telling(path: Iterable[str]) -> set[str]:
    """What names of modules or config keys say about a stack: ``vision_tower`` is of vision."""
    words = (w for part in path for w in _words(part))
    return {_SYNONYMS.get(w, w) for w in words} & _TELLING


def _words(name: str) -> list[str]:
    return re.split(r"[._]", name.lower())
