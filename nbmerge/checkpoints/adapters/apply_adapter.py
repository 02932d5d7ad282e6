"""Apply an adapter to the tensors of a checkpoint, after checking that it was made for such a model.

Where the base has one tensor for embedding and head, and an adapter changes only one of them, the other keeps the weights of
the base: the result gets a separate head, and computes what the adapted model computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, LowRank, Shift, Step
from nbmerge.checkpoints.adapters.adapter import Adapter
from nbmerge.checkpoints.adapters.experts import ExpertChange, fused_step, single_steps
from nbmerge.checkpoints.layout import Layout
from nbmerge.errors import CheckpointError

HEAD = "lm_head.weight"
_RENAMED = (
    ("", ""), ("transformer.", ""), ("model.", ""), ("", "transformer."), ("", "model."),
    ("model.language_model.", "language_model.model."), ("model.language_model.", "model."),
)  # fmt: skip
"""Prefixes that differ between a model in memory, whose names an adapter uses, and the files of the model."""
_MIXTRAL = (".mlp.", ".block_sparse_moe.")
"""Names of Mixtral's experts and router in memory, and in files."""


def with_adapter(tensors: Mapping[str, Any], adapter: Adapter, shared: str | None = None) -> dict[str, Any]:
    """The tensors with an adapter applied.

    Parameters
    ----------
    tensors : mapping of str to StoredTensor or another input
    adapter : Adapter
    shared : str, optional
        Name of the embedding where it is also the head.

    Raises
    ------
    CheckpointError
        When the adapter was made for another model, or is incomplete.
    """
    result = dict(tensors)
    for module, rows in adapter.rows.items():
        name = _matrix(result, adapter, module)
        own = result[name].shape
        if module in adapter.changes or own[1:] != rows.values.shape[1:] or max(rows.rows, default=0) >= own[0]:
            raise CheckpointError(
                f"{adapter.folder} was made for another model: it has rows of {name:.200} up to index "
                f"{max(rows.rows, default=0)} and of shape {rows.values.shape[1:]}, but the tensor is {'×'.join(map(str, own))}."
            )
        result[name] = _added(result[name], rows)
    if shared is not None and _concerns(adapter, shared):
        result[HEAD] = replace(result[shared], name=HEAD)
    before = dict(result)
    for name, stored in adapter.replaced.items():
        own = find_name(result, name)
        if own is None:
            raise CheckpointError(
                f"{adapter.folder} replaces {name!r:.120}, which the model does not have. It was made for another model or "
                "another task. Merge it with peft (merge_and_unload), save the model, and use that."
            )
        if not _fits_in_place(own, stored, result[own]):
            raise _other_shape(adapter, own, stored, result[own])
        result[own] = replace(stored, name=own)
    _refuse_unequal_vocabularies(adapter, before, result)
    fitted = {m: _matrix(result, adapter, m) for m in adapter.changes}
    flipped = _stored_as_inputs_outputs(adapter, fitted, result)
    for module, name in fitted.items():
        steps = [changes[module] for changes in (adapter.changes, adapter.initial) if module in changes]
        for step in steps:
            if module not in adapter.embeddings and not step.is_convolution:
                step = replace(step, transposed=_is_transposed(step, result[name], flipped))
            _refuse_other_shape(adapter, name, step, result[name])
            result[name] = _added(result[name], step)
    for name, change in adapter.experts.items():
        _change_experts(result, adapter, name, change)
    _shift_biases(result, adapter)
    return result


def _is_transposed(step: LowRank, own: Any, flipped: bool) -> bool:
    """Whether a matrix is stored as (inputs, outputs): by its shape, and by that of others where it is square."""
    return flipped if step.outputs == step.inputs else step.shape != own.shape


def _shift_biases(tensors: dict[str, Any], adapter: Adapter) -> None:
    """Add the biases of B."""
    for module, (values, scale) in adapter.biases.items():
        bias = find_name(tensors, f"{module}.bias")
        if bias is None:
            raise CheckpointError(
                f"cannot apply {adapter.folder}: it changes the bias of {module:.200}, which has no bias in the model."
            )
        shift = Shift(values, scale)
        _refuse_other_shape(adapter, bias, shift, tensors[bias])
        tensors[bias] = _added(tensors[bias], shift)


def _change_experts(tensors: dict[str, Any], adapter: Adapter, name: str, change: ExpertChange) -> None:
    """Apply the change of a tensor of all experts, which files may have one by one."""
    if (own := find_name(tensors, name)) is not None:
        _refuse_integers(adapter, own, tensors[own])
        tensors[own] = _added(tensors[own], fused_step(own, change, tensors))
        return
    for steps in single_steps(name, change) if change.experts <= len(tensors) else ():
        found = {own: step for single, step in steps.items() if (own := find_name(tensors, single)) is not None}
        if not steps or len(found) < len(steps):
            continue
        for own, step in found.items():
            _refuse_integers(adapter, own, tensors[own])
            _refuse_other_shape(adapter, own, step, tensors[own])
            tensors[own] = _added(tensors[own], step)
        return
    raise CheckpointError(
        f"{adapter.folder} was made for another model: it adapts {name!r:.200}, which the model does not have, neither as one tensor "
        f"nor as {change.experts} experts."
    )


