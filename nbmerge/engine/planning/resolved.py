"""A recipe together with the methods and models that it names, from which tensors are planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from nbmerge.checkpoints import Checkpoint, Layout
from nbmerge.checkpoints.modules import claims
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.precedence import CHOICE, find_value
from nbmerge.engine.planning.tokens.vocabulary import BySize, ByToken
from nbmerge.methods import Method
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Where
from nbmerge.recipe import Recipe, Slice
from nbmerge.recipe.sections import Level, Section
from nbmerge.tokenizers import OutputTokenizer

DONORS = ("base_model", "embedding_source", "final_norm_source", "lm_head_source", "config_source", "fill_from")
"""Fields of a recipe that name one model for the whole result."""


@dataclass(frozen=True)
class Input:
    """One source of a slice, opened."""

    ref: ModelRef
    checkpoint: Checkpoint
    first: int
    levels: tuple[Level, ...]
    stack: str | None = None

    @property
    def layout(self) -> Layout:
        """Layers and roles of its tensors."""
        return self.checkpoint.layout

    @property
    def depth(self) -> int:
        """Number of layers of its stack, 0 for a part without layers."""
        return self.layout.stacks[self.stack].depth if self.stack is not None else 0


@dataclass(frozen=True)
class Piece:
    """A slice with its sources in the method's order; `others` has the same slice for the recipe's other methods."""

    method: Method
    inputs: tuple[Input, ...]
    depth: int
    where: Where
    levels: tuple[Level, ...]
    others: Mapping[str, Piece]
    has_base: bool

    def chosen_for(self, tensor: str, t: float) -> Piece:
        """The same slice for the method that the recipe chooses for one tensor."""
        return self.others.get(find_value(CHOICE, self.levels, tensor, t, self.depth)[0], self)


@dataclass(frozen=True)
class Stretch:
    """The slices of one section of the recipe for one stack of layers, named as in the config donor.

    A part of a model without layers has one slice without layers, which applies to its tensors.
    """

    section: Section
    stack: str | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, eq=False)
class Resolved:
    """A recipe and what it names; each step of `planner` fills in another field.

    Parameters
    ----------
    recipe : Recipe
    findings : Findings
        Problems that the steps have found.
    methods : tuple of Method
        The recipe's own method first, then those that it chooses for some tensors.
    checkpoints : mapping of ModelRef to Checkpoint
        Every model, opened.
    tokenizers : mapping of ModelRef to OutputTokenizer
        Tokenizers of merges that feed this one.
    stretches : tuple of tuple of Stretch
        For each section of the recipe, its slices for each of its stacks.
    vocabulary : ByToken or BySize, optional
        How embeddings and heads are aligned, if they are.
    tokenizer : OutputTokenizer, optional
        The result's tokenizer, if it is not the donor's.
    """

    recipe: Recipe
    findings: Findings
    methods: tuple[Method, ...]
    checkpoints: Mapping[ModelRef, Checkpoint] = field(default_factory=dict)
    tokenizers: Mapping[ModelRef, OutputTokenizer] = field(default_factory=dict)
    stretches: tuple[tuple[Stretch, ...], ...] = ()
    vocabulary: ByToken | BySize | None = None
    tokenizer: OutputTokenizer | None = None
    owners: dict[int, dict[str, str]] = field(default_factory=dict, repr=False)
    """Cached results of `claims`, by the id of the checkpoint."""

    @cached_property
    def labels(self) -> dict[ModelRef, str]:
        """Short unique names of the models."""
        refs = self.recipe.references
        names = [r.name for r in refs]
        return {r: r.name if names.count(r.name) == 1 else str(r) for r in refs}

    @cached_property
    def order(self) -> dict[ModelRef, int]:
        """Number of each model in random streams: its position in the recipe, so that moving folders changes no result."""
        return {ref: i for i, ref in enumerate(self.recipe.references)}

    @cached_property
    def donor(self) -> ModelRef:
        """The model whose config and tokenizer the result gets."""
        return self.recipe.config_source or self.recipe.base_model or self.recipe.references[0]

    @property
    def donor_checkpoint(self) -> Checkpoint:
        """The checkpoint of `donor`."""
        return self.checkpoints[self.donor]

    def claims(self, checkpoint: Checkpoint) -> dict[str, str]:
        """The module of the recipe that each tensor of a checkpoint belongs to."""
        if id(checkpoint) not in self.owners:
            self.owners[id(checkpoint)] = claims(checkpoint.layout, self.recipe.modules or ())
        return self.owners[id(checkpoint)]

    def inputs_of(self, role: Literal["embedding", "head"]) -> tuple[Input, ...]:
        """The models that the result's token embedding, or its head, is made from."""
        donor = self.donor_checkpoint
        head = next(iter(donor.layout.outside("head")), None) if role == "head" else None
        name = head or donor.token_embedding
        module = None if name is None else self.claims(donor).get(name)
        stretches = next((s for s in self.stretches if s[0].section.module == module), self.stretches[0])
        return stretches[0].pieces[0].inputs if role == "embedding" else stretches[-1].pieces[-1].inputs


def base_of(recipe: Recipe, piece: Slice) -> ModelRef | None:
    """The base model of a slice: its own, else the recipe's."""
    return piece.base_model or recipe.base_model


def find_place(recipe: Recipe, ref: ModelRef) -> Where:
    """The first place of a recipe that names a model."""
    for section in recipe.sections:
        for k, piece in enumerate(section.slices):
            for i, source in enumerate(piece.sources):
                if source.model == ref:
                    return (*section.source_place(k, i), "model")
            if piece.base_model == ref:
                return (*section.slice_place(k), "base_model")
    for key in ("experts", "shared_experts"):
        for i, expert in enumerate(getattr(recipe, key) or ()):
            if expert.source_model == ref:
                return (key, i, "source_model")
    return (next(n for n in DONORS if getattr(recipe, n) == ref),)
