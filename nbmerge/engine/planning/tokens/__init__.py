"""Tokens: models with different vocabularies planned as one; which rows every model's embedding and head get."""

from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.engine.planning.tokens.row_summary import Fates, fates

__all__ = ["Fates", "Rows", "fates"]