def _added(own: Any, step: Step) -> Adapted:
    if isinstance(own, Adapted):
        return replace(own, steps=(*own.steps, step))
    return Adapted(own.name, own, (step,))


def find_name(tensors: Mapping[str, Any], name: str) -> str | None:
    """The name in the checkpoint of a tensor that an adapter refers to."""
    names = (name, name.replace(*_MIXTRAL))
    candidates = (new + n[len(old) :] for n in names for old, new in _RENAMED if n.startswith(old))
    return next((c for c in candidates if c in tensors), None)


def _matrix(tensors: Mapping[str, Any], adapter: Adapter, module: str) -> str:
    name = find_name(tensors, f"{module}.weight")
    if name is None:
        raise CheckpointError(
            f"{adapter.folder} was made for another model: it adapts {module!r:.200}, which the model does not have "
            f"({len(adapter.changes)} modules are adapted)."
        )
    _refuse_integers(adapter, name, tensors[name])
    return name


def _refuse_integers(adapter: Adapter, name: str, own: Any) -> None:
    if not own.is_float:
        raise CheckpointError(f"cannot apply {adapter.folder}: it adapts {name:.200}, which is stored as {own.dtype}.")


def _concerns(adapter: Adapter, shared: str) -> bool:
    """Whether an adapter changes the head or the embedding of a model with one tensor for both."""
    names = [*(f"{m}.weight" for m in adapter.changes), *adapter.replaced]
    return any(find_name({shared: None, HEAD: None}, n) for n in names)


def _stored_as_inputs_outputs(adapter: Adapter, fitted: Mapping[str, str], tensors: Mapping[str, Any]) -> bool:
    """Whether the layers are stored as (inputs, outputs): by the length of biases, by adapted layers, by the config."""
    for name, own in tensors.items():
        bias = tensors.get(f"{name.removesuffix('weight')}bias") if name.endswith(".weight") else None
        if bias is not None and len(own.shape) == 2 and len(set(own.shape)) > 1 and "head" not in name:
            return bias.shape == own.shape[1:]  # a bias has one number per output
    for module, name in fitted.items():
        step, shape = adapter.changes[module], tensors[name].shape
        plain = module not in adapter.embeddings and not step.is_convolution
        if plain and len(set(shape)) > 1 and "head" not in name:
            return replace(step, transposed=True).shape == shape
    return adapter.fan_in_fan_out


def _fits_in_place(name: str, stored: Any, own: Any) -> bool:
    """Whether a tensor can replace another: embeddings and heads may have more or fewer rows."""
    return stored.shape == own.shape or (_of_tokens(name) and stored.shape[1:] == own.shape[1:] and stored.shape != ())


def _of_tokens(name: str) -> bool:
    return Layout((name,)).place(name).kind in ("embedding", "head")


def _refuse_unequal_vocabularies(adapter: Adapter, before: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Refuse a head and an embedding with different numbers of rows, where an adapter changes that of only one of them."""
    rows = {n: tensors[n].shape[0] for n in adapter.replaced if n in tensors and _of_tokens(n)}
    if not rows:
        return
    layout = Layout(tensors)
    heads = {n: tensors[n].shape[0] for n in layout.outside("head") if n.endswith("weight")}
    changed = {n: c for n, c in rows.items() if before[n].shape[0] != c}
    for name, count in changed.items():
        others = heads if layout.place(name).kind == "embedding" else {n: c for n, c in rows.items() if n not in heads}
        if odd := next((n for n, c in others.items() if c != count), None):
            raise CheckpointError(
                f"{adapter.folder} is incomplete: it replaces {name:.200} with {count} rows, but {odd:.200} has {others[odd]}. "
                "Save it again with save_embedding_layers=True."
            )


def _refuse_other_shape(adapter: Adapter, name: str, step: LowRank | Shift, own: Any) -> None:
    if step.shape != own.shape:
        raise _other_shape(adapter, name, step, own)


def _other_shape(adapter: Adapter, name: str, step: Any, own: Any) -> CheckpointError:
    given, wanted = ("×".join(map(str, s)) for s in (step.shape, own.shape))
    return CheckpointError(
        f"{adapter.folder} was made for another model: its change of {name:.200} is {given}, but the tensor is {wanted}."
    )


def describe_unchanged(adapter: Adapter, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """A note about modules that the adapter's config lists but its files do not contain, if there are any.

    PEFT leaves them unchanged and warns: this may be intended, or the adapter may be incomplete.
    """
    ends = tuple(f".{t}.weight" for t in adapter.targets)
    same = [n for n, t in before.items() if after[n] is t and len(t.shape) == 2 and f".{n}".endswith(ends)]
    if not ends or not same:
        return None
    return (
        f"{adapter.folder} has no weights for {len(same)} modules that its config lists (first: {same[0]:.200}); they are "
        "unchanged. If that is not intended, download or save the adapter again."
    )
