"""The files of an adapter as peft writes them: weights, config, card and checksums."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmerge.adapters.parts import Parts
from nbmerge.checkpoints.adapters.adapter import WEIGHTS
from nbmerge.checkpoints.adapters.factors import CONFIG
from nbmerge.engine.output import ShardWriter, write_manifest
from nbmerge.engine.planning import TensorPlan
from nbmerge.methods import Values
from nbmerge.recipe.yaml_text import dump_yaml

PREFIX = "base_model.model."
"""What peft writes before the name of a module."""
_ANY_SIZE = 1 << 62
"""An adapter is one file, whatever its size."""


@dataclass(frozen=True)
class Factor:
    """One of two factors of a module, and the tensor of the adapter that it becomes.

    Parameters
    ----------
    of : str
        The part that has it.
    which : "lora_A" or "lora_B"
    layout : TensorPlan
    """

    of: str
    which: str
    layout: TensorPlan


@dataclass(frozen=True)
class Document:
    """The config and the card of an adapter.

    Parameters
    ----------
    config : mapping
        The contents of ``adapter_config.json``.
    card : str
        The contents of ``README.md``.
    """

    config: Mapping[str, Any]
    card: str


def factor_pair(
    part: str,
    module: str,
    rank: int,
    outputs: int,
    inputs: int,
    dtype: str,
    *,
    embedding: bool = False,
    kernel: tuple[int, ...] = (),
) -> list[Factor]:
    """Both factors of a module, by the rank and size of their product; none of rank 0.

    Those of a convolution have the size of its kernels, which `inputs` includes.
    """
    found = []
    down, up = (rank, inputs // math.prod(kernel), *kernel), (outputs, rank, *(1 for _ in kernel))
    for which, shape in (("lora_A", down), ("lora_B", up)):
        leaf = which.replace("lora", "lora_embedding") if embedding else f"{which}.weight"
        found.append(Factor(part, which, tensor_of_adapter(f"{module}.{leaf}", shape, dtype)))
    return found if rank else []


def tensor_of_adapter(name: str, shape: tuple[int, ...], dtype: str) -> TensorPlan:
    """The place of a tensor in an adapter's file."""
    return TensorPlan(f"{PREFIX}{name}", shape, dtype, None, "other", "passthrough", (), (), Values({}, {}))


def write_files(
    folder: Path,
    parts: Parts,
    factors: Sequence[Factor],
    others: Sequence[TensorPlan],
    document: Document,
    write_others: Callable[[ShardWriter], object],
) -> None:
    """Write an adapter into a folder.

    Parameters
    ----------
    folder : Path
    parts : Parts
        Has the factors.
    factors : sequence of Factor
    others : sequence of TensorPlan
        What else the weights file contains.
    document : Document
    write_others : callable
        Writes them.
    """
    layout = [*(factor.layout for factor in factors), *others]
    with closing(ShardWriter(folder, layout, {}, _ANY_SIZE, single=WEIGHTS[0])) as writer:
        for factor in factors:
            writer.emit(factor.layout)(0, parts.factor(factor.of, factor.which).view(-1))
        write_others(writer)
        writer.finish()
    (folder / CONFIG).write_text(json.dumps(document.config, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(document.card, encoding="utf-8")
    write_manifest(folder, {t.name: writer.checksums[t.name] for t in layout})


def lora_config(ranks: Mapping[str, int], **settings: Any) -> dict[str, Any]:
    """The contents of ``adapter_config.json`` of a LoRA with s = 1.

    Parameters
    ----------
    ranks : mapping of str to int
        By module. The most frequent one is the config's, the others are in its patterns.
    **settings
        Other settings of peft's LoraConfig.
    """
    usual = Counter(ranks.values()).most_common()
    rank = max(r for r, count in usual if count == usual[0][1])
    others = {module: r for module, r in ranks.items() if r != rank}
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": others,
        "alpha_pattern": others,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "init_lora_weights": True,
        "inference_mode": True,
        **settings,
    }


def write_card(title: str, body: str, base: str | None) -> str:
    """The contents of ``README.md``.

    Parameters
    ----------
    title, body : str
    base : str, optional
        The model that it is for, unless that is a folder of this machine.
    """
    front: dict[str, Any] = {"library_name": "peft", "tags": ["lora", "nbmerge"]}
    if base and not Path(base).expanduser().is_dir():
        front["base_model"] = base
    return f"---\n{dump_yaml(front).rstrip()}\n---\n\n# {title}\n\n{body}"


def in_code(name: str) -> str:
    """A name as inline code of Markdown."""
    return f"`{' '.join(name.replace('`', '').split())}`"


def spread(ranks: Iterable[int]) -> str:
    """The lowest and the highest of some ranks, such as "4 to 16"."""
    found = sorted(set(ranks))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
