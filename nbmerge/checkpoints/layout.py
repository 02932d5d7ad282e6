"""What a tensor is, from its name: which layer, which part of it, or which role outside the layers.

There is no list of architectures. The layers are found as the numbered modules that a checkpoint's own names show, so
that nothing is ever left out because a list did not know it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

_NUMBERED = re.compile(r"^(?P<stack>(?:.*?\.)?[A-Za-z_]\w*)\.(?P<index>\d+)\.(?P<rest>.+)$")
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|score|classifier|output|output_layer|qa_outputs)\.(weight|bias)$")
_EMBEDDING = re.compile(r"embed|(^|\.)(wte|wpe|tok_embeddings|project_in)\.")
_NORM = re.compile(r"norm|(^|\.)ln_?\w*\.")
_DERIVED = re.compile(r"(^|\.)(rotary_emb\.inv_freq|(attn|attention)\.(bias|masked_bias)|position_ids)$")

ROLES = ("embedding", "final norm", "head", "other")
"""Roles of tensors outside the layers."""

GROUPS = ("attention", "mlp", "rest")
"""Parts of a layer, in the order they are shown."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor belongs.

    Parameters
    ----------
    name : str
        The tensor's full name.
    layer : int, optional
        Its layer; None outside the layers.
    part : str
        The name without stack and number inside a layer, the full name outside.
    kind : str
        A group of `GROUPS` inside a layer, a role of `ROLES` outside.
    """

    name: str
    layer: int | None
    part: str
    kind: str


class Layout:
    """The order in a checkpoint's tensor names.

    Parameters
    ----------
    names : iterable of str
        All tensor names.
    depth : int, optional
        The number of layers that the config speaks of: where several stacks of numbered modules exist, the one of this
        depth is meant.
    """

    def __init__(self, names: Iterable[str], depth: int | None = None):
        self.names = tuple(names)
        stacks: dict[str, set[int]] = {}
        sizes: Counter[str] = Counter()
        for match in filter(None, map(_NUMBERED.match, self.names)):
            stacks.setdefault(match["stack"], set()).add(int(match["index"]))
            sizes[match["stack"]] += 1
        best = max(stacks, key=lambda s: (len(stacks[s]) == depth, sizes[s]), default=None)
        self.stack = best
        """Name of the module list that holds the layers, such as ``model.layers``; None where there is none."""
        self.depth = 1 + max(stacks[best]) if best else 0
        """Number of layers that have tensors."""

    @cached_property
    def places(self) -> dict[str, Place]:
        """Every tensor's place, by name."""
        return {name: self.place(name) for name in self.names}

    def place(self, name: str) -> Place:
        """The place of one tensor, also of one that only an output has."""
        match = _NUMBERED.match(name)
        if match and match["stack"] == self.stack:
            return Place(name, int(match["index"]), match["rest"], _group(match["rest"]))
        return Place(name, None, name, _role(name))

    def name(self, layer: int, part: str) -> str:
        """Full name of a layer's tensor."""
        return f"{self.stack}.{layer}.{part}"

    def parts(self, layer: int) -> list[str]:
        """What one layer consists of, in the checkpoint's order."""
        return [p.part for p in self.places.values() if p.layer == layer]

    def outside(self, *roles: str) -> list[str]:
        """Names outside the layers with one of these roles (default: all)."""
        return [p.name for p in self.places.values() if p.layer is None and (not roles or p.kind in roles)]

    def filters(self, kind: str) -> tuple[str, ...]:
        """Shortest filters that match the tensors of a group or role, and no other tensor.

        Empty where no text separates them, or where there are none.
        """
        wanted = [p for p in self.places.values() if p.kind == kind]
        others = [p.name for p in self.places.values() if p.kind != kind]
        if wanted and wanted[0].layer is not None:
            candidates = [(c, c + ".") for c in dict.fromkeys(p.part.split(".")[0] for p in wanted)]
        else:
            candidates = [(p.name.rsplit(".", 1)[0], p.name) for p in wanted]
        chosen = [next((f for f in pair if not any(f in o for o in others)), None) for pair in candidates]
        return () if None in chosen else tuple(dict.fromkeys(chosen))


def is_derived(name: str) -> bool:
    """Whether a tensor is a buffer that models rebuild by themselves: rotary frequencies, causal masks, position ids."""
    return bool(_DERIVED.search(name))


def _group(part: str) -> str:
    module = part.split(".")[0]
    if "LayerNorm" in part or _NORM.search(module + "."):
        return "rest"
    if "attn" in module or "attention" in module:
        return "attention"
    if re.search(r"mlp|feed_forward|ffn|moe|expert|^(fc\d?|intermediate|output)$|^dense", module):
        return "mlp"
    return "rest"


def _role(name: str) -> str:
    if _HEAD.search(name):
        return "head"
    if _EMBEDDING.search(name):
        return "embedding"
    return "final norm" if _NORM.search(name) else "other"
