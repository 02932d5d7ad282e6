"""The two factors of a module, checked, and the scale of their product."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbmerge.checkpoints.adapters.adapted_tensor import LowRank
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.errors import CheckpointError

CONFIG = "adapter_config.json"
_PATTERN = re.compile(r"[\w.^$|\\\[\]()*+?-]{1,200}")
_NO_GROUPS = "a grouped convolution, whose change peft cannot merge either"


def read_change(folder: Path, module: str, found: Mapping[str, StoredTensor], scales: Scales) -> LowRank:
    """The change of a module, from the tensors that an adapter has for it.

    Raises
    ------
    CheckpointError
        When they do not fit each other or the config.
    """
    names = ("lora_embedding_A", "lora_embedding_B") if "lora_embedding_A" in found else ("lora_A", "lora_B")
    down, up = find_factors(folder, module, found, *names)
    if not 2 <= len(down.shape) <= 5 or len(up.shape) != len(down.shape) or set(up.shape[2:]) - {1}:
        raise CheckpointError(
            f"cannot apply {folder}: the factors of {module:.200} have the shapes {down.shape} and {up.shape}, and only "
            "those of matrices and convolutions are supported. Merge the adapter with peft (merge_and_unload), save the model, and "
            "use that."
        )
    rank = down.shape[0]
    if rank > 0 < up.shape[1] < rank and len(up.shape) > 2 and rank % up.shape[1] == 0:
        raise CheckpointError(
            f"cannot apply {folder}: {module:.200} is {_NO_GROUPS}. Use the model without the adapter."
        )
    if up.shape[1] != rank or rank < 1:
        raise CheckpointError(
            f"{folder}: the factors of {module:.200} cannot be multiplied: {up.shape} times {down.shape}."
        )
    magnitude = found.get("lora_magnitude_vector")
    if magnitude is None and scales.dora:
        raise CheckpointError(f"{folder} sets use_dora, but has no lora_magnitude_vector for {module:.200}.")
    if magnitude is not None and magnitude.count != up.shape[0]:
        raise CheckpointError(f"{folder}: {module:.200} has {magnitude.count} magnitudes instead of {up.shape[0]}.")
    return LowRank(down, up, scales.scale(module, rank), names[0] == "lora_embedding_A", magnitude)


def find_factors(
    folder: Path, module: str, found: Mapping[str, StoredTensor], *names: str
) -> tuple[StoredTensor, StoredTensor]:
    """A and B of a module.

    Raises
    ------
    CheckpointError
        When one is missing.
    """
    if missing := [n for n in names if n not in found]:
        raise CheckpointError(f"{folder} has no {missing[0]} for {module:.200}. Download or save the adapter again.")
    down, up = (found[n] for n in names)
    return down, up


@dataclass
class Scales:
    """α/r of every module: the config's, or that of the first pattern which matches the module's name."""

    folder: Path
    config: Mapping[str, Any]
    dora: bool = field(init=False)

    def __post_init__(self) -> None:
        self.dora = bool(self.config.get("use_dora"))
        self.root = bool(self.config.get("use_rslora"))
        self.ranks, self.alphas = (self._patterns(k) for k in ("rank_pattern", "alpha_pattern"))

    def rank(self, module: str) -> float:
        """The rank that the config declares for a module, or for a parameter."""
        return self._number(self._of(self.ranks, module, self.config.get("r")), "r (or rank_pattern)")

    def scale(self, module: str, rank: int) -> float:
        """S of a module, or of a parameter, whose factors have this rank."""
        declared = self.rank(module)
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
