"""Loading: models and tokenizers by transformers' own code, from local folders, as data, without anybody else's code."""

from typing import TYPE_CHECKING

from nbmerge.lazy import exporter

if TYPE_CHECKING:
    from nbmerge.engine.loading.pretrained import load_model, load_tokenizer
    from nbmerge.engine.loading.quiet_transformers import without_bars

__all__ = ["load_model", "load_tokenizer", "without_bars"]

__getattr__ = exporter(__name__, pretrained=("load_model", "load_tokenizer"), quiet_transformers=("without_bars",))
