"""What a tensor is, by its name: its layer and part, or its role outside the layers.

Layers are found as numbered modules in the names of the tensors. This needs no list of architectures, so unlisted models work
as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from nbmerge.checkpoints.stacks import NUMBERED, Stack, named_stacks, stacks

_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|score|classifier|output|output_layer|qa_outputs)\.(weight|bias)$")
_EMBEDDING = re.compile(r"embed|(^|\.)(wte|wpe|tok_embeddings|project_in|shared)\.")
_NORM = re.compile(r"norm|(^|\.)ln_?\w*\.")
_BEFORE = re.compile(r"(^|\.)(ln_pre|layernorm_pre|pre_layr?norm)\.")
_AFTER = re.compile(
    r"(^|\.)(pooler|lm_head|cls|classifier|pre_classifier|score|qa_outputs|generator_predictions|vocab_transform)\."
)
_DERIVED = re.compile(r"(^|\.)(rotary_emb\.inv_freq|(attn|attention)\.(bias|masked_bias)|position_ids)$")

_CONV1D = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp_decoder"}
"""Model types whose layers are transformers' Conv1D."""

ROLES = ("embedding", "final norm", "head", "other")
"""Roles of tensors outside the layers."""

GROUPS = ("attention", "mlp", "rest")
"""Parts of a layer, in the order they are shown."""


@dataclass(frozen=True, slots=True)
class Place:
    """The layer or role of a tensor.

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
    stack : str, optional
        Name of the stack that the layer belongs to; None outside the layers.
    """

    name: str
    layer: int | None
    part: str
    kind: str
    stack: str | None = None


class Layout:
    """Layers and roles, as found in a checkpoint's tensor names.

    Parameters
    ----------
    names : iterable of str
        All tensor names.
    depth : int, optional
        The number of layers that the config declares: of several stacks, the one of this depth is the main one.
    lengths : iterable of int
        Every number of layers that the config declares: lists of these lengths are stacks as well.
    """

    def __init__(self, names: Iterable[str], depth: int | None = None, lengths: Iterable[int] = ()):
        self.names = tuple(names)
        self.bare = False
        """Whether the tensors are bare weights, whose names mean nothing outside the stacks that are named."""
        self._set_stacks(*stacks(self.names, {*lengths, *([] if depth is None else [depth])}, depth))

    @classmethod
    def of_bare(cls, names: Iterable[str], lists: Iterable[str]) -> Layout:
        """The layout of bare weights: only the lists of modules that are named count as layers, and no tensor has a role.

        Parameters
        ----------
        names : iterable of str
            All tensor names.
        lists : iterable of str
            Names of lists of modules, the main one first; those that do not exist are left out.
        """
        made = cls.__new__(cls)
        made.names, made.bare = tuple(names), True
        found = named_stacks(made.names, lists)
        made._set_stacks(found, found[0] if found else None)
        return made

    def _set_stacks(self, found: Iterable[Stack], main: Stack | None) -> None:
        self.stacks: dict[str, Stack] = {s.name: s for s in found}
        """Every stack of layers, by name."""
        self.stack = main.name if main else None
        """Name of the main stack, such as ``model.layers``; None where there is none."""
        self.depth = main.depth if main else 0
        """Number of its layers that have tensors."""

    @cached_property
    def places(self) -> dict[str, Place]:
        """Every tensor's place, by name."""
        return {name: self.place(name) for name in self.names}

    def place(self, name: str) -> Place:
        """The place of one tensor, even of one that only the merged model has."""
        match = NUMBERED.match(name)
        if match and match["stack"] in self.stacks:
            return Place(name, int(match["index"]), match["rest"], _group(match["rest"]), match["stack"])
        return Place(name, None, name, "other" if self.bare else _role(name))

    def is_after_layers(self, name: str) -> bool:
        """Whether a tensor outside the layers comes after the last of them: a pooler, or a part of a head before its weights."""
        return not self.bare and bool(_AFTER.search(name))

    def is_derived(self, name: str) -> bool:
        """Whether a tensor is a buffer that models compute themselves: rotary frequencies, causal masks, position ids."""
        return not self.bare and is_derived(name)

    def name(self, layer: int, part: str, stack: str | None = None) -> str:
        """Full name of a layer's tensor, by default in the main stack."""
        return f"{stack or self.stack}.{layer}.{part}"

    def parts(self, layer: int, stack: str | None = None) -> list[str]:
        """The parts of one layer in the checkpoint's order, by default in the main stack."""
        return list(self._parts.get((stack or self.stack, layer), ()))

    def first_only(self, stack: str | None) -> frozenset[str]:
        """Parts that only the first layer of a stack has and all its layers use, such as T5's relative positions."""
        if stack not in self._first_only:
            first, *others = (set(self.parts(i, stack)) for i in range(self.stacks[stack].depth if stack else 1))
            alone = first - set().union(*others) if others and all(p and p < first for p in others) else ()
            self._first_only[stack] = frozenset(alone)
        return self._first_only[stack]

    @cached_property
    def _first_only(self) -> dict[str | None, frozenset[str]]:
        return {}

    @cached_property
    def _parts(self) -> dict[tuple[str | None, int], list[str]]:
        found: dict[tuple[str | None, int], list[str]] = {}
        for place in self.places.values():
            if place.layer is not None:
                found.setdefault((place.stack, place.layer), []).append(place.part)
        return found

    def outside(self, *roles: str) -> list[str]:
        """Names outside the layers with one of these roles (default: all)."""
        return [p.name for p in self.places.values() if p.layer is None and (not roles or p.kind in roles)]

    def filters(self, kind: str) -> tuple[str, ...]:
        """The shortest filters that match the tensors of a group or role, and no other tensors.

        Empty where no text separates them, or where there are none.
        """
        wanted = [p for p in self.places.values() if p.kind == kind]
        others = [p.name for p in self.places.values() if p.kind != kind]
        if wanted and wanted[0].layer is not None:
            candidates = [(c, c + ".") for c in dict.fromkeys(p.part.split(".")[0] for p in wanted)]
        else:
            candidates = [(p.name.rsplit(".", 1)[0], p.name) for p in wanted]
        chosen: dict[str, None] = {}
        for pair in candidates:
            separating = next((f for f in pair if not any(f in o for o in others)), None)
            if separating is None:
                return ()
            chosen[separating] = None
        return tuple(chosen)


