"""Every output tensor with its inputs and parameter values, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.bare import settle_missing
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.planning.precedence import EMBED_SLERP, find_value
from nbmerge.engine.planning.resolved import Input, Piece, Resolved, Stretch, find_place
from nbmerge.engine.planning.tokens.vocabulary import ByToken
from nbmerge.engine.planning.values import find_owner_weights, find_values
from nbmerge.methods import Values, methods
from nbmerge.model_ref import ModelRef
from nbmerge.recipe import Recipe
from nbmerge.recipe.setting import position

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

FRONT = ("embedding", "other")
"""Roles of tensors before the layers, at position 0 of the first slice."""
BACK = ("other", "final norm", "head")
"""Roles of tensors after the layers, at position 1 of the last slice; of 'other', only poolers and parts of heads."""


@dataclass(frozen=True)
class Output:
    """An output tensor before its inputs and values are known.

    Parameters
    ----------
    name : str
    layer : int, optional
    kind : str
    names : list of str
        Names of its inputs, one for each input of the slice.
    t : float
        Position in the slice, 0 to 1.
    """

    name: str
    layer: int | None
    kind: str
    names: list[str]
    t: float


def plan_tensors(resolved: Resolved) -> Iterator[TensorPlan]:
    """Embeddings, layers in order, final norm and head of every section; then the tensors of no section."""
    for stretches in resolved.stretches:
        first, last = stretches[0], stretches[-1]
        yield from _plan_outside(resolved, first, first.pieces[0], FRONT, 0.0)
        for stretch in stretches:
            yield from _plan_layers(resolved, stretch)
        yield from _plan_outside(resolved, last, last.pieces[-1], BACK, 1.0)
    yield from _copy_unnamed(resolved)


# --- inside the layers ---


def _plan_layers(resolved: Resolved, stretch: Stretch) -> Iterator[TensorPlan]:
    start = 0
    for piece in stretch.pieces:
        for j in range(piece.depth):
            yield from _plan_layer(resolved, stretch, piece, j, start + j)
        start += piece.depth


def _plan_layer(resolved: Resolved, stretch: Stretch, piece: Piece, j: int, out: int) -> Iterator[TensorPlan]:
    layout, stack = resolved.donor_checkpoint.layout, stretch.stack
    t, several = position(j, piece.depth), len(layout.stacks) > 1
    for part in _parts_of_layer(resolved, piece, j, out):
        name = layout.name(out, part, stack)
        chosen = piece.chosen_for(name, t)
        names = [i.layout.name(_layer_of(i, j, out, part), part, i.stack) for i in chosen.inputs]
        found = [i.checkpoint.tensors.get(n) for i, n in zip(chosen.inputs, names, strict=True)]
        tensor = _plan_tensor(resolved, chosen, Output(name, out, layout.place(name).kind, names, t), found)
        if tensor is not None:
            yield replace(tensor, stack=stack) if several else tensor


def _parts_of_layer(resolved: Resolved, piece: Piece, j: int, out: int) -> list[str]:
    """The parts of an output layer: those of its sources, and in the first layer those that only a first layer has."""
    parts: dict[str, None] = {}
    for source in piece.inputs:
        alone = source.layout.first_only(source.stack)
        own = source.layout.parts(0 if out == 0 and alone else source.first + j, source.stack)
        if out > 0 and alone and source.first + j == 0:
            what = f"{', '.join(sorted(alone))} of a stack's first layer is used by all layers and is not repeated."
            resolved.findings.info(piece.where, what)
        parts |= dict.fromkeys(p for p in own if out == 0 or p not in alone)
    return list(parts)


def _layer_of(source: Input, j: int, out: int, part: str) -> int:
    """The layer of a source that a part of an output layer is from."""
    return 0 if out == 0 and part in source.layout.first_only(source.stack) else source.first + j


# --- outside the layers ---


def _plan_outside(
    resolved: Resolved, stretch: Stretch, piece: Piece, roles: tuple[str, ...], t: float
) -> Iterator[TensorPlan]:
    recipe, module = resolved.recipe, stretch.section.module
    donors = {"embedding": recipe.embedding_source, "final norm": recipe.final_norm_source,
              "head": recipe.lm_head_source}  # fmt: skip
    for role in roles:
        donor = donors.get(role)
        if donor is not None:
            yield from _copy_role(resolved, donor, role, module)
            continue
        names = dict.fromkeys(n for i in piece.inputs for n in _names_of_role(resolved, i.checkpoint, role, module))
        is_after = resolved.donor_checkpoint.layout.is_after_layers
        for name in names if role != "other" else [n for n in names if is_after(n) == (roles is BACK)]:
            chosen = piece.chosen_for(name, t)
            found = [_find_stored(resolved, i.checkpoint, name, role) for i in chosen.inputs]
            tensor = _plan_tensor(resolved, chosen, Output(name, None, role, [name] * len(found), t), found)
            if tensor is not None:
                yield tensor


def _names_of_role(resolved: Resolved, checkpoint: Checkpoint, role: str, module: str | None) -> list[str]:
    """A model's tensors of a role; only those in the module, if there is one."""
    names = checkpoint.layout.outside(role)
    if module is None:
        return names
    owner = resolved.claims(checkpoint)
    return [n for n in names if owner.get(n) == module]


