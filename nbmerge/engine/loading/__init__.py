"""Loading: models and tokenizers from local folders with transformers' own code; code in model folders is never run."""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.engine.loading.pretrained import load_model, load_tokenizer
    from nbmerge.engine.loading.quiet_transformers import hide_progress_bars

__all__ = ["hide_progress_bars", "load_model", "load_tokenizer"]

__getattr__ = exporter(
    __name__, pretrained=("load_model", "load_tokenizer"), quiet_transformers=("hide_progress_bars",)
)
