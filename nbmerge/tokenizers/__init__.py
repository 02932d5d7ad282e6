"""Tokenizers: which tokens a model knows, and rows for those that it does not; read from files, none of which is run."""

from nbmerge.tokenizers.document import Document, read_document
from nbmerge.tokenizers.output_tokenizer import Written
from nbmerge.tokenizers.table import Table
from nbmerge.tokenizers.vocabulary import Vocabulary, read_vocabulary, same_tokenizer

__all__ = ["Document", "Table", "Vocabulary", "Written", "read_document", "read_vocabulary", "same_tokenizer"]
