"""The files that a model needs besides its weights: those that tokenizers, transformers and sentence-transformers read.

They are small files with settings and vocabularies, recognised by words in their names; weights, code and pickles are never
among them. Modules of sentence-transformers (``1_Pooling/``) have folders of their own, which ``modules.json`` lists.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from nbmerge.bounded import is_name
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_text

MODULES = "modules.json"
_SENTENCE = re.compile(r"modules\.json|sentence_\w+_config\.json|config_sentence_transformers\.json")
_WORDS = re.compile(
    r"\w*(tokenizer|vocab|merges|special_tokens|added_tokens|processor|chat_template|sentencepiece|spiece|tekken|normalizer|"
    r"emoji|bpe|tiktoken|entity)[\w.]*\.(json|txt|jinja|model|spm|tiktoken)|(source|target)\.spm|dict\.txt|\w+\.tiktoken"
)
_MODULE = re.compile(r"\d+_\w{1,60}")
_SETTINGS = re.compile(r"\w*config\.json|tokenizer\.json|vocab\.txt|stopwords\.txt|whitespacetokenizer_config\.json")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
MOST_FILES = 64
"""More files than any model has besides its weights."""


def is_companion(name: str) -> bool:
    """Whether a model needs a file of this name besides its config and weights."""
    return bool(_SENTENCE.fullmatch(name) or _WORDS.fullmatch(name))


def companion_names(folder: Path, tokens: bool = True) -> list[str]:
    """Names of the companions in a model folder, sorted; without tokenizer files where the result gets another tokenizer."""
    rule = is_companion if tokens else lambda name: bool(_SENTENCE.fullmatch(name))
    return sorted(name for name in os.listdir(folder) if rule(name) and not (folder / name).is_dir())[:MOST_FILES]


def is_module_folder(folder: Path) -> bool:
    """Whether a subfolder is a module of sentence-transformers that contains only settings."""
    return bool(_MODULE.fullmatch(folder.name)) and all(map(_SETTINGS.fullmatch, os.listdir(folder)))


def module_files(folder: Path) -> list[Path]:
    """Settings of the modules that ``modules.json`` lists; folders that are links out of the model folder are skipped."""
    files: list[Path] = []
    for module in _module_folders(folder):
        files += [module / name for name in sorted(os.listdir(module)) if _SETTINGS.fullmatch(name)]
    return files[:MOST_FILES]


def weighted_modules(folder: Path) -> list[str]:
    """Names of the modules that have weights of their own, such as ``2_Dense``; these are neither merged nor copied."""
    return [m.name for m in _module_folders(folder) if any(name.endswith(_WEIGHTS) for name in os.listdir(m))]


def _module_folders(folder: Path) -> list[Path]:
    if not os.path.lexists(folder / MODULES):
        return []
    try:
        paths = [m.get("path") for m in _modules(folder)]
    except CheckpointError:
        return []  # it is copied as it is, and refused where it is read
    inside = [folder / p for p in dict.fromkeys(paths) if isinstance(p, str) and is_name(p) and _MODULE.fullmatch(p)]
    return [m for m in inside if m.is_dir() and m.resolve().parent == folder.resolve()]


def _modules(folder: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(read_model_text(folder / MODULES, 1_000_000))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / MODULES} cannot be read as JSON: {error!s:.200}.") from error
    return [m for m in found if isinstance(m, dict)] if isinstance(found, list) else []
