"""An adapter folder, as peft writes it: its changes by module, read from its config and the header of its file."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import hub
from nbmerge.checkpoints.adapters.adapted_tensor import LowRank, NewRows
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.pickle_files import read_pickled
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_json

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

_PART = re.compile(
    r"^(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)"
    r"(?:\.(?!weight$|bias$)[^.]+)?(?:\.(?P<leaf>weight|bias))?$"
)
_TOKENS = ".token_adapter.trainable_tokens_delta"
_PATTERN = re.compile(r"[\w.^$|\\\[\]()*+?-]{1,200}")
_OTHER_BASE = ("pissa", "olora", "corda", "lora_ga")
_ELSEWHERE = {
    "use_qalora": "QALoRA pools its inputs",
    "use_bdlora": "BD-LoRA uses block-diagonal factors",
    "alora_invocation_tokens": "an activated LoRA applies to some tokens only",
    "arrow_config": "Arrow routes between adapters",
    "kasa_config": "KaSA changes the base's singular values",
    "monteclora_config": "MonteCLoRA samples its weights",
    "layer_replication": "it repeats layers",
    "megatron_config": "it is for layers of Megatron",
    "target_parameters": "it adapts parameters that are not layers (fused experts)",
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


def is_adapter(folder: Path) -> bool:
    """Whether a folder has an adapter and no model."""
    return os.path.lexists(folder / CONFIG) and not os.path.lexists(folder / "config.json")


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter's config and header.

    Raises
    ------
    CheckpointError
        When it is not a complete LoRA adapter, or a variant whose result is not a sum of weights.
    """
    config = _config(folder)
    _refuse_other_kinds(folder, config)
    parts: dict[str, dict[str, StoredTensor]] = {}
    replaced: dict[str, StoredTensor] = {}
    rows: dict[str, NewRows] = {}
    for key, tensor in read_adapter_tensors(folder).items():
        if not tensor.is_float:
            raise CheckpointError(f"{folder}: {key!r:.120} is stored as {tensor.dtype}. Save the adapter in float32.")
        own = key.removeprefix("base_model.model.")
        if match := _PART.match(own):
            bias = ".bias" if match["leaf"] == "bias" else ""
            parts.setdefault(_plain(match["module"]), {})[match["part"] + bias] = tensor
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
    rules = _Scales(folder, config)
    changes = {module: _change(folder, module, found, rules) for module, found in parts.items()}
    return Adapter(
        folder,
        changes,
        frozenset(m for m, found in parts.items() if "lora_embedding_A" in found),
        {m: (f["lora_B.bias"], changes[m].scale) for m, f in parts.items() if "lora_B.bias" in f},
        replaced,
        rows,
        _targets(config),
        bool(config.get("fan_in_fan_out")),
        *(_text(config, key) for key in ("base_model_name_or_path", "revision", "task_type")),
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
    start = str(config.get("init_lora_weights", True)).lower()
    if start.startswith(_OTHER_BASE):
        raise CheckpointError(
            f"cannot apply {folder}: its initialisation '{start:.40}' modified the base model. "
            "Convert it to a plain LoRA first (peft: save_pretrained with path_initial_model_for_weight_conversion)."
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


def _change(folder: Path, module: str, found: Mapping[str, StoredTensor], rules: _Scales) -> LowRank:
    names = ("lora_embedding_A", "lora_embedding_B") if "lora_embedding_A" in found else ("lora_A", "lora_B")
    if missing := [n for n in names if n not in found]:
        raise CheckpointError(f"{folder} has no {missing[0]} for {module:.200}. Download or save the adapter again.")
    down, up = (found[n] for n in names)
    if len(down.shape) != 2 or len(up.shape) != 2:
        raise CheckpointError(
            f"cannot apply {folder}: the factors of {module:.200} have the shapes {down.shape} and {up.shape}, and only "
            "matrices are supported. Merge the adapter with peft (merge_and_unload), save the model, and use that."
        )
    rank = down.shape[0]
    if up.shape[1] != rank or rank < 1:
        raise CheckpointError(
            f"{folder}: the factors of {module:.200} cannot be multiplied: {up.shape} times {down.shape}."
        )
    magnitude = found.get("lora_magnitude_vector")
    if magnitude is None and rules.dora:
        raise CheckpointError(f"{folder} sets use_dora, but has no lora_magnitude_vector for {module:.200}.")
    if magnitude is not None and magnitude.count != up.shape[0]:
        raise CheckpointError(f"{folder}: {module:.200} has {magnitude.count} magnitudes instead of {up.shape[0]}.")
    return LowRank(down, up, rules.scale(module, rank), names[0] == "lora_embedding_A", magnitude)


@dataclass
class _Scales:
    """α/r of every module: the config's, or that of the first pattern which matches the module's name."""

    folder: Path
    config: Mapping[str, Any]
    dora: bool = field(init=False)

    def __post_init__(self) -> None:
        self.dora = bool(self.config.get("use_dora"))
        self.root = bool(self.config.get("use_rslora"))
        self.ranks, self.alphas = (self._patterns(k) for k in ("rank_pattern", "alpha_pattern"))

    def scale(self, module: str, rank: int) -> float:
        declared = self._number(self._of(self.ranks, module, self.config.get("r")), "r (or rank_pattern)")
        if declared != rank:
            raise CheckpointError(
                f"{self.folder}: the factors of {module:.200} have rank {rank}, but {CONFIG} declares {declared:g}. "
                "Config and weights do not belong together; download both again."
            )
        alpha = self._number(
            self._of(self.alphas, module, self.config.get("lora_alpha")), "lora_alpha (or alpha_pattern)"
        )
        return alpha / (math.sqrt(rank) if self.root else rank)

    def _patterns(self, key: str) -> list[tuple[re.Pattern[str], Any]]:
        table = self.config.get(key) or {}
        if not isinstance(table, dict):
            raise CheckpointError(f"{self.folder / CONFIG}: {key} is not a mapping.")
        return [(self._compiled(pattern, key), value) for pattern, value in table.items()]

    def _compiled(self, pattern: str, key: str) -> re.Pattern[str]:
        """Compile a pattern, which is a regular expression in peft; those that could run forever are refused."""
        slow = re.search(r"\)[*+{?]", pattern) or len(re.findall(r"[*+]", pattern)) > 3
        try:
            if slow or not _PATTERN.fullmatch(pattern):
                raise ValueError("it is too complex")
            return re.compile(rf"(?:.*\.)?(?:{pattern})")
        except (re.error, ValueError) as error:
            raise CheckpointError(
                f"{self.folder / CONFIG}: {pattern!r:.120} in {key} cannot be used: {error}."
            ) from error

    @staticmethod
    def _of(patterns: list[tuple[re.Pattern[str], Any]], module: str, default: Any) -> Any:
        return next((value for pattern, value in patterns if pattern.fullmatch(module)), default)

    def _number(self, value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise CheckpointError(f"{self.folder / CONFIG} has no usable {key}: {value!r:.40}.")
        return float(value)


def _targets(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Plain names of modules that the adapter must contain, empty where the config selects them in another way."""
    named = config.get("target_modules")
    chosen = any(config.get(k) for k in ("layers_to_transform", "exclude_modules", "layers_pattern"))
    if chosen or not isinstance(named, list):
        return ()
    return tuple(n for n in named if isinstance(n, str))
