"""Stacks of layers: which numbered module lists of a checkpoint are layers, and where its config declares their number.

Many models have one stack. Encoder-decoders and models with vision or audio have several, each with a depth of its own. A
list of modules counts as a stack when the config declares its length, so that the few numbered modules of a classifier or a
projector are not taken for layers.
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
"""Words for stacks that process images, sound or video."""
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
class DeclaredDepth:
    """A number of layers that a config declares.

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
        """Words in its name that identify the stack: ``{"decoder"}``, ``{"text"}``, or nothing."""
        return telling(self.path)

    @property
    def _sections(self) -> set[str]:
        """Names of the configs that it stands in: ``{"patcher"}`` for ``patcher_config``."""
        return {key.removesuffix("_config").lower() for key in self.path[:-1]}

    def means(self, stack: Stack, main: bool, others: Sequence[DeclaredDepth]) -> bool:
        """Whether this is the depth of a stack.

        Parameters
        ----------
        main : bool
            Whether the stack is the one that the model is named for.
        others : sequence of DeclaredDepth
            All numbers of layers that the config declares.
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


def depths(config: Mapping[str, Any]) -> list[DeclaredDepth]:
    """Every number of layers that a config declares, including the configs inside it."""
    return list(_depths(config, ()))


def _depths(config: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[DeclaredDepth]:
    for key, value in config.items():
        if isinstance(value, Mapping) and len(path) < 3:
            yield from _depths(value, (*path, str(key)))
        elif type(value) is int and value > 0 and _DEPTH.match(str(key)) and not _NO_DEPTH.search(str(key)):
            yield DeclaredDepth((*path, str(key)), value)


def stacks(names: Iterable[str], lengths: Iterable[int], depth: int | None) -> tuple[list[Stack], Stack | None]:
    """The stacks among a checkpoint's tensors, and the one that the model is named for.

    Parameters
    ----------
    names : iterable of str
        All tensor names.
    lengths : iterable of int
        Every number of layers that the config declares.
    depth : int, optional
        The number that it declares for the main stack.
    """
    lists: dict[str, dict[int, set[str]]] = {}
    sizes: Counter[str] = Counter()
    for match in filter(None, map(NUMBERED.match, names)):
        lists.setdefault(match["stack"], {}).setdefault(int(match["index"]), set()).add(match["rest"])
        sizes[match["stack"]] += 1
    if not lists:
        return [], None

    def rank(name: str) -> tuple[bool, bool, bool, int]:
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


def named_stacks(names: Iterable[str], lists: Iterable[str]) -> list[Stack]:
    """The lists of modules of these names, in their order; those without tensors are left out."""
    wanted: dict[str, int] = dict.fromkeys(lists, 0)
    for match in filter(None, map(NUMBERED.match, names)):
        if match["stack"] in wanted:
            wanted[match["stack"]] = max(wanted[match["stack"]], 1 + int(match["index"]))
    return [Stack(name, depth) for name, depth in wanted.items() if depth]


def _alike(layers: Mapping[int, set[str]]) -> bool:
    """Whether a list is numbered without gaps and its modules share most of their parts; experts count once."""
    parts = [{re.sub(r"\d+", "#", part) for part in layer} for layer in layers.values()]
    common = set.intersection(*parts)
    return set(layers) == set(range(len(layers))) and 2 * len(common) > max(map(len, parts))


def telling(path: Iterable[str]) -> set[str]:
    """Words in names of modules or config keys that identify a stack: ``vision_tower`` is about vision."""
    words = (w for part in path for w in _words(part))
    return {_SYNONYMS.get(w, w) for w in words} & _TELLING


def _words(name: str) -> list[str]:
    return re.split(r"[._]", name.lower())
