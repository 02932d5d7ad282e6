"""LoRA on the matrices of experts that are one tensor in memory: ``target_parameters`` of peft.

peft wraps a module once for each of its adapted parameters, the first one innermost, and names none of them in the file. In
files, transformers stores the experts of some models in one tensor and of others one by one, with gate and up apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbmerge.checkpoints.adapters.adapted_tensor import ExpertProducts, LowRank
from nbmerge.checkpoints.adapters.factors import CONFIG, Scales, find_factors
from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.errors import CheckpointError

_ORDER = ("gate_up_proj", "down_proj")
"""Parameters that may be adapted together, in the order in which modules of transformers have them."""
_SINGLE = {"gate_up_proj": (("gate_proj", "up_proj"), ("w1", "w3")), "down_proj": (("down_proj",), ("w2",))}
"""Names of the matrices of one expert, where files have them one by one: those of most models, and those of Mixtral."""


@dataclass(frozen=True)
class ExpertChange:
    """An adapter's change of a tensor of all experts.

    Parameters
    ----------
    folder : Path
    down, up : StoredTensor
        A and B of all experts, as `ExpertProducts` has them.
    scale : float
    experts : int
    """

    folder: Path
    down: StoredTensor
    up: StoredTensor
    scale: float
    experts: int

    @property
    def rank(self) -> int:
        """Number of rows of each A."""
        return self.down.shape[0] // self.experts

    def of_expert(self, number: int) -> LowRank:
        """The change of one expert's matrix."""
        down = _rows(self.down, number * self.rank, self.rank)
        return LowRank(down, self.up, self.scale, columns=(number, self.experts))


def adapted_parameters(module: str, targets: Any) -> list[str]:
    """Which parameters of a module ``target_parameters`` names, in the order in which peft wraps them."""
    if not isinstance(targets, list):
        return []
    texts = [target for target in targets if isinstance(target, str)]
    own = [t.rpartition(".")[2] for t in texts if f".{module}".endswith(f".{t.rpartition('.')[0]}") and "." in t]
    known = [name for name in _ORDER if name in own]
    return known + sorted(set(own) - set(known))


def name_wrappers(parameters: Iterable[str]) -> dict[str, str]:
    """The modules that peft stores the factors of some parameters under: a wrapper for each, the first one innermost."""
    modules: dict[str, list[str]] = {}
    for name in parameters:
        modules.setdefault(name.rpartition(".")[0], []).append(name)
    found = {}
    for module, own in modules.items():
        for depth, parameter in enumerate(reversed(adapted_parameters(module, own))):
            found[f"{module}.{parameter}"] = module + depth * ".base_layer"
    return found


def read_expert_changes(
    folder: Path, module: str, wrappers: Mapping[int, Mapping[str, StoredTensor]], targets: Any, scales: Scales
) -> dict[str, ExpertChange]:
    """The changes of the parameters of one module, by name of the parameter.

    Parameters
    ----------
    folder : Path
    module : str
    wrappers : mapping of int to mapping of str to StoredTensor
        The tensors of each wrapper of the module, by the number of wrappers around it.
    targets : list of str
        ``target_parameters`` of the config.
    scales : Scales

    Raises
    ------
    CheckpointError
        When it is not clear which parameters they are, or they do not fit the config.
    """
    names = adapted_parameters(module, targets)
    if (
        len(names) != len(wrappers)
        or set(wrappers) != set(range(len(names)))
        or (len(names) > 1 and set(names) - set(_ORDER))
    ):
        raise CheckpointError(
            f"cannot apply {folder}: it has factors for {len(wrappers)} parameters of {module:.200}, and target_parameters in {CONFIG} "
            f"names {', '.join(names) or 'none'}. Merge it with peft (merge_and_unload), save the model, and use that."
        )
    inside_out = sorted(wrappers, reverse=True)
    return {
        f"{module}.{name}": _read(folder, f"{module}.{name}", wrappers[depth], scales)
        for name, depth in zip(names, inside_out, strict=True)
    }


