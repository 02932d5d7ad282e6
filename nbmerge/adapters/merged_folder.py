"""The folder of a merged adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbmerge.adapters.combine import Combiner
from nbmerge.adapters.files import (
    PREFIX,
    Document,
    factor_pair,
    in_code,
    lora_config,
    spread,
    write_card,
    write_files,
)
from nbmerge.adapters.inputs import KINDS_OF_ADAPTERS
from nbmerge.adapters.members import Members, Whole, is_saved
from nbmerge.adapters.parts import Part, Parts
from nbmerge.checkpoints.adapters.experts import name_wrappers
from nbmerge.engine.compute import Blocks, run
from nbmerge.engine.planning import TensorPlan
from nbmerge.errors import CheckpointError
from nbmerge.methods import Values

if TYPE_CHECKING:
    from nbmerge.engine.output import ShardWriter
    from nbmerge.typing import StopSignal


@dataclass(frozen=True)
class PlacedWhole:
    """A tensor that adapters have as it is, and the tensor of the result that it becomes."""

    whole: Whole
    tensor: TensorPlan


@dataclass(frozen=True)
class SavedTensors:
    """What the weights file contains besides factors."""

    wholes: tuple[PlacedWhole, ...]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return sum(placed.tensor.nbytes for placed in self.wholes)


def find_saved(members: Members) -> SavedTensors:
    """The tensors of the result besides factors, by the names that peft gives them."""
    with_factors = {module.name for module in members.modules}
    return SavedTensors(tuple(PlacedWhole(whole, _tensor(whole, with_factors)) for whole in members.wholes))


def _tensor(whole: Whole, with_factors: set[str]) -> TensorPlan:
    name = whole.name
    if is_saved(whole) and whole.module in with_factors:  # a bias that was trained beside factors
        name = f"{whole.module}.base_layer.{name.rpartition('.')[2]}"
    inputs = (whole.base, *whole.values.values())
    stored = next(next(iter(whole.values.values())).leaves())
    nothing = Values({}, {"scale": (0.0,) * len(inputs)})  # the engine itself computes nothing
    labels = ("base", *map(str, whole.values))
    return TensorPlan(
        f"{PREFIX}{name}", whole.base.shape, stored.dtype, None, "other", "passthrough", inputs, labels, nothing
    )  # fmt: skip


def write_merged(
    members: Members,
    combiner: Combiner,
    saved: SavedTensors,
    parts: Parts,
    found: Mapping[str, Part],
    folder: Path,
    cancel: StopSignal | None,
) -> dict[str, Part]:
    """Write weights, config, card and checksums into a folder.

    Returns
    -------
    dict of str to Part
        What was found about the tensors that are not factors.
    """
    dtype = str(combiner.dtype).removeprefix("torch.")
    wrappers = name_wrappers([m.name for m in members.modules if m.is_parameter and found[m.weight].rank])
    factors = [
        factor
        for module in members.modules
        for factor in factor_pair(
            module.weight,
            wrappers.get(module.name, module.name),
            found[module.weight].rank * len(module.matrices),
            *module.shape,
            dtype,
            embedding=module.embedding,
            kernel=module.kernel,
        )
    ]
    ranks = {module.name: found[module.weight].rank for module in members.modules if found[module.weight].rank}
    energies: dict[str, float] = {}
    write_files(
        folder, parts, factors, [placed.tensor for placed in saved.wholes],
        Document(make_config(members, ranks), _card(members, combiner, ranks)),
        lambda writer: energies.update(_write_wholes(writer, combiner, saved, cancel)),
    )  # fmt: skip
    nothing = np.zeros(0)
    return {name: Part(energy, 0, nothing, nothing, 0, 0.0) for name, energy in energies.items()}


def _write_wholes(
    writer: ShardWriter, combiner: Combiner, saved: SavedTensors, cancel: StopSignal | None
) -> dict[str, float]:
    """Write the tensors that are not factors; returns ‖δ‖² of each."""
    wholes = {placed.tensor.name: placed.whole for placed in saved.wholes}
    energies: dict[str, float] = {}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Any:
        emit, whole, energy = writer.emit(tensor), wholes[tensor.name], 0.0
        for start, block in combiner.merge_whole(whole, tensor, blocks.workspace):
            merged = block.clone()  # it is in memory that the next line uses
            emit(start, merged.to(getattr(torch, tensor.dtype)))
            energy += float(merged.double().sub_(blocks.rows(start, [0])[0]).square().sum())
        if not np.isfinite(energy):
            raise CheckpointError(
                f"an adapter contains NaN, infinity or extremely large numbers in {whole.name:.200}. Download or train it again."
            )
        energies[whole.name] = energy
        return lambda start, block: None

    tensors = [placed.tensor for placed in saved.wholes]
    run(tensors, sink, cancel=cancel, kinds=KINDS_OF_ADAPTERS)
    return energies


def make_config(members: Members, ranks: Mapping[str, int]) -> dict[str, Any]:
    """The adapter's ``adapter_config.json``.

    Parameters
    ----------
    members : Members
    ranks : mapping of str to int
        Rank by module, of those that have factors.
    """
    with_factors = {module.name for module in members.modules}
    saved = {w.module for w in members.wholes if is_saved(w) and w.name.endswith(".weight")} - with_factors
    parameters = sorted(m.name for m in members.modules if m.is_parameter and m.name in ranks)
    plain = len(ranks) == len(members.modules) and all(a.targets or not a.changes for a in members.adapters)
    biases = any(w.name.endswith(".bias") and is_saved(w) and w.module not in saved for w in members.wholes)
    shifts = any(not is_saved(whole) for whole in members.wholes)
    return lora_config(
        ranks,
        task_type=next((adapter.task for adapter in members.adapters if adapter.task), None),
        base_model_name_or_path=members.base_name,
        revision=members.revision,
        target_modules=sorted(
            {t for a in members.adapters for t in a.targets} if plain else set(ranks) - set(parameters)
        ),
        modules_to_save=sorted(saved) or None,
        bias="all" if biases else "none",
        fan_in_fan_out=any(adapter.fan_in_fan_out for adapter in members.adapters),
        **({"lora_bias": True} if shifts else {}),
        **({"target_parameters": parameters} if parameters else {}),
    )


def _card(members: Members, combiner: Combiner, ranks: Mapping[str, int]) -> str:
    mixer = combiner.mixer
    settings = [f"method `{mixer.kind.name}`"]
    settings += [f"density {mixer.density:g}"] if mixer.kind.thin else []
    settings += [f"seed {combiner.seed}"] if mixer.kind.thin == "random" else []
    settings += [f"consensus {mixer.consensus}, election {mixer.election}"] if mixer.kind.elects else []
    sources = "".join(
        f"- {in_code(label)}, weight {weight:g}\n"
        for label, weight in zip(members.labels, combiner.weights, strict=True)
    )
    body = (
        f"LoRA adapters of one model, merged with nbmerge ({', '.join(settings)}):\n\n{sources}\n"
        f"Rank {spread(ranks.values())} in {len(ranks)} modules, and {len(members.wholes)} tensors saved as they are.\n"
    )
    return write_card(f"{' + '.join(map(in_code, members.labels))}", body, members.base_name)
