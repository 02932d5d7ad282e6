"""A model reference: which checkpoint, at which revision, with which adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmerge.errors import ArgumentError

MAX_ADAPTERS = 100
"""Most adapters of one model."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as named in a recipe.

    Parameters
    ----------
    path : str
        A local folder, a weights file, or a Hub id such as ``mistralai/Mistral-7B-v0.1``; of a weights file on the Hub, the id with the
        path of the file, such as ``org/model/unet/model.safetensors``.
    revision : str, optional
        Branch, tag or commit on the Hub.
    lora : tuple of str
        Adapters to apply, in order.
    """

    path: str
    revision: str | None = None
    lora: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.lora) > MAX_ADAPTERS:
            raise ArgumentError(f"a model cannot have {len(self.lora):,} adapters (at most {MAX_ADAPTERS}).")

    @classmethod
    def of(cls, raw: Any) -> ModelRef:
        """Read ``path[@revision][+lora...]``, a mapping with these keys, a path or a ModelRef.

        A string that names an existing folder or file means that, whatever characters it contains.

        Raises
        ------
        ArgumentError
            When it cannot be the name of a model.
        """
        if isinstance(raw, ModelRef):
            return raw
        if isinstance(raw, Path):
            return cls(str(raw))
        if isinstance(raw, Mapping):
            return cls._from_mapping(raw)
        if not isinstance(raw, str) or not raw.strip():
            raise ArgumentError(f"a model is a folder or a Hub id, not {raw!r:.200}.")
        if "\0" in raw:
            raise ArgumentError("the name of a model contains a NUL character.")
        return cls(raw) if _exists(raw) else cls._from_text(raw)

    @classmethod
    def _from_text(cls, text: str) -> ModelRef:
        path, *lora = text.split("+")
        path, at, revision = path.partition("@")
        if "@" in revision or not path or (at and not revision) or not all(lora):
            raise ArgumentError(
                f"{text!r:.200} is not path[@revision][+lora]; "
                "a path with '@' or '+' in it is written as a mapping: {path: ..., revision: ..., lora: ...}."
            )
        return cls(path, revision or None, tuple(lora))

    @classmethod
    def _from_mapping(cls, raw: Mapping[Any, Any]) -> ModelRef:
        extra = set(raw) - {"path", "model", "revision", "lora"}
        if extra or ("path" in raw) == ("model" in raw):
            raise ArgumentError(
                "a model mapping has 'path' and optionally 'revision' and 'lora' "
                f"(found {sorted(map(str, raw))!s:.200})."
            )
        inner = raw.get("path", raw.get("model"))
        if isinstance(inner, Mapping):  # mergekit nests {model: {path, revision}, lora: {path}}
            inner = cls._from_mapping(inner)
        elif isinstance(inner, str) and inner.strip() and "\0" not in inner:
            inner = cls(inner)
        else:
            raise ArgumentError(f"the path of a model is a string, not {inner!r:.200}.")
        lora = raw.get("lora") or ()
        lora = tuple(lora) if isinstance(lora, list | tuple) else (lora,)
        lora = tuple(str(cls._from_mapping(x)) if isinstance(x, Mapping) else str(x) for x in lora)
        revision = raw.get("revision", inner.revision)
        return cls(inner.path, None if revision is None else str(revision), lora)

    @property
    def name(self) -> str:
        """Short name for labels: the folder's own name, or the part of a Hub id after the slash; includes adapters."""
        return "+".join(Path(p.rstrip("/")).name or p for p in (self.path, *self.lora))

    def plain(self) -> Any:
        """The reference as YAML writes it: a string, or a mapping if a string would be ambiguous."""
        text = str(self)
        odd = any(c in self.path for c in "@+") or any("+" in x for x in self.lora)
        if not odd or (_exists(self.path) and text == self.path):
            return text
        mapping = {"path": self.path, "revision": self.revision, "lora": list(self.lora)}
        return {k: v for k, v in mapping.items() if v}

    def __str__(self) -> str:
        return self.path + (f"@{self.revision}" if self.revision else "") + "".join(f"+{x}" for x in self.lora)


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, RuntimeError):  # too long for a file name, or the home of an unknown user
        return False
