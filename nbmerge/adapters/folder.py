"""The folder of an extracted adapter, as peft writes it: weights, config, card and checksums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.adapters.files import (
    PREFIX,
    Document,
    Factor,
    factor_pair,
    in_code,
    lora_config,
    spread,
    write_card,
    write_files,
)
from nbmerge.adapters.parts import Part, Parts
from nbmerge.adapters.roles import HEAD, Pair, Role
from nbmerge.engine.compute import run
from nbmerge.engine.planning import TensorPlan
from nbmerge.methods import Values
from nbmerge.recipe import ModelRef

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

_TASKS = {
    "ForCausalLM": "CAUSAL_LM", "LMHeadModel": "CAUSAL_LM", "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForSequenceClassification": "SEQ_CLS", "ForTokenClassification": "TOKEN_CLS", "ForQuestionAnswering": "QUESTION_ANS",
}  # fmt: skip
"""Ends of architectures, with peft's name of their task."""


@dataclass(frozen=True)
class Contents:
    """What an adapter contains.

    Parameters
    ----------
    pair : Pair
    parts : mapping of str to Part
        By tensor.
    """

    pair: Pair
    parts: Mapping[str, Part]

    @property
    def ranks(self) -> dict[str, int]:
        """Rank by module, of the modules that have factors."""
        found = {role.module: self.parts[role.tensor.name].rank for role in self.pair.matrices}
        return {module: rank for module, rank in found.items() if rank}

    @property
    def saved(self) -> dict[str, list[Role]]:
        """Tensors by module, of the modules that are saved whole: those of which one tensor changed."""
        changed = {r.module for r in self.pair.roles if r.way == "module" and self.parts[r.tensor.name].energy}
        saved: dict[str, list[Role]] = {}
        for role in self.pair.roles:
            if role.way == "module" and role.module in changed:
                saved.setdefault(role.module, []).append(role)
        if (shared := self.pair.shared) and (embedding := saved.get(shared.removesuffix(".weight"))):
            saved[HEAD] = embedding  # of the fine-tune, both changed: one that is saved alone would leave the other
        return saved

    @property
    def biases(self) -> list[Role]:
        """Biases that changed, of modules whose weight is not saved."""
        return [r for r in self.pair.roles if r.way == "bias" and self.parts[r.tensor.name].energy]

    def way(self, role: Role) -> str:
        """What became of a tensor, as `Extraction.table` has it."""
        if role.way == "module" and role.module in self.saved:
            return "saved"
        if not self.parts[role.tensor.name].energy:
            return "unchanged"
        return "lora" if role.way == "factors" else "saved"


def write_adapter(contents: Contents, parts: Parts, folder: Path, dtype: str, cancel: StopSignal | None) -> None:
    """Write weights, config, card and checksums into a folder."""
    copies = _copies(contents)
    write_files(
        folder, parts, _factors(contents, dtype), copies, Document(make_config(contents), _card(contents)),
        lambda writer: run(copies, lambda tensor, _: writer.emit(tensor), cancel=cancel),
    )  # fmt: skip


def _factors(contents: Contents, dtype: str) -> list[Factor]:
    found = []
    for role in contents.pair.matrices:
        rank = contents.parts[role.tensor.name].rank
        outputs, inputs = role.tensor.shape[::-1] if role.tensor.values.inputs_first else role.tensor.shape
        found += factor_pair(role.tensor.name, role.module, rank, outputs, inputs, dtype)
    return found


def _copies(contents: Contents) -> list[TensorPlan]:
    """Tensors of the fine-tune that are copied, under their names in the adapter."""
    found = [(f"{module}.{role.leaf}", role) for module, roles in contents.saved.items() for role in roles]
    for role in contents.biases:
        wrapped = f"{role.module}.base_layer" if role.module in contents.ranks else role.module
        found.append((f"{wrapped}.bias", role))
    return [_copy(role.tensor, f"{PREFIX}{name}") for name, role in found]


def _copy(tensor: TensorPlan, name: str) -> TensorPlan:
    own, label = tensor.inputs[-1], tensor.models[-1]
    values = Values({}, {"scale": (1.0,)})
    return replace(
        tensor, name=name, dtype=own.output_dtype, method="passthrough", inputs=(own,), models=(label,), values=values
    )  # fmt: skip


def make_config(contents: Contents) -> dict[str, Any]:
    """The adapter's ``adapter_config.json``."""
    ranks = contents.ranks
    architecture = contents.pair.plan.checkpoints[contents.pair.plan.donor].architecture
    return lora_config(
        ranks,
        task_type=next((task for end, task in _TASKS.items() if architecture.endswith(end)), None),
        base_model_name_or_path=_base_name(contents.pair.base),
        revision=contents.pair.base.revision,
        target_modules=_targets(set(ranks), {role.module for role in contents.pair.roles}),
        modules_to_save=sorted(contents.saved) or None,
        bias="all" if contents.biases else "none",
        fan_in_fan_out=any(role.tensor.values.inputs_first for role in contents.pair.matrices),
    )


def _base_name(base: ModelRef) -> str:
    folder = Path(base.path).expanduser()
    return str(folder.absolute()) if folder.is_dir() else base.path


def _targets(modules: set[str], of_model: set[str]) -> list[str]:
    """The shortest names that match these modules and no others, as peft matches them: by their ends."""
    named: set[str] = set()
    for module in modules:
        last = module.rpartition(".")[2]
        same = {m for m in of_model if m == last or m.endswith(f".{last}")}
        named.add(last if same <= modules and not last.isdigit() else module)
    return sorted(named)


def _card(contents: Contents) -> str:
    base, model, ranks = contents.pair.base, contents.pair.model, contents.ranks
    return write_card(
        f"{in_code(model.name)} as an adapter of {in_code(base.name)}",
        f"The difference of the two models as a LoRA: rank {spread(ranks.values())} in {len(ranks)}\n"
        f"modules, and {len(contents.saved)} modules saved whole. Extracted with nbmerge.\n",
        base.path,
    )
