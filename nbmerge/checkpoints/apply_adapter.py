"""Put an adapter on a checkpoint's tensors, checking first that it was made for such a model.

Where a base has one tensor for embedding and head and an adapter changes only one of them, the other keeps the base's
weights: the result gets a head of its own, and computes what the adapted model computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nbmerge.checkpoints.adapted_tensor import Adapted, LowRank, NewRows, Shift
from nbmerge.checkpoints.adapter import Adapter
from nbmerge.checkpoints.layout import Layout
from nbmerge.errors import CheckpointError

HEAD = "lm_head.weight"
_RENAMED = (
    ("", ""), ("transformer.", ""), ("model.", ""), ("", "transformer."), ("", "model."),
    ("model.language_model.", "language_model.model."), ("model.language_model.", "model."),
)  # fmt: skip
"""Beginnings of names that differ between a model in memory, which an adapter saw, and the files it is loaded from."""


def with_adapter(tensors: Mapping[str, Any], adapter: Adapter, shared: str | None = None) -> dict[str, Any]:
    """The tensors with an adapter on them.

    Parameters
    ----------
    tensors : mapping of str to StoredTensor or another input
    adapter : Adapter
    shared : str, optional
        Name of the embedding where it serves as the head, too.

    Raises
    ------
    CheckpointError
        When the adapter was made for another model, or holds half of a part.
    """
    result = dict(tensors)
    for module, rows in adapter.rows.items():
        name = _matrix(result, adapter, module)
        own = result[name].shape
        if module in adapter.changes or own[1:] != rows.values.shape[1:] or max(rows.rows, default=0) >= own[0]:
            raise CheckpointError(
                f"{adapter.folder} was made for another model: it has rows for tokens of {name:.200} up to "
                f"{max(rows.rows, default=0)} of {rows.values.shape[1:]} numbers, and here it is {'×'.join(map(str, own))}."
            )
        result[name] = _added(result[name], rows)
    if shared is not None and _concerns(adapter, shared):
        result[HEAD] = replace(result[shared], name=HEAD)
    for name, stored in adapter.replaced.items():
        own = _found(result, name)
        if own is None:
            raise CheckpointError(
                f"{adapter.folder} brings {name!r:.120}, which the model has not. It was made for another model, or for "
                "another task; merge it with peft (merge_and_unload), save the model, and name that."
            )
        if not _fits_in_place(own, stored, result[own]):
            raise _other_shape(adapter, own, stored, result[own])
        result[own] = replace(stored, name=own)
    _refuse_unequal_vocabularies(adapter, result)
    fitted = {m: _matrix(result, adapter, m) for m in adapter.changes}
    conv = _stored_as_inputs_outputs(adapter, fitted, result)
    for module, name in fitted.items():
        step = adapter.changes[module]
        if module not in adapter.embeddings and step.up.shape[0] == step.down.shape[1]:
            step = replace(step, transposed=conv)
        elif module not in adapter.embeddings and step.shape != result[name].shape:
            step = replace(step, transposed=True)
        _refuse_other_shape(adapter, name, step, result[name])
        result[name] = _added(result[name], step)
    for module, (values, scale) in adapter.biases.items():
        name = _found(result, f"{module}.bias")
        if name is None:
            raise CheckpointError(f"{adapter.folder} changes the bias of {module:.200}, which has none in the model.")
        step = Shift(values, scale)
        _refuse_other_shape(adapter, name, step, result[name])
        result[name] = _added(result[name], step)
    return result


def _added(own: Any, step: LowRank | Shift | NewRows) -> Adapted:
    if isinstance(own, Adapted):
        return replace(own, steps=(*own.steps, step))
    return Adapted(own.name, own, (step,))


def _found(tensors: Mapping[str, Any], name: str) -> str | None:
    """The checkpoint's name of a tensor that an adapter names."""
    candidates = (new + name[len(old) :] for old, new in _RENAMED if name.startswith(old))
    return next((c for c in candidates if c in tensors), None)


