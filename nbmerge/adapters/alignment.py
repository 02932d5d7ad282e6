"""Read adapters and lay them side by side, checked to belong to one model and to be such as can be merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbmerge.adapters.inputs import DoraChange, Zeros
from nbmerge.adapters.members import FusedExperts, Members, Module, Whole, is_saved
from nbmerge.checkpoints import Checkpoint, Layout, StoredTensor, open_adapter
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, Shift
from nbmerge.checkpoints.adapters.adapter import Adapter
from nbmerge.checkpoints.adapters.apply_adapter import HEAD, find_name, with_adapter
from nbmerge.errors import ArgumentError, CheckpointError
from nbmerge.recipe import ModelRef


def align_adapters(adapters: Sequence[ModelRef], base: ModelRef | None) -> Members:
    """Read adapters and lay them side by side.

    Parameters
    ----------
    adapters : sequence of ModelRef
    base : ModelRef, optional
        The model that they were made for.

    Raises
    ------
    CheckpointError
        When one cannot be read, or they are not of one model.
    """
    found = tuple(map(open_adapter, adapters))
    for adapter in found:
        _refuse_variants(adapter)
    labels = _labels(adapters)
    checkpoint = None if base is None else Checkpoint.open(base)
    adapted: list[Mapping[str, Any]] = []
    if checkpoint is None:
        _refuse_other_bases(found)
    else:
        shared = checkpoint.token_embedding if checkpoint.tied else None
        adapted = [with_adapter(checkpoint.tensors, adapter, shared) for adapter in found]
    modules = (
        *(_module(name, found, adapted) for name in _union(adapter.changes for adapter in found)),
        *(_experts(name, found) for name in _union(adapter.experts for adapter in found)),
    )
    wholes = (*_replaced(found, modules, checkpoint), *_shifts(found))
    _refuse_some_shifts(found, modules)
    layout = Layout([*(m.weight for m in modules), *(w.name for w in wholes)])
    return Members(found, labels, modules, wholes, layout, base)


def _union(names: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for own in names for name in own))


def _labels(adapters: Sequence[ModelRef]) -> tuple[str, ...]:
    """Names of the adapters, with as many of the folders above them as make them unique, or with numbers."""
    parts = [Path(adapter.path).parts for adapter in adapters]
    for depth in range(1, 4):
        labels = ["/".join(own[-depth:]) for own in parts]
        if len(set(labels)) == len(labels):
            return tuple(labels)
    return tuple(f"{Path(adapter.path).name} ({i})" for i, adapter in enumerate(adapters, start=1))


def _refuse_variants(adapter: Adapter) -> None:
    """Refuse adapters that replace rows."""
    if adapter.rows:
        raise CheckpointError(
            f"{adapter.folder} replaces single rows of {next(iter(adapter.rows)):.200} (trainable_token_indices), which cannot be "
            "merged as factors. Merge the adapted models with a recipe (BASE+ADAPTER is a model) instead."
        )


def _refuse_other_bases(adapters: Sequence[Adapter]) -> None:
    """Refuse adapters that name different models."""
    first = next((adapter for adapter in adapters if adapter.base), None)
    for adapter in adapters:
        if first is not None and adapter.base and _same_name(adapter.base) != _same_name(first.base or ""):
            raise CheckpointError(
                f"{first.folder} was made for {first.base}, and {adapter.folder} for {adapter.base}. Adapters of different models "
                "cannot be merged; if these are the same model under two names, name it: base=MODEL (--base MODEL)."
            )


def _same_name(base: str) -> str:
    """A form of a model's name in which equal models are equal."""
    try:
        folder = Path(base).expanduser()
        return str(folder.resolve()) if folder.is_dir() else base.rstrip("/")
    except (OSError, RuntimeError, ValueError):
        return base


def _module(name: str, adapters: Sequence[Adapter], adapted: Sequence[Mapping[str, Any]]) -> Module:
    changes = {
        i: tuple(own[name] for own in (adapter.changes, adapter.initial) if name in own)
        for i, adapter in enumerate(adapters)
        if name in adapter.changes
    }
    shapes = {steps[0].shape: i for i, steps in changes.items()}  # that of an embedding is transposed
    _refuse_unequal(name, shapes, adapters)
    scaled = [i for i, steps in changes.items() if steps[0].magnitude is not None]
    if scaled and not adapted:
        raise CheckpointError(
            f"{adapters[scaled[0]].folder} is a DoRA: it scales the weights of {name:.200} to learned lengths, so its change depends on "
            "the model that it was made for. Name the model: base=MODEL (--base MODEL)."
        )
    updates = {i: DoraChange(_adapted_tensor(adapted[i], f"{name}.weight")) for i in scaled}
    return Module(name, changes, any(name in adapters[i].embeddings for i in changes), updates)


def _adapted_tensor(tensors: Mapping[str, Any], name: str) -> Adapted:
    """The tensor of a model that an adapter was applied to, by the name that the adapter has for it."""
    own = find_name(tensors, name)
    tensor = None if own is None else tensors[own]
    if not isinstance(tensor, Adapted):
        raise TypeError(f"{name} has no adapter")
    return tensor


