"""Mixtures of experts: several models of one architecture whose MLPs stand side by side behind routers."""

from typing import TYPE_CHECKING

from nbmerge.lazy import exporter

if TYPE_CHECKING:
    from nbmerge.mixtures.build import moe
    from nbmerge.mixtures.form import require_experts

__all__ = ["moe", "require_experts"]

__getattr__ = exporter(__name__, build=("moe",), form=("require_experts",))
