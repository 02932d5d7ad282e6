"""Tokens: vocabularies of several models aligned to one; which rows every model's embedding and head get."""

from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.engine.planning.tokens.row_summary import RowCounts, count_rows

__all__ = ["RowCounts", "Rows", "count_rows"]
