"""One architecture tried: tiny models of it merged with a gradient and stacked to another depth, and what comes of it.

The result is judged by transformers: what it misses, does not expect or finds of another shape beside what it says of the
parent; what its config says of each layer beside the layer that it was; and one forward pass, which has to be finite.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.check import check
from nbmerge.engine.merge import merge
from nbmerge.recipe import Recipe
from tests.architectures.tiny import tiny

LARGEST = 6_000_000
"""Most elements of a model that is tried."""


@dataclass(frozen=True)
class Outcome:
    """What came of one merge of one architecture.

    Parameters
    ----------
    architecture, kind : str
        Class of transformers; "gradient" or "stacked".
    result : str
        "works", "refused" (by `check`, in words), "fails", or "not tried" where no tiny model could be made.
    why : str
    warnings : str
        What `check` warned of.
    """

    architecture: str
    kind: str
    result: str
    why: str = ""
    warnings: str = ""

    def plain(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def try_architecture(model_type: str, name: str, folder: Path) -> Iterator[Outcome]:
    """Make, merge, stack and judge; the folder is emptied afterwards."""
    try:
        try:
            parents = [make_parent(model_type, name, folder / f"m{i}", i) for i in range(2)]
            control = judge(parents[0], name)
        except Exception as error:
            yield Outcome(name, "gradient", "not tried", _words(error))
            yield Outcome(name, "stacked", "not tried", _words(error))
            return
        for kind, recipe in (("gradient", gradient(parents)), ("stacked", stacked(parents))):
            yield _tried(name, kind, recipe, folder / kind, control, parents[0])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_parent(model_type: str, name: str, folder: Path, seed: int) -> Path:
    """A tiny model of random weights, saved by transformers."""
    cls = getattr(transformers, name)
    known = cls.config_class or CONFIG_MAPPING[model_type]  # the language model alone has a config of its own
    config = tiny(known.model_type or model_type, known)
    with torch.device("meta"):
        count = sum(p.numel() for p in cls(config).parameters())
    if count > LARGEST:
        raise ValueError(f"{count:,} elements, even tiny")
    model = cls(config)
    random = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        near_one = float(parameter.dim() == 1)
        parameter.data = torch.randn(parameter.shape, generator=random).to(parameter.dtype) * 0.05 + near_one
    model.save_pretrained(folder)
    return folder


def gradient(parents: list[Path]) -> dict[str, Any]:
    """All of the first model in the first layer, all of the second in the last."""
    sources = [{"model": str(parents[0]), "parameters": {"weight": [1, 0]}},
               {"model": str(parents[1]), "parameters": {"weight": [0, 1]}}]  # fmt: skip
    return {"merge_method": "linear", "models": sources}


def stacked(parents: list[Path]) -> dict[str, Any]:
    """Every stack one layer deeper and out of step: the last layers but one of the first model, the last two of the second."""
    layout = Checkpoint.open(parents[0]).layout

    def slices(depth: int) -> list[dict[str, Any]]:
        first, second = ([0, max(depth - 1, 1)], [max(depth - 2, 0), depth])
        return [
            {"sources": [{"model": str(p), "layer_range": r}]} for p, r in zip(parents, (first, second), strict=True)
        ]

    recipe: dict[str, Any] = {"merge_method": "passthrough"}
    if len(layout.stacks) < 2:
        return recipe | {"slices": slices(layout.depth)}
    modules = {name: {"slices": slices(stack.depth)} for name, stack in layout.stacks.items()}
    return recipe | {"modules": {**modules, "default": {"models": [str(parents[0])]}}}


def judge(folder: Path, name: str) -> dict[str, Any]:
    """What transformers says of a folder, and what it answers."""
    cls = getattr(transformers, name)
    model, info = cls.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    ids = (torch.arange(4, 20)[None] % 40).repeat(getattr(model.config, "num_codebooks", 1), 1)
    more = {"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        answer = model.eval()(input_ids=ids, **more)
    first = next(v for v in answer.values() if isinstance(v, torch.Tensor) and v.is_floating_point())
    if not bool(torch.isfinite(first).all()):
        raise ValueError("the forward pass gives numbers that are not finite")
    lists = {k: sorted(map(str, info[k])) for k in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    return {**lists, "config": model.config}


def _tried(name: str, kind: str, data: dict[str, Any], out: Path, control: dict[str, Any], parent: Path) -> Outcome:
    try:
        recipe = Recipe.of(data)
        report = check(recipe)
        said = "; ".join(p.what for p in report.problems if p.severity == "warning")
        if not report.ok:
            return Outcome(
                name, kind, "refused", "; ".join(str(p) for p in report.problems if p.severity == "error")[:600], said
            )
        merge(recipe, out, threads=1)
        found = judge(out, name)
    except Exception as error:
        return Outcome(name, kind, "fails", _words(error), locals().get("said", ""))
    wrong = [f"{k}: {found[k][:2]} ({len(found[k])})" for k in ("missing_keys", "unexpected_keys", "mismatched_keys")
             if found[k] and found[k] != control[k]]  # fmt: skip
    return Outcome(name, kind, "fails" if wrong else "works", "; ".join(wrong)[:600], said)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