def _find_stored(resolved: Resolved, checkpoint: Checkpoint, name: str, role: str) -> TensorInput | None:
    """A tensor of a checkpoint, None if it has none of that name; a tied model's head is its token embedding."""
    if role == "head" and name not in checkpoint.tensors and checkpoint.tied and name.endswith("weight"):
        what = f"{checkpoint.name} has one tensor for embedding and head; the result gets a separate head."
        resolved.findings.info((), what)
        return None if checkpoint.token_embedding is None else checkpoint.tensors.get(checkpoint.token_embedding)
    return checkpoint.tensors.get(name)


# --- copies ---


def _copy_unnamed(resolved: Resolved) -> Iterator[TensorPlan]:
    """Tensors in no module of the recipe, copied from the config donor."""
    if resolved.recipe.modules is None:
        return
    checkpoint = resolved.donor_checkpoint
    owner, layout = resolved.claims(checkpoint), checkpoint.layout
    names = [n for n in checkpoint.tensors if n not in owner]
    if names:
        what = f"no module names {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        how = "To merge them, add a module for that part of the model, or 'default' for all remaining tensors."
        label = resolved.labels[resolved.donor]
        resolved.findings.warning(("modules",), f"{what}; they are copied from {label}.", how)
    for name in names:
        place = layout.place(name)
        tensor = _copy(resolved, name, place.layer, place.kind, checkpoint.tensors[name], resolved.donor)
        yield replace(tensor, stack=place.stack) if len(layout.stacks) > 1 else tensor


def _copy_role(resolved: Resolved, donor: ModelRef, role: str, module: str | None) -> Iterator[TensorPlan]:
    """A role's tensors, copied from one model."""
    checkpoint = resolved.checkpoints[donor]
    names = _names_of_role(resolved, checkpoint, role, module)
    if role == "head" and checkpoint.tied and donor != _embedding_owner(resolved):
        names = ["lm_head.weight"]  # the result needs a separate head
    for name in names:
        stored = _find_stored(resolved, checkpoint, name, role)
        if stored is None:
            resolved.findings.missing_tensor(find_place(resolved.recipe, donor), resolved.labels[donor], name)
        else:
            yield _copy(resolved, name, None, role, stored, donor)


def _embedding_owner(resolved: Resolved) -> ModelRef | None:
    """The model that embeddings are copied from, None if they are merged."""
    inputs = resolved.inputs_of("embedding")
    return resolved.recipe.embedding_source or (inputs[0].ref if len(inputs) == 1 else None)


def _copy(
    resolved: Resolved, name: str, layer: int | None, kind: str, stored: TensorInput, ref: ModelRef
) -> TensorPlan:
    dtype = _dtype_of(resolved.recipe, name, [stored]) if stored.is_float else stored.output_dtype
    if resolved.vocabulary is not None:
        (stored,) = resolved.vocabulary.align_inputs([ref], name, kind, [stored])
    values, labels = Values({}, {"scale": (1.0,)}), (resolved.labels[ref],)
    return TensorPlan(name, stored.shape, dtype, layer, kind, "passthrough", (stored,), labels, values)


# --- one tensor ---


def _plan_tensor(
    resolved: Resolved, piece: Piece, out: Output, found: Sequence[TensorInput | None]
) -> TensorPlan | None:
    """One output tensor from its sources' tensors; None if it is left out, or they cannot be merged, which is reported."""
    everything = len(found)
    if None in found and resolved.recipe.missing_tensors != "refuse":
        settled = settle_missing(resolved, piece, out.name, out.names, found)
        if settled is None:
            return None
        piece, names, found = settled
        out = replace(out, names=names)
    present = [(i.ref, stored) for i, stored in zip(piece.inputs, found, strict=True) if stored is not None]
    if _can_mix(resolved, out.name, [stored for _, stored in present]):
        inputs = _check_inputs(resolved, piece, out.name, found)
        if inputs is None:
            return None
        alone = len(inputs) == 1 and (piece.has_base or everything > 1)
        if not alone:  # a base alone is copied, and so is what a single model has
            return _plan_aligned(resolved, piece, out, inputs)
    ref, stored = present[0]
    return _copy(resolved, out.name, out.layer, out.kind, stored, ref)


def _can_mix(resolved: Resolved, name: str, inputs: Iterable[TensorInput]) -> bool:
    """Whether a tensor can be mixed: not if it contains integers, or buffers that a model computes itself."""
    return not resolved.donor_checkpoint.layout.is_derived(name) and any("float" in i.dtype for i in inputs)


