"""Every output tensor with its inputs and its numbers, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nbmerge.checkpoints import Checkpoint, StoredTensor
from nbmerge.checkpoints.layout import is_behind, is_derived
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.planning.precedence import EMBED_SLERP, find
from nbmerge.engine.planning.slices import Piece, Stretch, as_chosen
from nbmerge.engine.planning.tokens.vocabulary import BySize, ByToken
from nbmerge.engine.planning.values import Numbered
from nbmerge.methods import Values, methods
from nbmerge.recipe import ModelRef
from nbmerge.recipe.setting import position

FRONT = ("embedding", "other")
"""Roles of what stands before the layers, at position 0 of the first slice."""
BACK = ("other", "final norm", "head")
"""Roles of what stands behind them, at position 1 of the last slice; of what has no role, poolers and parts of heads."""


class Tensors(Numbered):
    """The fourth step of planning."""

    vocabulary: ByToken | BySize | None = None

    def _tensors(self) -> Iterator[TensorPlan]:
        for stretches in self.stretches:
            first, last = stretches[0], stretches[-1]
            yield from self._outside(first, first.pieces[0], FRONT, 0.0)
            for stretch in stretches:
                yield from self._layers(stretch)
            yield from self._outside(last, last.pieces[-1], BACK, 1.0)
        yield from self._unnamed()

    def _layers(self, stretch: Stretch) -> Iterator[TensorPlan]:
        start = 0
        for piece in stretch.pieces:
            for j in range(piece.depth):
                yield from self._layer(stretch, piece, j, start + j)
            start += piece.depth

    def _layer(self, stretch: Stretch, piece: Piece, j: int, out: int) -> Iterator[TensorPlan]:
        layout, stack = self.checkpoints[self.donor].layout, stretch.stack
        t, several = position(j, piece.depth), len(layout.stacks) > 1
        for part in self._parts(piece, j, out):
            name = layout.name(out, part, stack)
            chosen = as_chosen(piece, name, t)
            names = [i.layout.name(self._from(i, j, out, part), part, i.stack) for i in chosen.inputs]
            found = [i.checkpoint.tensors.get(n) for i, n in zip(chosen.inputs, names, strict=True)]
            for tensor in self._tensor(chosen, name, out, layout.place(name).kind, found, names, t):
                yield replace(tensor, stack=stack) if several else tensor

    def _parts(self, piece: Piece, j: int, out: int) -> list[str]:
        """What an output layer consists of: what its sources do, and what a stack has in its first layer only."""
        parts: dict[str, None] = {}
        for source in piece.inputs:
            alone = source.layout.first_only(source.stack)
            own = source.layout.parts(0 if out == 0 and alone else source.first + j, source.stack)
            if out > 0 and alone and source.first + j == 0:
                what = f"{', '.join(sorted(alone))} of a stack's first layer serves all of them, and is not repeated."
                self.findings.info(piece.where, what)
            parts |= dict.fromkeys(p for p in own if out == 0 or p not in alone)
        return list(parts)

    @staticmethod
    def _from(source, j: int, out: int, part: str) -> int:
        """The layer of a source that a part of an output layer is from."""
        return 0 if out == 0 and part in source.layout.first_only(source.stack) else source.first + j

    def _outside(self, stretch: Stretch, piece: Piece, roles: tuple[str, ...], t: float) -> Iterator[TensorPlan]:
        module = stretch.section.module
        for role in roles:
            donor = {"embedding": self.recipe.embedding_source, "final norm": self.recipe.final_norm_source,
                     "head": self.recipe.lm_head_source}.get(role)  # fmt: skip
            if donor is not None:
                yield from self._donated(donor, role, module)
                continue
            names = dict.fromkeys(n for i in piece.inputs for n in self._named_in(i.checkpoint, role, module))
            if role == "other":
                names = {n: None for n in names if is_behind(n) == (roles is BACK)}
            for name in names:
                chosen = as_chosen(piece, name, t)
                found = [self._stored(i.checkpoint, name, role) for i in chosen.inputs]
                yield from self._tensor(chosen, name, None, role, found, [name] * len(found), t)

    def _named_in(self, checkpoint: Checkpoint, role: str, module: str | None) -> list[str]:
        """A model's tensors of a role, in a module where one is named."""
        names = checkpoint.layout.outside(role)
        if module is None:
            return names
        owner = self._claims(checkpoint)
        return [n for n in names if owner.get(n) == module]

    def _unnamed(self) -> Iterator[TensorPlan]:
        """What no module of the recipe names: the config donor's, as it is."""
        if self.recipe.modules is None:
            return
        checkpoint = self.checkpoints[self.donor]
        owner, layout = self._claims(checkpoint), checkpoint.layout
        names = [n for n in checkpoint.tensors if n not in owner]
        if names:
            what = f"no module names {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
            how = "Name that part of the model, too, or 'default' for all that is left, to have it merged."
            self.findings.warning(("modules",), f"{what}; they are {self.labels[self.donor]}'s as they are.", how)
        for name in names:
            place = layout.place(name)
            tensor = self._copied(name, place.layer, place.kind, checkpoint.tensors[name], self.donor)
            yield replace(tensor, stack=place.stack) if len(layout.stacks) > 1 else tensor

    def _donated(self, donor: ModelRef, role: str, module: str | None) -> Iterator[TensorPlan]:
        """A role's tensors from one model, as they are."""
        checkpoint = self.checkpoints[donor]
        names = self._named_in(checkpoint, role, module)
        if role == "head" and checkpoint.tied and donor != self._embedding_owner:
            names = ["lm_head.weight"]  # the result needs a head of its own
        for name in names:
            yield self._copied(name, None, role, self._stored(checkpoint, name, role), donor)

    @property
    def _embedding_owner(self) -> ModelRef | None:
        """The one model that embeddings come from, None where they are merged."""
        inputs = self._making("embedding")
        return self.recipe.embedding_source or (inputs[0].ref if len(inputs) == 1 else None)

    def _stored(self, checkpoint: Checkpoint, name: str, role: str) -> StoredTensor | None:
        """A tensor of a checkpoint; a tied model's head is its token embedding."""
        if role == "head" and name not in checkpoint.tensors and checkpoint.tied and name.endswith("weight"):
            self.findings.info(
                (), f"{checkpoint.name} shares its head with its embedding; the result gets a head of its own."
            )
            return checkpoint.tensors.get(checkpoint.token_embedding)
        return checkpoint.tensors.get(name)

    def _dtype(self, name: str, inputs: Iterable[StoredTensor]) -> str:
        """Dtype that an output tensor is written in."""
        override = next((rule.dtype for rule in self.recipe.dtype_overrides if rule.filter in name), None)
        return override or self.recipe.out_dtype or self.recipe.dtype or promoted(s.output_dtype for s in inputs)

    def _copied(self, name: str, layer: int | None, kind: str, stored: StoredTensor, ref: ModelRef) -> TensorPlan:
        dtype = self._dtype(name, [stored]) if stored.is_float else stored.output_dtype
        if self.vocabulary is not None:
            (stored,) = self.vocabulary.inputs([ref], name, kind, [stored])
        values = Values({}, {"scale": (1.0,)})
        return TensorPlan(name, stored.shape, dtype, layer, kind, "passthrough", (stored,), (self.labels[ref],), values)

    def _tensor(
        self, piece: Piece, name: str, layer: int | None, kind: str,
        found: list[StoredTensor | None], names: list[str], t: float,
    ) -> Iterator[TensorPlan]:  # fmt: skip
        held = [(i, s) for i, s in zip(piece.inputs, found, strict=True) if s is not None]
        if is_derived(name) or not any("float" in s.dtype for _, s in held):
            yield self._copied(name, layer, kind, held[0][1], held[0][0].ref)
            return
        if len(held) < len(found):
            for source, stored in zip(piece.inputs, found, strict=True):
                if stored is None:
                    self.findings.missing_tensor(self._where(source.ref), self.labels[source.ref], name)
            return
        inputs = tuple(s for _, s in held)
        if odd := next((s.dtype for s in inputs if not s.is_float), None):
            self.findings.unmergeable(piece.where or ("models",), odd, name)
            return
        if piece.has_base and len(held) == 1:  # there is nothing to add to it
            yield self._copied(name, layer, kind, held[0][1], held[0][0].ref)
            return
        dtype, refs = self._dtype(name, inputs), [i.ref for i, _ in held]
        if self.vocabulary is not None:
            if self.vocabulary.by_owner and self.vocabulary.concerns(refs, name, kind, inputs):
                yield from self._by_owner(piece, name, kind, inputs, names, t, dtype)
                return
            inputs = self.vocabulary.inputs(refs, name, kind, inputs)
        if len({s.shape for s in inputs}) > 1:
            shapes = {self.labels[r]: s.shape for r, s in zip(refs, inputs, strict=True)}
            self.findings.unequal_shapes(piece.where or ("models",), name, kind, shapes)
            return
        values, decided = self._values(piece, name, names, t, layer is not None and len(inputs[0].shape) > 1)
        if values is None:
            return
        labels = tuple(self.labels[r] for r in refs)
        yield TensorPlan(name, inputs[0].shape, dtype, layer, kind, piece.method.name, inputs, labels, values, decided)

    def _by_owner(
        self, piece: Piece, name: str, kind: str, inputs: tuple, names: list[str], t: float, dtype: str
    ) -> Iterator[TensorPlan]:
        """Rows for tokens as `rows: owners` has them: of the models that own a token, not by the recipe's method."""
        refs = [i.ref for i in piece.inputs]
        labels = tuple(self.labels[r] for r in refs)
        if find(EMBED_SLERP, piece.levels, name, t)[0] is True and piece.method.name == "slerp":
            values, decided = self._values(piece, name, names, t, False)
            if values is not None:
                values = replace(values, shared={**values.shared, EMBED_SLERP.name: True})
                rows = self.vocabulary.arc(refs, name, inputs)
                yield TensorPlan(
                    name, rows[0].shape, dtype, None, kind, "slerp", rows, (*labels, labels[0]), values, decided
                )
            return
        weights, decided = self._owner_weights(piece, name, names, t)
        if weights is None:
            return
        rows = self.vocabulary.owned(refs, name, inputs, weights)
        method, values = methods()["linear"], Values({"normalize": True}, {"weight": weights}, position=t)
        if fault := method.fault(values):
            self.findings.faulty(piece.where or ("parameters",), fault, name)
        yield TensorPlan(name, rows[0].shape, dtype, None, kind, method.name, rows, labels, values, decided)


def promoted(dtypes: Iterable[str]) -> str:
    """The dtype that holds all of these without loss."""
    kinds = set(dtypes)
    if "float64" in kinds:
        return "float64"
    return kinds.pop() if len(kinds) == 1 else "float32"