def has_inputs_first(model_type: str, name: str) -> bool:
    """Whether a weight matrix has a row for each input of its layer, as in GPT-2 (``Conv1D``)."""
    return model_type in _CONV1D and bool(re.search(r"(^|\.)(c_attn|c_proj|c_fc|q_attn)\.weight$", name))


def is_derived(name: str) -> bool:
    """Whether a tensor is a buffer that models compute themselves: rotary frequencies, causal masks, position ids."""
    return bool(_DERIVED.search(name))


def _module(part: str) -> str:
    """The module of a layer that a part belongs to; some models number modules (``layer.0.SelfAttention``)."""
    modules = part.split(".")[:-1] or [part]
    return next((m for m in modules if m not in ("layer", "layers") and not m.isdigit()), modules[0])


@lru_cache(maxsize=4096)  # every layer of every model has the part, and each move of a slider makes a plan
def _group(part: str) -> str:
    """The group of a part of a layer, one of `GROUPS`."""
    module = _module(part)
    if "LayerNorm" in part or _NORM.search(module + "."):
        return "rest"
    if "attn" in module or "attention" in module.lower():
        return "attention"
    if re.search(r"mlp|feed_forward|ffn|moe|expert|^(fc\d?|intermediate|output)$|^dense", module.lower()):
        return "mlp"
    return "rest"


def _role(name: str) -> str:
    """The role of a tensor outside the layers, one of `ROLES`."""
    if _HEAD.search(name):
        return "head"
    if _EMBEDDING.search(name):
        return "embedding"
    return "final norm" if _NORM.search(name) and not _BEFORE.search(name) else "other"
