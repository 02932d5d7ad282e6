"""Mixtures of experts: from a recipe with experts to the tensors and the config of a mixture, reading headers only.

Start reading at `examine`, which has the steps in order; `architectures` lists what a mixture can be.
"""

from nbmerge.engine.planning.mixtures.examine import examine_mixture
from nbmerge.engine.planning.mixtures.noise import Noisy
from nbmerge.engine.planning.mixtures.routers import (
    STREAMED_ROWS,
    EmbeddingRouter,
    HiddenRouter,
    Prompts,
    RandomRouter,
    Walk,
)

__all__ = [
    "STREAMED_ROWS",
    "EmbeddingRouter",
    "HiddenRouter",
    "Noisy",
    "Prompts",
    "RandomRouter",
    "Walk",
    "examine_mixture",
]
