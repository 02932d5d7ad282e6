"""Routers of mixtures of experts, and noise: computed when they are read."""

from nbmerge.engine.compute.routers.read_random import open_noisy, open_random_router
from nbmerge.engine.compute.routers.read_routers import open_embedding_router, open_hidden_router

__all__ = ["open_embedding_router", "open_hidden_router", "open_noisy", "open_random_router"]
