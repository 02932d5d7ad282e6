"""An adapter folder, as peft writes it: its changes by module, read from its config and the header of its file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import hub
from nbmerge.checkpoints.adapters.adapted_tensor import LowRank, NewRows
from nbmerge.checkpoints.adapters.experts import ExpertChange, adapted_parameters, read_expert_changes
from nbmerge.checkpoints.adapters.factors import CONFIG, Scales, read_change
from nbmerge.checkpoints.adapters.initial import check_initial, find_initial, initial_kind, refuse_without_initial
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.pickle_files import read_pickled
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_json

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

_PART = re.compile(
    r"^(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)"
    r"(?:\.(?!weight$|bias$)[^.]+)?(?:\.(?P<leaf>weight|bias))?$"
)
_TOKENS = ".token_adapter.trainable_tokens_delta"
_ELSEWHERE = {
    "use_qalora": "QALoRA pools its inputs",
    "use_bdlora": "BD-LoRA uses block-diagonal factors",
    "alora_invocation_tokens": "an activated LoRA applies to some tokens only",
    "arrow_config": "Arrow routes between adapters",
    "kasa_config": "KaSA changes the base's singular values",
    "monteclora_config": "MonteCLoRA samples its weights",
    "layer_replication": "it repeats layers",
    "megatron_config": "it is for layers of Megatron",
}  # fmt: skip
"""Settings of peft that change what an adapter computes, with what each does."""


@dataclass(frozen=True)
class Adapter:
    """The contents of an adapter folder.

    Parameters
    ----------
    folder : Path
    changes : dict of str to LowRank
        By name of the module, as the adapter has it (without peft's ``base_model.model.``).
    embeddings : frozenset of str
        Modules of `changes` that are embeddings, whose matrix is stored as (inputs, outputs).
    biases : dict of str to (StoredTensor, float)
        What is added to a module's bias, with its scale.
    replaced : dict of str to StoredTensor
        Tensors that replace those of the base, by name (``modules_to_save``, trained biases).
    rows : dict of str to NewRows
        Rows that replace rows of an embedding, by name of the module (``trainable_token_indices``).
    targets : tuple of str
        Names of modules that must all exist, where the config lists plain names.
    fan_in_fan_out : bool
        Whether the config says that layers are stored as (inputs, outputs).
    base, revision : str, optional
        The model that it was made for, as the config names it.
    task : str, optional
        peft's name of its task, such as "CAUSAL_LM".
    experts : dict of str to ExpertChange
        By name of the parameter, as the adapter has it.
    initial : dict of str to LowRank
        What is taken away again, by name of the module, where the adapter was trained beside a changed base.
    """

    folder: Path
    changes: dict[str, LowRank]
    embeddings: frozenset[str]
    biases: dict[str, tuple[StoredTensor, float]]
    replaced: dict[str, StoredTensor]
    rows: dict[str, NewRows]
    targets: tuple[str, ...] = ()
    fan_in_fan_out: bool = False
    base: str | None = None
    revision: str | None = None
    task: str | None = None
    experts: dict[str, ExpertChange] = field(default_factory=dict)
    initial: dict[str, LowRank] = field(default_factory=dict)


def is_adapter(folder: Path) -> bool:
    """Whether a folder has an adapter and no model."""
    return os.path.lexists(folder / CONFIG) and not os.path.lexists(folder / "config.json")


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter's config and header, and those of its initial weights where it was trained beside a changed base.

    Raises
    ------
    CheckpointError
        When it is not a complete LoRA adapter, or a variant whose result is not a sum of weights.
    """
    config = _config(folder)
    adapter = _read(folder, config)
    if (kind := initial_kind(config)) is None:
        return adapter
    if (place := find_initial(folder, kind)) is None:
        raise refuse_without_initial(folder, kind)
    initial = _read(place, _config(place))
    check_initial(folder, adapter.changes, initial.changes)
    return replace(adapter, initial={m: replace(s, scale=-s.scale) for m, s in initial.changes.items()})


def _read(folder: Path, config: Mapping[str, Any]) -> Adapter:
    _refuse_other_kinds(folder, config)
    targets = config.get("target_parameters")
    parts: dict[str, dict[str, StoredTensor]] = {}
    wrappers: dict[str, dict[int, dict[str, StoredTensor]]] = {}
    replaced: dict[str, StoredTensor] = {}
    rows: dict[str, NewRows] = {}
    for key, tensor in read_adapter_tensors(folder).items():
        if not tensor.is_float:
            raise CheckpointError(f"{folder}: {key!r:.120} is stored as {tensor.dtype}. Save the adapter in float32.")
        own = key.removeprefix("base_model.model.")
        if match := _PART.match(own):
            module, part = _plain(match["module"]), match["part"] + (".bias" if match["leaf"] == "bias" else "")
            if adapted_parameters(module, targets):
                wrappers.setdefault(module, {}).setdefault(match["module"].count(".base_layer"), {})[part] = tensor
            else:
                parts.setdefault(module, {})[part] = tensor
        elif own.endswith(_TOKENS):
            module = own.removesuffix(_TOKENS)
            rows[module] = NewRows(tensor, _rows(folder, config, module, tensor))
        elif "lora_" in own:
            raise CheckpointError(
                f"cannot apply {folder}: {key!r:.120} is not a tensor of a supported LoRA. Merge the adapter with peft "
                "(merge_and_unload), save the model, and use that."
            )
        elif ".original_module." not in own:
            replaced[_plain(own)] = tensor
    scales = Scales(folder, config)
    changes = {module: read_change(folder, module, found, scales) for module, found in parts.items()}
    experts = [read_expert_changes(folder, module, found, targets, scales) for module, found in wrappers.items()]
    return Adapter(
        folder,
        changes,
        frozenset(m for m, found in parts.items() if "lora_embedding_A" in found),
        {m: (f["lora_B.bias"], changes[m].scale) for m, f in parts.items() if "lora_B.bias" in f},
        replaced,
        rows,
        _targets(config),
        bool(config.get("fan_in_fan_out")),
        _text(config, "base_model_name_or_path"),
        _text(config, "revision"),
        _text(config, "task_type"),
        {name: change for found in experts for name, change in found.items()},
    )


def _text(config: Mapping[str, Any], key: str) -> str | None:
    value = config.get(key)
    return value if isinstance(value, str) and value else None


def _plain(name: str) -> str:
    """The name without the wrappers that training added around a module."""
    return re.sub(r"\.(base_layer|modules_to_save(\.default)?)(?=\.|$)", "", name)


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    if not os.path.lexists(file):
        raise CheckpointError(f"{folder} is not an adapter: it has no {CONFIG}.")
    return read_model_json(file)


def _refuse_other_kinds(folder: Path, config: Mapping[str, Any]) -> None:
    kind = str(config.get("peft_type", "not named"))
    if kind.upper() != "LORA":
        raise CheckpointError(
            f"cannot apply {folder}: it is an adapter of type {kind:.40}, and only LoRA (including rsLoRA and DoRA) is supported. "
            "Merge it with peft (merge_and_unload) if that is possible, save the model, and use that."
        )
    for key, why in _ELSEWHERE.items():
        if config.get(key):
            raise CheckpointError(
                f"cannot apply {folder}: {why} ({key} in {CONFIG}). Merge it with peft (merge_and_unload) if that is possible, "
                "save the model, and use that."
            )


def read_adapter_tensors(folder: Path) -> dict[str, StoredTensor]:
    """Every tensor of an adapter's file, by the name that it has there.

    Raises
    ------
    CheckpointError
        When there is no such file, or nothing in it.
    """
    safe, pickled = (folder / name for name in WEIGHTS)
    if hub.held(safe):
        tensors = hub.read_header(safe)[0]
    elif hub.held(pickled):
        tensors = read_pickled(pickled)
    else:
        raise CheckpointError(f"{folder} is not a complete adapter: it has no {safe.name}. Download it again.")
    if not tensors:
        raise CheckpointError(f"{folder} contains no tensors. Save the adapter again.")
    return tensors


def _rows(folder: Path, config: Mapping[str, Any], module: str, values: StoredTensor) -> tuple[int, ...]:
    """Which rows of an embedding an adapter trained."""
    indices = config.get("trainable_token_indices")
    if isinstance(indices, dict):
        indices = next((v for k, v in indices.items() if f".{module}".endswith(f".{k}")), None)
    rows = indices if isinstance(indices, list) and all(type(i) is int and i >= 0 for i in indices) else []
    if indices != rows or len(values.shape) != 2 or len(set(rows)) != len(rows) or len(rows) != values.shape[0]:
        raise CheckpointError(
            f"{folder / CONFIG}: trainable_token_indices does not match the {values.shape[0]} trained rows of {module:.200}. "
            "Download or save the adapter again."
        )
    return tuple(rows)


def _targets(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Plain names of modules that the adapter must contain, empty where the config selects them in another way."""
    named = config.get("target_modules")
    chosen = any(config.get(k) for k in ("layers_to_transform", "exclude_modules", "layers_pattern"))
    if chosen or not isinstance(named, list):
        return ()
    return tuple(n for n in named if isinstance(n, str))