def _read(folder: Path, name: str, found: Mapping[str, StoredTensor], scales: Scales) -> ExpertChange:
    down, up = find_factors(folder, name, found, "lora_A", "lora_B")
    rank = int(scales.rank(name))
    whole = len(down.shape) == len(up.shape) == 2 and up.shape[1] == down.shape[0]
    if not whole or rank < 1 or down.shape[0] < rank or down.shape[0] % rank:
        raise CheckpointError(
            f"{folder}: the factors of {name:.200} have the shapes {down.shape} and {up.shape}, which do not fit the rank {rank:.4g} that "
            f"{CONFIG} declares. Config and weights do not belong together; download both again."
        )
    return ExpertChange(folder, down, up, scales.scale(name, rank), down.shape[0] // rank)


def fused_step(name: str, change: ExpertChange, tensors: Mapping[str, Any]) -> ExpertProducts | LowRank:
    """The change of a tensor that has all experts, or of an ordinary matrix.

    Parameters
    ----------
    name : str
        Of the tensor.
    change : ExpertChange
    tensors : mapping of str to input of a merge
        All tensors of the model.

    Raises
    ------
    CheckpointError
        When it has another shape.
    """
    shape = tuple(tensors[name].shape)
    if change.experts == 1 and len(shape) == 2:
        plain = LowRank(change.down, change.up, change.scale)
        if plain.shape != shape:
            raise _other_shape(name, change, plain.shape, shape)
        return plain
    step = ExpertProducts(change.down, change.up, change.scale, change.experts)
    turned = replace(step, transposed=True)
    if step.shape == shape and turned.shape == shape:
        return turned if _inputs_come_first(name, tensors) else step
    if turned.shape == shape:
        return turned
    if step.shape != shape:
        raise _other_shape(name, change, step.shape, shape)
    return step


def _other_shape(name: str, change: ExpertChange, given: tuple[int, ...], wanted: tuple[int, ...]) -> CheckpointError:
    one, other = ("×".join(map(str, shape)) for shape in (given, wanted))
    return CheckpointError(
        f"{change.folder} was made for another model: its change of {name:.200} is {one}, but the tensor is {other}."
    )


def _inputs_come_first(name: str, tensors: Mapping[str, Any]) -> bool:
    """Whether square matrices of experts are stored as (inputs, outputs), by the longer side of the experts' other tensor.

    Where one of (hidden, 2 × intermediate) and (intermediate, hidden) is square, the other is longer on its second side.
    """
    module, _, leaf = name.rpartition(".")
    other = tensors.get(f"{module}.{_ORDER[1 - _ORDER.index(leaf)]}") if leaf in _ORDER else None
    return other is not None and len(other.shape) == 3 and other.shape[2] > other.shape[1]


def single_steps(name: str, change: ExpertChange) -> list[dict[str, LowRank]]:
    """The changes of the matrices of each expert, by name, where files have them one by one.

    Returns
    -------
    list of dict
        One for each way in which models name them.
    """
    module, _, leaf = name.rpartition(".")
    if leaf not in _SINGLE:
        return []
    return [_by_expert(module, parts, change) for parts in _SINGLE[leaf]]


def _by_expert(module: str, parts: tuple[str, ...], change: ExpertChange) -> dict[str, LowRank]:
    height, odd = divmod(change.up.shape[0], len(parts))
    if odd:
        return {}
    return {
        f"{module}.{e}.{part}.weight": replace(change.of_expert(e), up=_rows(change.up, i * height, height))
        for e in range(change.experts)
        for i, part in enumerate(parts)
    }


def _rows(stored: StoredTensor, first: int, count: int) -> StoredTensor:
    """Some rows of a stored matrix."""
    width = stored.shape[1]
    return replace(stored, shape=(count, width), start=stored.start + first * width * item_bytes(stored.dtype))