def _matrix(tensors: Mapping[str, Any], adapter: Adapter, module: str) -> str:
    name = _found(tensors, f"{module}.weight")
    if name is None:
        raise CheckpointError(
            f"{adapter.folder} adapts {module!r:.200}, which the model has not. It was made for another model"
            f" ({len(adapter.changes)} modules are adapted)."
        )
    if not tensors[name].is_float:
        raise CheckpointError(f"{adapter.folder} adapts {name:.200}, which is stored as {tensors[name].dtype}.")
    return name


def _concerns(adapter: Adapter, shared: str) -> bool:
    """Whether an adapter touches the head or the embedding of a model that has one tensor for both."""
    names = [*(f"{m}.weight" for m in adapter.changes), *adapter.replaced]
    return any(_found({shared: None, HEAD: None}, n) for n in names)


def _stored_as_inputs_outputs(adapter: Adapter, fitted: Mapping[str, str], tensors: Mapping[str, Any]) -> bool:
    """Whether the layers are stored as (inputs, outputs): by the length of biases, by adapted layers, by the config."""
    for name, own in tensors.items():
        bias = tensors.get(f"{name.removesuffix('weight')}bias") if name.endswith(".weight") else None
        if bias is not None and len(own.shape) == 2 and len(set(own.shape)) > 1 and "head" not in name:
            return bias.shape == own.shape[1:]  # a bias has a number for each output
    for module, name in fitted.items():
        step, shape = adapter.changes[module], tensors[name].shape
        if module not in adapter.embeddings and len(set(shape)) > 1 and "head" not in name:
            return replace(step, transposed=True).shape == shape
    return adapter.fan_in_fan_out


def _fits_in_place(name: str, stored: Any, own: Any) -> bool:
    """Whether a tensor can stand in place of another: embeddings and heads may have more rows, or fewer."""
    return stored.shape == own.shape or (_of_tokens(name) and stored.shape[1:] == own.shape[1:] and stored.shape != ())


def _of_tokens(name: str) -> bool:
    return Layout((name,)).place(name).kind in ("embedding", "head")


def _refuse_unequal_vocabularies(adapter: Adapter, tensors: Mapping[str, Any]) -> None:
    """A head has a row for every row of the embedding, also where an adapter brings only one of them anew."""
    rows = {n: tensors[n].shape[0] for n in adapter.replaced if n in tensors and _of_tokens(n)}
    if not rows:
        return
    layout = Layout(tensors)
    heads = {n: tensors[n].shape[0] for n in layout.outside("head") if n.endswith("weight")}
    for name, count in rows.items():
        others = heads if layout.place(name).kind == "embedding" else {n: c for n, c in rows.items() if n not in heads}
        if odd := next((n for n, c in others.items() if c != count), None):
            raise CheckpointError(
                f"{adapter.folder} brings {name:.200} with {count} rows, and {odd:.200} has {others[odd]}. It lacks a part; "
                "save it again with save_embedding_layers=True."
            )


def _refuse_other_shape(adapter: Adapter, name: str, step: LowRank | Shift, own: Any) -> None:
    if step.shape != own.shape:
        raise _other_shape(adapter, name, step, own)


def _other_shape(adapter: Adapter, name: str, step: Any, own: Any) -> CheckpointError:
    given, wanted = ("×".join(map(str, s)) for s in (step.shape, own.shape))
    return CheckpointError(
        f"{adapter.folder} was made for another model: it changes {name:.200} as {given}, and here it is {wanted}."
    )


def untouched(adapter: Adapter, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """What is to be said of modules that the adapter's config names and its files hold nothing for, if there are any.

    PEFT leaves them as they are and warns: an adapter may be meant so, or be a part of one.
    """
    ends = tuple(f".{t}.weight" for t in adapter.targets)
    same = [n for n, t in before.items() if after[n] is t and len(t.shape) == 2 and f".{n}".endswith(ends)]
    if not ends or not same:
        return None
    return (
        f"{adapter.folder} has nothing for {same[0]:.200} ({len(same)} such), which its config names; they stay the "
        "model's. If that is not meant, download or save the adapter again."
    )