def _plan_aligned(resolved: Resolved, piece: Piece, out: Output, inputs: tuple[TensorInput, ...]) -> TensorPlan | None:
    """A tensor from inputs whose rows are aligned with the result's vocabulary if there is one for each token."""
    refs, vocabulary = [i.ref for i in piece.inputs], resolved.vocabulary
    dtype = _dtype_of(resolved.recipe, out.name, inputs)
    if isinstance(vocabulary, ByToken) and vocabulary.by_owner:
        if vocabulary.concerns(refs, out.name, out.kind, inputs):
            return _plan_by_owner(resolved, vocabulary, piece, out, inputs, dtype)
    elif vocabulary is not None:
        inputs = vocabulary.align_inputs(refs, out.name, out.kind, inputs)
    return _plan_mixed(resolved, piece, out, inputs, dtype)


def _check_inputs(
    resolved: Resolved, piece: Piece, name: str, found: Sequence[TensorInput | None]
) -> tuple[TensorInput, ...] | None:
    """The tensors of all sources; None if one is missing or cannot be mixed, which is reported."""
    inputs = tuple(stored for stored in found if stored is not None)
    bare = resolved.donor_checkpoint.bare
    if len(inputs) < len(found):
        for ref in (i.ref for i, stored in zip(piece.inputs, found, strict=True) if stored is None):
            resolved.findings.missing_tensor(find_place(resolved.recipe, ref), resolved.labels[ref], name, bare)
        return None
    unmergeable = next((i.dtype for i in inputs if not i.is_float), None)
    if unmergeable is not None:
        resolved.findings.unmergeable(piece.where or ("models",), unmergeable, name, bare)
        return None
    return inputs


def _plan_mixed(
    resolved: Resolved, piece: Piece, out: Output, inputs: Sequence[TensorInput], dtype: str
) -> TensorPlan | None:
    """A tensor that is merged by the slice's method."""
    labels, shape = _labels_of(resolved, piece), inputs[0].shape
    if len({s.shape for s in inputs}) > 1:
        shapes = {label: s.shape for label, s in zip(labels, inputs, strict=True)}
        resolved.findings.unequal_shapes(piece.where or ("models",), out.name, out.kind, shapes)
        return None
    matrix = out.layer is not None and len(shape) > 1
    values, decided = find_values(resolved, piece, out.name, out.names, out.t, matrix)
    if values is None:
        return None
    method = piece.method.name
    return TensorPlan(out.name, shape, dtype, out.layer, out.kind, method, tuple(inputs), labels, values, decided)


def _plan_by_owner(
    resolved: Resolved, vocabulary: ByToken, piece: Piece, out: Output, inputs: tuple[TensorInput, ...], dtype: str
) -> TensorPlan | None:
    """Rows of tokens by `rows: owners`: means over the models that own a token, instead of the recipe's method."""
    refs, labels = [i.ref for i in piece.inputs], _labels_of(resolved, piece)
    slerp = piece.method.name == "slerp"
    if slerp and find_value(EMBED_SLERP, piece.levels, out.name, out.t, piece.depth)[0] is True:
        values, decided = find_values(resolved, piece, out.name, out.names, out.t, False)
        if values is None:
            return None
        values = replace(values, shared={**values.shared, EMBED_SLERP.name: True})
        rows, labels = vocabulary.align_for_slerp(refs, out.name, inputs), (*labels, labels[0])
        return TensorPlan(out.name, rows[0].shape, dtype, None, out.kind, "slerp", rows, labels, values, decided)
    weights, decided = find_owner_weights(resolved, piece, out.name, out.names, out.t)
    if weights is None:
        return None
    rows = vocabulary.align_by_owner(refs, out.name, inputs, weights)
    method, values = methods()["linear"], Values({"normalize": True}, {"weight": weights}, position=out.t)
    if fault := method.fault(values):
        resolved.findings.faulty(piece.where or ("parameters",), fault, out.name)
    return TensorPlan(out.name, rows[0].shape, dtype, None, out.kind, method.name, rows, labels, values, decided)


def _labels_of(resolved: Resolved, piece: Piece) -> tuple[str, ...]:
    return tuple(resolved.labels[i.ref] for i in piece.inputs)


def _dtype_of(recipe: Recipe, name: str, inputs: Iterable[TensorInput]) -> str:
    """The dtype that an output tensor is written in."""
    override = next((rule.dtype for rule in recipe.dtype_overrides if rule.filter in name), None)
    return override or recipe.out_dtype or recipe.dtype or _promote(s.output_dtype for s in inputs)


def _promote(dtypes: Iterable[str]) -> str:
    """The dtype that represents all of these without loss."""
    kinds = set(dtypes)
    if "float64" in kinds:
        return "float64"
    return kinds.pop() if len(kinds) == 1 else "float32"
