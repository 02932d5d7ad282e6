"""Tokenizers: which tokens a model knows, read from its files without loading a tokenizer."""

from nbmerge.tokenizers.vocabulary import Vocabulary, read_vocabulary

__all__ = ["Vocabulary", "read_vocabulary"]