def _experts(name: str, adapters: Sequence[Adapter]) -> FusedExperts:
    changes = {i: adapter.experts[name] for i, adapter in enumerate(adapters) if name in adapter.experts}
    shapes: dict[tuple[int, ...], int] = {(c.experts, c.up.shape[0], c.down.shape[1]): i for i, c in changes.items()}
    _refuse_unequal(name, shapes, adapters)
    return FusedExperts.of(name, changes)


def _refuse_unequal(name: str, shapes: Mapping[tuple[int, ...], int], adapters: Sequence[Adapter]) -> None:
    """Refuse changes of one tensor in several shapes, each with the number of an adapter."""
    if len(shapes) > 1:
        (one, i), (other, j) = [("×".join(map(str, shape)), i) for shape, i in shapes.items()][:2]
        raise CheckpointError(
            f"{adapters[i].folder} and {adapters[j].folder} were made for different models: their changes of {name:.200} are {one} "
            f"and {other}. Choose adapters of one model."
        )


def _replaced(adapters: Sequence[Adapter], modules: Sequence[Module], base: Checkpoint | None) -> list[Whole]:
    """Tensors that replace those of the model."""
    by_factors = {module.weight: module for module in modules}
    found = []
    for name in _union(adapter.replaced for adapter in adapters):
        values = {i: adapter.replaced[name] for i, adapter in enumerate(adapters) if name in adapter.replaced}
        factors = by_factors[name].changes if name in by_factors else {}
        # peft saves an adapted embedding beside its factors: the sum of both changes is then what the adapter changes
        first = next((i for i in values if factors and i not in factors), None)
        if first is not None:
            other = next(iter(factors))
            raise CheckpointError(
                f"{adapters[first].folder} saves {name:.200} whole, and {adapters[other].folder} changes it by factors. Merge the "
                "adapted models with a recipe (BASE+ADAPTER is a model), and extract an adapter from the result with extract_lora."
            )
        found.append(Whole(name, _base_of(name, values, adapters, base), values))
    return found


def _base_of(
    name: str, values: Mapping[int, StoredTensor], adapters: Sequence[Adapter], base: Checkpoint | None
) -> Any:
    """The tensor of the model that saved ones are compared with; zeros where it is not known."""
    shape = next(iter(values.values())).shape
    own = None if base is None else find_name(base.tensors, name)
    if base is not None and own is None and base.tied and name.endswith(HEAD):
        own = base.token_embedding
    stored = Zeros(shape) if base is None or own is None else base.tensors[own]
    for i, value in values.items():
        if value.shape != stored.shape:
            given, wanted = ("×".join(map(str, s)) for s in (value.shape, stored.shape))
            raise CheckpointError(
                f"{adapters[i].folder} saves {name:.200} as {given}, and it is {wanted} in {'the others' if base is None else base.name}. "
                "Adapters with other numbers of tokens cannot be merged; merge the adapted models with a recipe instead."
            )
    return stored


def _shifts(adapters: Sequence[Adapter]) -> list[Whole]:
    """Biases of B."""
    found = []
    for module in _union(adapter.biases for adapter in adapters):
        values = {i: adapter.biases[module] for i, adapter in enumerate(adapters) if module in adapter.biases}
        zeros = Zeros(next(iter(values.values()))[0].shape)
        shifts = {i: Adapted(stored.name, zeros, (Shift(stored, scale),)) for i, (stored, scale) in values.items()}
        found.append(Whole(f"{module}.lora_B.bias", zeros, shifts))
    return found


def _refuse_some_shifts(adapters: Sequence[Adapter], modules: Sequence[Module]) -> None:
    """Refuse biases of B in some modules only: peft reads them for all modules or for none."""
    shifted = {module for adapter in adapters for module in adapter.biases}
    if shifted and (without := next((module.name for module in modules if module.name not in shifted), None)):
        folder = next(adapter.folder for adapter in adapters if adapter.biases)
        raise CheckpointError(
            f"{folder} trains a bias of B (lora_bias), and none of the adapters has one for {without:.200}, but an adapter has them in "
            "all modules or in none. Merge the adapted models with a recipe (BASE+ADAPTER is a model) instead."
        )


def check_copies(members: Members, weights: Sequence[float], thins: bool) -> None:
    """Refuse saved tensors that can only be merged relative to a model that was not given.

    Raises
    ------
    ArgumentError
    """
    if members.base is not None:
        return
    for whole in members.wholes:
        if not is_saved(whole) or (len(whole.values) == 1 and weights[next(iter(whole.values))] == 1 and not thins):
            continue
        labels = " and ".join(members.labels[i] for i in whole.values)
        raise ArgumentError(
            f"{labels} {'saves' if len(whole.values) == 1 else 'save'} {whole.name:.200} whole, and to merge that, its values in the "
            "model are needed. Name the model: base=MODEL (--base MODEL)."
        )
