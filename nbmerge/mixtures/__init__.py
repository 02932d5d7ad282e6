"""Mixtures of experts: several models of one architecture whose MLPs stand side by side behind routers."""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.mixtures.build import moe
    from nbmerge.mixtures.form import require_experts
    from nbmerge.mixtures.routing import Routing, measure_routing

__all__ = ["Routing", "measure_routing", "moe", "require_experts"]

__getattr__ = exporter(
    __name__, build=("moe",), form=("require_experts",), routing=("Routing", "measure_routing")
)  # fmt: skip
