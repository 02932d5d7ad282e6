"""The folder of an extracted adapter, as peft writes it: weights, config, card and checksums."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.adapters.parts import Part, Parts
from nbmerge.adapters.roles import HEAD, Pair, Role
from nbmerge.checkpoints.adapters.adapter import CONFIG, WEIGHTS
from nbmerge.engine.compute import run
from nbmerge.engine.output import ShardWriter, write_manifest
from nbmerge.engine.planning import TensorPlan
from nbmerge.methods import Values
from nbmerge.recipe import ModelRef
from nbmerge.recipe.yaml_text import dump_yaml

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

_PREFIX = "base_model.model."
_ANY_SIZE = 1 << 62
"""An adapter is one file, whatever its size."""
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
    factors, copies = _factors(contents, dtype), _copies(contents)
    layout = [*(factor.layout for factor in factors), *copies]
    with closing(ShardWriter(folder, layout, {}, _ANY_SIZE, single=WEIGHTS[0])) as writer:
        for factor in factors:
            writer.emit(factor.layout)(0, parts.factor(factor.of, factor.which).view(-1))
        run(copies, lambda tensor, _: writer.emit(tensor), cancel=cancel)
        writer.finish()
    (folder / CONFIG).write_text(json.dumps(make_config(contents), indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(contents), encoding="utf-8")
    write_manifest(folder, {t.name: writer.checksums[t.name] for t in layout})


@dataclass(frozen=True)
class _Factor:
    """One of two factors of a tensor, and the tensor of the adapter that it becomes."""

    of: str
    which: str
    layout: TensorPlan


def _factors(contents: Contents, dtype: str) -> list[_Factor]:
    found = []
    for role in contents.pair.matrices:
        rank = contents.parts[role.tensor.name].rank
        rows, columns = role.tensor.shape[::-1] if role.tensor.values.inputs_first else role.tensor.shape
        for which, shape in (("lora_A", (rank, columns)), ("lora_B", (rows, rank))):
            name = f"{_PREFIX}{role.module}.{which}.weight"
            layout = TensorPlan(name, shape, dtype, None, "other", "passthrough", (), (), Values({}, {}))
            found += [_Factor(role.tensor.name, which, layout)] if rank else []
    return found


def _copies(contents: Contents) -> list[TensorPlan]:
    """Tensors of the fine-tune that are copied, under their names in the adapter."""
    found = [(f"{module}.{role.leaf}", role) for module, roles in contents.saved.items() for role in roles]
    for role in contents.biases:
        wrapped = f"{role.module}.base_layer" if role.module in contents.ranks else role.module
        found.append((f"{wrapped}.bias", role))
    return [_copy(role.tensor, f"{_PREFIX}{name}") for name, role in found]


def _copy(tensor: TensorPlan, name: str) -> TensorPlan:
    own, label = tensor.inputs[-1], tensor.models[-1]
    values = Values({}, {"scale": (1.0,)})
    return replace(
        tensor, name=name, dtype=own.output_dtype, method="passthrough", inputs=(own,), models=(label,), values=values
    )  # fmt: skip


def make_config(contents: Contents) -> dict[str, Any]:
    """The adapter's ``adapter_config.json``."""
    ranks = contents.ranks
    usual = Counter(ranks.values()).most_common()
    rank = max(r for r, count in usual if count == usual[0][1])
    others = {module: r for module, r in ranks.items() if r != rank}
    architecture = contents.pair.plan.checkpoints[contents.pair.plan.donor].architecture
    flipped = any(role.tensor.values.inputs_first for role in contents.pair.matrices)
    return {
        "peft_type": "LORA",
        "task_type": next((task for end, task in _TASKS.items() if architecture.endswith(end)), None),
        "base_model_name_or_path": _base_name(contents.pair.base),
        "revision": contents.pair.base.revision,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": _targets(set(ranks), {role.module for role in contents.pair.roles}),
        "modules_to_save": sorted(contents.saved) or None,
        "bias": "all" if contents.biases else "none",
        "lora_dropout": 0.0,
        "fan_in_fan_out": flipped,
        "use_rslora": False,
        "init_lora_weights": True,
        "inference_mode": True,
    }


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
    lowest, highest = min(ranks.values()), max(ranks.values())
    front: dict[str, Any] = {"library_name": "peft", "tags": ["lora", "nbmerge"]}
    if not Path(base.path).expanduser().is_dir():
        front["base_model"] = base.path
    one, other = (" ".join(ref.name.replace("`", "").split()) for ref in (model, base))
    return f"""---
{dump_yaml(front).rstrip()}
---

# `{one}` as an adapter of `{other}`

The difference of the two models as a LoRA: rank {lowest if lowest == highest else f"{lowest} to {highest}"} in {len(ranks)}
modules, and {len(contents.saved)} modules saved whole. Extracted with nbmerge.
"""
