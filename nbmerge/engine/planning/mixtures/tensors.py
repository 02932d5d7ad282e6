"""Every tensor of a mixture, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from nbmerge.engine.planning.mixtures.architectures import DOWN, PARTS, Architecture
from nbmerge.engine.planning.mixtures.gates import Gates
from nbmerge.engine.planning.mixtures.noise import Noisy
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.planning.resolved import Resolved
from nbmerge.methods import Values
from nbmerge.problems import Where
from nbmerge.recipe import Expert

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput


def plan_tensors(resolved: Resolved, architecture: Architecture, gates: Gates) -> Iterator[TensorPlan]:
    """Embeddings, layers in order, final norm and head."""
    tensors = _Tensors(resolved, architecture, gates)
    yield from tensors.outside("embedding", "other")
    for layer in range(resolved.donor_checkpoint.depth):
        yield from tensors.attention(layer)
        yield from tensors.mlps(layer)
    yield from tensors.outside("final norm", "head")


class _Tensors:
    def __init__(self, resolved: Resolved, architecture: Architecture, gates: Gates):
        self._resolved, self._architecture, self._gates = resolved, architecture, gates
        self._base = resolved.donor_checkpoint
        recipe = resolved.recipe
        self._dtype = recipe.out_dtype or recipe.dtype or self._base.dtype
        self._label = resolved.labels[resolved.donor]

    def outside(self, *roles: str) -> Iterator[TensorPlan]:
        """The base model's tensors outside the layers."""
        for role in roles:
            for name in self._base.layout.outside(role):
                yield self._copy(name, None, role, self._base.tensors[name], self._label)

    def attention(self, layer: int) -> Iterator[TensorPlan]:
        """What a layer has from the base model."""
        layout = self._base.layout
        for part in layout.parts(layer):
            if part in self._architecture.attention:
                name = layout.name(layer, part)
                yield self._copy(name, layer, layout.place(name).kind, self._base.tensors[name], self._label)

    def mlps(self, layer: int) -> Iterator[TensorPlan]:
        """Router and experts of a layer."""
        architecture, recipe = self._architecture, self._resolved.recipe
        name = self._base.layout.name(layer, architecture.router)
        yield self._copy(name, layer, "mlp", self._gates.router(name, layer), self._label)
        for i, expert in enumerate(recipe.experts or ()):
            yield from self._expert(layer, ("experts", i), expert, architecture.expert)
        if architecture.shared is not None and architecture.shared_router is not None:
            name = self._base.layout.name(layer, architecture.shared_router)
            yield self._copy(name, layer, "mlp", self._gates.shared_router(name, layer), self._label)
            yield from self._expert(layer, ("shared_experts", 0), recipe.shared_experts[0], architecture.shared)

    def _expert(self, layer: int, where: tuple[str, int], expert: Expert, pattern: str) -> Iterator[TensorPlan]:
        checkpoint = self._resolved.checkpoints[expert.source_model]
        label = self._resolved.labels[expert.source_model]
        for part in PARTS:
            part_name = pattern.format(expert=where[1], part=self._architecture.parts[part])
            name = self._base.layout.name(layer, part_name)
            source = checkpoint.tensors[checkpoint.layout.name(layer, f"mlp.{part}.weight")]
            if expert.noise_scale:
                source = Noisy(source, expert.noise_scale, f"{self._resolved.recipe.random_seed}/noise/{name}")
            if part == DOWN and expert.residual_scale is not None:
                decided: dict[str, Where] = {"scale": (*where, "residual_scale")}
                yield self._copy(name, layer, "mlp", source, label, expert.residual_scale, decided)
            else:
                yield self._copy(name, layer, "mlp", source, label)

    def _copy(
        self, name: str, layer: int | None, kind: str, source: TensorInput, label: str, scale: float = 1.0,
        decided: Mapping[str, Where] | None = None,
    ) -> TensorPlan:  # fmt: skip
        """One tensor of the mixture: a passthrough, scaled by a factor."""
        dtype = self._dtype if source.is_float else source.output_dtype
        values = Values({}, {"scale": (scale,)})
        return TensorPlan(
            name, source.shape, dtype, layer, kind, "passthrough", (source,), (label,), values, decided or {}
        )
