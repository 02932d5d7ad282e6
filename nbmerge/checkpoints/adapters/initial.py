"""Adapters that were trained beside a changed base, with their initial weights: PiSSA, OLoRA, CorDA and LoRA-GA.

Before training, these take s·B₀A₀ out of the base, W = R + s·B₀A₀, and train R + s·BA. With the initial factors, the change of
the original model is s·BA − s·B₀A₀ [1]_. peft's examples save them as a second adapter, such as ``pissa_init``, in the
adapter's folder or beside it.

.. [1] Meng et al., PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models, 2024, appendix C.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbmerge.checkpoints.adapters.adapted_tensor import LowRank
from nbmerge.checkpoints.adapters.factors import CONFIG
from nbmerge.errors import CheckpointError

KINDS = ("pissa", "olora", "corda", "lora_ga")
"""Initialisations that change the base."""


def initial_kind(config: Mapping[str, Any]) -> str | None:
    """The initialisation of an adapter, if it changed the base."""
    start = str(config.get("init_lora_weights", True)).lower()
    return next((kind for kind in KINDS if start.startswith(kind)), None)


def find_initial(folder: Path, kind: str) -> Path | None:
    """The folder with the initial weights of an adapter, in its own folder or beside it."""
    places = (folder / f"{kind}_init", folder.parent / f"{kind}_init")
    return next((place for place in places if place != folder and os.path.lexists(place / CONFIG)), None)


def refuse_without_initial(folder: Path, kind: str) -> CheckpointError:
    """The error for an adapter whose initial weights are missing."""
    return CheckpointError(
        f"cannot apply {folder}: its initialisation '{kind}' modified the base model, and its initial weights are not there. Put "
        f"the adapter that was saved before training at {folder / f'{kind}_init'}, or convert it to a plain LoRA (peft: "
        "save_pretrained with path_initial_model_for_weight_conversion)."
    )


def check_initial(folder: Path, changes: Mapping[str, LowRank], initial: Mapping[str, LowRank]) -> None:
    """Refuse initial weights of another adapter.

    Raises
    ------
    CheckpointError
    """
    for module, step in changes.items():
        if step.magnitude is not None:
            raise CheckpointError(
                f"cannot apply {folder}: it is a DoRA beside a modified base, for which there is no difference of products. Merge it "
                "with peft (merge_and_unload), save the model, and use that."
            )
        if module not in initial or initial[module].shape != step.shape:
            raise CheckpointError(
                f"the initial weights of {folder} do not belong to it: they have {'other shapes' if module in initial else 'no factors'} "
                f"for {module:.200}. Put the adapter that was saved before training there."
            )
