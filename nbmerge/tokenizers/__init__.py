"""Tokenizers: a model's tokens, and rows for tokens that it does not have. Files are read, never run."""

from nbmerge.tokenizers.document import Document, read_document
from nbmerge.tokenizers.output_tokenizer import OutputTokenizer
from nbmerge.tokenizers.table import Table
from nbmerge.tokenizers.vocabulary import Vocabulary, read_vocabulary, same_tokenizer

__all__ = ["Document", "OutputTokenizer", "Table", "Vocabulary", "read_document", "read_vocabulary", "same_tokenizer"]
