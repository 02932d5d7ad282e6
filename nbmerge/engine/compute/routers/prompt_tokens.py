"""The tokens of prompts, by the base model's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nbmerge.engine.loading import load_tokenizer
from nbmerge.engine.planning.mixtures import Prompts
from nbmerge.errors import MergeError, SampleError
from nbmerge.quoting import quote


def tokenize(
    folder: Path, everyone: Iterable[Prompts], vocabulary: int, most: int | None = None
) -> dict[str, list[int]]:
    """Token ids of every prompt, which begin with the token for the beginning of a text if there is one.

    Parameters
    ----------
    folder : Path
        Of the tokenizer.
    everyone : iterable of Prompts
    vocabulary : int
        Rows of the embedding.
    most : int, optional
        Tokens that the base model reads.

    Raises
    ------
    MergeError
        When the tokenizer cannot be loaded, or a prompt has no tokens, too many, or one that the model does not have.
    """
    try:
        tokenizer = load_tokenizer(folder)
    except SampleError as error:
        raise MergeError(str(error)) from error
    first = str(tokenizer.bos_token or "")
    found: dict[str, list[int]] = {}
    for prompt in (text for prompts in everyone for text in (*prompts.positive, *prompts.negative)):
        if prompt not in found:  # not verbose: what is wrong is our error
            ids = list(tokenizer(first + prompt, add_special_tokens=False, verbose=False).input_ids)
            found[prompt] = ids
            _check(prompt, ids, vocabulary, most)
    return found


def _check(prompt: str, ids: list[int], vocabulary: int, most: int | None) -> None:
    name = f"the prompt '{quote(prompt, 60)}'"
    if not ids:
        raise MergeError(f"{name} has no tokens. Change it, or remove it.")
    if max(ids) >= vocabulary:
        raise MergeError(
            f"{name} has the token {max(ids)}, and the base model has {vocabulary} embeddings. Use the tokenizer that it was "
            "trained with."
        )
    if most is not None and len(ids) > most:
        raise MergeError(f"{name} has {len(ids):,} tokens, and the base model reads at most {most:,}. Shorten it.")
