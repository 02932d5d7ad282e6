"""Make a plan from a recipe, reading headers only, and collect everything that stands in its way at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

from nbmerge.checkpoints import Checkpoint, StoredTensor
from nbmerge.checkpoints.layout import is_derived
from nbmerge.engine.advice import advise
from nbmerge.engine.config import fitted
from nbmerge.engine.parameters import CHOICE, EMBED_SLERP, check_names, find, is_missing
from nbmerge.engine.pinned import pinned
from nbmerge.engine.plan import Plan, TensorPlan, told_apart
from nbmerge.engine.slices import Piece, Sliced, as_chosen
from nbmerge.engine.tokenizer_choice import vocabulary_of
from nbmerge.engine.vocabulary import BySize, ByToken
from nbmerge.errors import RecipeError
from nbmerge.methods import Values, methods
from nbmerge.methods.linear import WEIGHT
from nbmerge.problems import Problem, Where, worst_first
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.setting import position
from nbmerge.tokenizers import Written

NOT_YET = {
    "modules": "models of several stacks of layers",
}  # fmt: skip
"""Parts of the language that are read and written but not carried out, with what they are for."""

FRONT = ("embedding", "other")
"""Roles of what stands before the layers, at position 0 of the first slice."""
BACK = ("final norm", "head")
"""Roles of what stands behind them, at position 1 of the last slice."""


def plan(recipe: Recipe | str) -> Plan:
    """Resolve a recipe against its checkpoints, reading headers only.

    Parameters
    ----------
    recipe : Recipe, or anything that `Recipe.load` reads

    Raises
    ------
    RecipeError
        With every error and warning that was found.
    """
    made, problems = examine(Recipe.load(recipe))
    if made is None:
        raise RecipeError(problems)
    return made


def examine(recipe: Recipe) -> tuple[Plan | None, list[Problem]]:
    """The plan, or None where errors forbid one, and every problem found, the worst first."""
    planner = _Planner(pinned(recipe), examine)
    made = planner.make()
    return made, worst_first([*recipe.notes, *planner.findings.problems()])


class _Planner(Sliced):
    """The last step: every output tensor with its inputs and numbers, and the result as a whole."""

    def make(self) -> Plan | None:
        for key, purpose in NOT_YET.items():
            if getattr(self.recipe, key) is not None:
                self.findings.error(
                    (key,), f"'{key}' ({purpose}) is not carried out by this version.", "Remove it to go on."
                )
        self.methods = self._methods()
        if self.methods:
            for problem in check_names(self.recipe, self.methods):
                self.findings.add(problem)
        self.checkpoints = self._open()
        if self.findings.fatal:
            return None
        self._check_architectures()
        self.pieces = [p for k, piece in enumerate(self.recipe.pieces) if (p := self._slice(k, piece))]
        if self.findings.fatal:
            return None
        self.vocabulary, self.written = self._vocabulary()
        if self.findings.fatal:
            return None
        tensors = tuple(self._tensors())
        if self.findings.fatal:
            return None
        config = self._config(tensors)
        depths = tuple(p.depth for p in self.pieces)
        made = Plan(
            self.recipe,
            self.methods[0],
            self.checkpoints,
            self.labels,
            tensors,
            self.donor,
            config,
            depths,
            tokenizer=self.written,
        )
        for problem in advise(self.recipe, made):
            self.findings.add(problem)
        return replace(made, problems=tuple(worst_first(self.findings.problems())))

    def _vocabulary(self) -> tuple[ByToken | BySize | None, Written | None]:
        """How embeddings and heads are aligned, and the tokenizer of the result where it is not simply the donor's."""
        first, last = ([i.ref for i in self.pieces[k].inputs] for k in (0, -1))
        front, back = self.recipe.embedding_source, self.recipe.lm_head_source
        involved = [*([front] if front else first), *([back] if back else last)]
        made = vocabulary_of(
            self.recipe, self.checkpoints, self.labels, self.donor, involved, self.tokenizers, self.findings
        )
        return (None, made) if made is None or isinstance(made, Written) else (made, made.written)

    # --- tensors ---

    def _tensors(self) -> Iterator[TensorPlan]:
        yield from self._outside(self.pieces[0], FRONT, 0.0)
        start = 0
        for piece in self.pieces:
            for j in range(piece.depth):
                yield from self._layer(piece, j, start + j)
            start += piece.depth
        yield from self._outside(self.pieces[-1], BACK, 1.0)

    def _layer(self, piece: Piece, j: int, out: int) -> Iterator[TensorPlan]:
        layout = self.checkpoints[self.donor].layout
        parts = dict.fromkeys(p for i in piece.inputs for p in i.checkpoint.layout.parts(i.first + j))
        t = position(j, piece.depth)
        for part in parts:
            name = layout.name(out, part)
            chosen = as_chosen(piece, name, t)
            names = [i.checkpoint.layout.name(i.first + j, part) for i in chosen.inputs]
            found = [i.checkpoint.tensors.get(n) for i, n in zip(chosen.inputs, names, strict=True)]
            yield from self._tensor(chosen, name, out, layout.place(name).kind, found, names, t)

    def _outside(self, piece: Piece, roles: tuple[str, ...], t: float) -> Iterator[TensorPlan]:
        for role in roles:
            donor = {"embedding": self.recipe.embedding_source, "final norm": self.recipe.final_norm_source,
                     "head": self.recipe.lm_head_source}.get(role)  # fmt: skip
            if donor is not None:
                yield from self._donated(donor, role)
                continue
            for name in dict.fromkeys(n for i in piece.inputs for n in i.checkpoint.layout.outside(role)):
                chosen = as_chosen(piece, name, t)
                found = [self._stored(i.checkpoint, name, role) for i in chosen.inputs]
                yield from self._tensor(chosen, name, None, role, found, [name] * len(found), t)

    def _donated(self, donor: ModelRef, role: str) -> Iterator[TensorPlan]:
        """A role's tensors from one model, as they are."""
        checkpoint = self.checkpoints[donor]
        names = checkpoint.layout.outside(role)
        if role == "head" and checkpoint.tied and donor != self._embedding_owner:
            names = ["lm_head.weight"]  # the result needs a head of its own
        for name in names:
            yield self._copied(name, None, role, self._stored(checkpoint, name, role), donor)

    @property
    def _embedding_owner(self) -> ModelRef | None:
        """The one model that embeddings come from, None where they are merged."""
        inputs = self.pieces[0].inputs
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
        """Rows for tokens as `tokenizer_source` has them: of the models that own a token, not by the recipe's method."""
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

    def _owner_weights(
        self, piece: Piece, name: str, names: list[str], t: float
    ) -> tuple[tuple[float, ...] | None, dict[str, Where]]:
        """Each input's weight in the rows of its tokens: as the recipe says, else what its method amounts to."""
        found = [find(WEIGHT, (*i.levels, *piece.levels), n, t) for i, n in zip(piece.inputs, names, strict=True)]
        labels = told_apart([self.labels[i.ref] for i in piece.inputs])
        decided = {f"weight[{label}]": where for label, (_, where) in zip(labels, found, strict=True) if where}
        lacking = [label for label, (w, _) in zip(labels, found, strict=True) if is_missing(w)]
        if lacking and piece.method.parameter("weight") is None:
            t_ = find(piece.method.parameter("t"), piece.levels, name, t)[0] if piece.method.name == "slerp" else None
            weights = (1.0 - t_, t_) if isinstance(t_, int | float) else (1.0,) * len(found)
            self.findings.info(
                ("tokenizer_source",),
                f"{piece.method.name} has no weights, so rows of tokens are means with {', '.join(f'{w:g}' for w in weights)}.",
            )
            return weights, {}
        if lacking:
            what = (
                f"tokenizer_source makes rows of tokens by weight, and {' and '.join(lacking)} has none (for {name})."
            )
            source = self.recipe.tokenizer_source.removeprefix("model:")
            how = f"Give it a weight, or write 'tokenizer: {{source: {source}}}', which fills missing rows and applies {piece.method.name}."
            self.findings.error(("tokenizer_source",), what, how)
            return None, {}
        for (w, where), label in zip(found, labels, strict=True):
            if fault := WEIGHT.fault(w):
                self.findings.faulty(where or ("parameters",), f"{label}: {fault}", name)
                return None, {}
        return tuple(w for w, _ in found), decided

    def _values(
        self, piece: Piece, name: str, names: list[str], t: float, matrix: bool
    ) -> tuple[Values | None, dict[str, Where]]:
        _, where = find(CHOICE, piece.levels, name, t)
        shared, each, decided = {}, {}, {"method": where} if where else {}
        labels = told_apart([self.labels[i.ref] for i in piece.inputs])
        for parameter in piece.method.parameters:
            if parameter.scope == "global":
                value, where = find(parameter, piece.levels, name, t)
                self._note(piece.method, parameter, value, where, None, name, parameter.name, decided)
                shared[parameter.name] = value
                continue
            row = []
            for i, source in enumerate(piece.inputs):
                if i == 0 and piece.has_base:
                    row.append(None)
                    continue
                value, where = find(parameter, (*source.levels, *piece.levels), names[i], t)
                self._note(
                    piece.method, parameter, value, where, source, name, f"{parameter.name}[{labels[i]}]", decided
                )
                row.append(value)
            each[parameter.name] = tuple(row)
        if self.findings.fatal:
            return None, decided
        seed = self.recipe.random_seed
        streams = tuple(f"{seed}/{self._order[i.ref]}/{name}" for i in piece.inputs)
        values = Values(shared, each, streams, t, matrix)
        fault = piece.method.fault(values)
        if fault:
            self.findings.faulty(("parameters",) if not piece.where else piece.where, fault, name)
        return values, decided

    @cached_property
    def _order(self) -> dict[ModelRef, int]:
        """Number of each model in random streams: its place in the recipe, so that moving folders changes nothing."""
        return {ref: i for i, ref in enumerate(self.recipe.references)}

    def _note(self, method, parameter, value, where, source, tensor, key, decided) -> None:
        """Record who decided a value, or what is wrong with it."""
        if is_missing(value):
            model = self.labels[source.ref] if source else None
            at = (*source.levels[0][0], parameter.name) if source and source.levels else ("parameters", parameter.name)
            self.findings.missing_value(at, method.name, parameter, model, tensor)
        elif fault := parameter.fault(value):
            self.findings.faulty(where or ("parameters",), fault, tensor)
        elif where is not None:
            decided[key] = where

    # --- the result as a whole ---

    def _config(self, tensors: tuple[TensorPlan, ...]) -> dict:
        donor = self.checkpoints[self.donor]
        layers = [i for p in self.pieces for i in self._donor_layers(p)]
        sizes: dict[str, int] = {}
        for tensor in tensors:
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.count
        vocabulary = next((t.shape[0] for t in tensors if t.name == donor.token_embedding), None)
        if vocabulary and donor.vocabulary and vocabulary != donor.vocabulary and self.written is None:
            what = f"the result has {vocabulary} embedding rows, but config and tokenizer come from {self.labels[self.donor]}"
            self.findings.warning(
                ("config_source",), f"{what}, which has {donor.vocabulary}.", "Set config_source to a model that fits."
            )
        heads = any(t.kind == "head" for t in tensors)
        config = fitted(donor, layers, max(sizes, key=sizes.get), vocabulary, heads)
        return self.written.renumbered(config) if self.written is not None else config

    def _donor_layers(self, piece: Piece) -> Iterable[int]:
        """For each layer of a slice, the layer of the config donor that it is or corresponds to."""
        own = next((i for i in piece.inputs if i.ref == self.donor), piece.inputs[0])
        return range(own.first, own.first + piece.depth)


def promoted(dtypes: Iterable[str]) -> str:
    """The dtype that holds all of these without loss."""
    kinds = set(dtypes)
    if "float64" in kinds:
        return "float64"
    return kinds.pop() if len(kinds) == 1 else "float32"
