"""What a recipe names, found and opened: methods, models, their labels, and merges that feed this one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.hub import snapshot_of
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.plans import Plan
from nbmerge.engine.planning.precedence import CHOICE
from nbmerge.errors import CheckpointError
from nbmerge.methods import Method, methods
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe import ModelRef, Recipe, Slice
from nbmerge.recipe.sections import levels
from nbmerge.tokenizers import Written

ELSEWHERE = {
    "moe": "A mixture of experts is built by another program, mergekit-moe, which keeps the models side by side behind a "
    "router. To merge the experts into one dense model, list them under models and choose a method such as ties."
}
"""Methods that people name and that no merge of tensors can be, with what they are and what can be done."""

Examine = Callable[[Recipe], tuple[Plan | None, list[Problem]]]


class Named:
    """The first step of planning.

    Parameters
    ----------
    recipe : Recipe
    examine : callable
        Plans a merge that this one takes as a model.
    """

    def __init__(self, recipe: Recipe, examine: Examine):
        self.recipe = recipe
        self.findings = Findings(recipe)
        self._examine = examine
        self.tokenizers: dict[ModelRef, Written] = {}

    def _methods(self) -> list[Method]:
        """The recipe's methods: its own first, then those that it chooses for some tensors."""
        named = {self.recipe.merge_method: ("merge_method",)}
        for where, settings, _, _ in levels(self.recipe):
            if CHOICE.name in settings:
                for value in settings[CHOICE.name].values():
                    named.setdefault(str(value), (*where, CHOICE.name))
        found = [self._method(name, where) for name, where in named.items()]
        return found if all(found) else []

    def _method(self, name: str, where: Where) -> Method | None:
        known = methods()
        method = known.get(name)
        if method is None:
            self.findings.error(
                where, f"there is no merge method '{name}'.", ELSEWHERE.get(name) or nearest(name, known)
            )
        elif method.base == "required" and any(self._base(p) is None for p in self.recipe.pieces):
            what = f"{method.name} works on differences from a base model, and none is named."
            self.findings.error(
                ("base_model",), what, "Set base_model to the model that the others were fine-tuned from."
            )
        return method

    def _open(self) -> dict[ModelRef, Checkpoint]:
        opened = {}
        for ref in self.recipe.references:
            merge = self.recipe.merge_named(ref)
            if merge is not None:
                if (made := self._nested(merge)) is not None:
                    opened[ref] = made.as_checkpoint(merge.name)
                    if made.tokenizer is not None:
                        self.tokenizers[ref] = made.tokenizer
                continue
            try:
                opened[ref] = Checkpoint.open(ref)
            except CheckpointError as error:
                self.findings.error(self._where(ref), str(error))
                continue
            for note in opened[ref].notes:
                self.findings.warning(self._where(ref), note)
            if (snapshot := snapshot_of(opened[ref].path)) and snapshot.note:
                self.findings.warning(self._where(ref), snapshot.note)
        return opened

    def _nested(self, merge: Recipe) -> Plan | None:
        made, problems = self._examine(merge)
        for p in problems:
            self.findings.add(Problem(p.severity, ("merges", merge.name, *p.where), p.what, p.how, p.line))
        return made

    def _where(self, ref: ModelRef) -> Where:
        """The first place that names a model."""
        for section in self.recipe.sections:
            for k, piece in enumerate(section.slices):
                for i, source in enumerate(piece.sources):
                    if source.model == ref:
                        return (*section.source_place(k, i), "model")
                if piece.base_model == ref:
                    return (*section.slice_place(k), "base_model")
        names = ("base_model", "embedding_source", "final_norm_source", "lm_head_source", "config_source")
        return (next(n for n in names if getattr(self.recipe, n) == ref),)

    @cached_property
    def labels(self) -> dict[ModelRef, str]:
        """Short unique names of the models."""
        refs = self.recipe.references
        names = [r.name for r in refs]
        return {r: r.name if names.count(r.name) == 1 else str(r) for r in refs}

    @property
    def donor(self) -> ModelRef:
        """The model whose config and tokenizer the result gets."""
        return self.recipe.config_source or self.recipe.base_model or self.recipe.references[0]

    def _base(self, piece: Slice) -> ModelRef | None:
        """The base model of a slice: its own, else the recipe's."""
        return piece.base_model or self.recipe.base_model

    def _check_architectures(self) -> None:
        by_type: dict[str, str] = {}
        for ref in self.recipe.references:
            by_type.setdefault(self.checkpoints[ref].architecture, self.labels[ref])
        if len(by_type) < 2:
            return
        text = ", ".join(f"{label} is {kind}" for kind, label in by_type.items())
        stacks = {self.checkpoints[r].layout.stack for r in self.recipe.references}
        if len(stacks) > 1:
            self.findings.error(
                ("models",), f"different architectures: {text}.", "Only models of one architecture can be merged."
            )
        else:
            self.findings.warning(("models",), f"different architectures: {text}. Their tensors have the same names.")
