"""The tokenizer of a result: which files it is copied from, what is changed, and the ids that change elsewhere."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import copy_model_file, read_model_json, read_model_text
from nbmerge.quoting import quote
from nbmerge.tokenizers.document import FILE, Document, read_document

CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
GENERATION = "generation_config.json"
SHARED = (CONFIG, "special_tokens_map.json", TEMPLATE, "chat_template.json")
"""Files next to tokenizer.json that stay valid when tokens are added."""
SAME_TOKENS = (
    FILE, "added_tokens.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
"""Files that list the tokens: valid only if no token is added or removed."""
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")


@dataclass(frozen=True)
class OutputTokenizer:
    """A result's tokenizer.

    Parameters
    ----------
    folder : Path
        Model folder whose tokenizer files are copied.
    donor : Path
        Model folder whose config and generation config are copied.
    document : Document, optional
        Contents of tokenizer.json, replacing the folder's own.
    template : str, optional
        Chat template, replacing the folder's own; empty for none.
    """

    folder: Path
    donor: Path
    document: Document | None = None
    template: str | None = None

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """Ids of all tokens, empty if the folder has no tokenizer.json."""
        document = self.document or read_document(self.folder)
        return document.ids if document is not None else {}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The folder's tokenizer_config.json."""
        return read_json(self.folder / CONFIG)

    def special(self, name: str) -> int | None:
        """Id of a special token, such as ``eos_token``."""
        token = self.settings.get(name)
        return self.ids.get(str(token.get("content") if isinstance(token, dict) else token))

    def renumbered(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A config whose token ids mean in this vocabulary what they meant in the donor's.

        An id whose token is unknown here becomes that of the tokenizer's own special token of this name, or none.
        """
        before = read_document(self.donor)
        if before is None or not self.ids:
            return dict(config)
        changed = copy.deepcopy(dict(config))
        for part in (p for p in (changed, changed.get("text_config")) if isinstance(p, dict)):
            for key in part:
                if key.endswith(("_token_id", "_token_ids", "_token_index")):
                    part[key] = self._renumbered(part[key], before.texts, key.split("_token_")[0] + "_token")
        return changed

    def _renumbered(self, value: Any, texts: Mapping[int, str], name: str) -> Any:
        if isinstance(value, list) and any(isinstance(v, list | dict) for v in value):
            raise CheckpointError(
                f"{name}_id in {self.donor} is {quote(value)}, not a number or a list of numbers. Correct it."
            )
        if isinstance(value, list):
            found = [n for v in value if (n := self._renumbered(v, texts, name)) is not None]
            return list(dict.fromkeys(found)) or None
        if type(value) is not int or value < 0:
            return value
        return self.ids.get(texts.get(value, ""), self.special(name))

    @property
    def side_files(self) -> list[Path]:
        """Files of other model folders that `write` reads, of any type: a pipe is listed as well."""
        generation = self.donor / GENERATION
        return [*self._copied, *([generation] if os.path.lexists(generation) else [])]

    @property
    def _copied(self) -> list[Path]:
        names = (*SHARED, *PROCESSORS, *(SAME_TOKENS if self.document is None else ()))
        return [self.folder / name for name in names if os.path.lexists(self.folder / name)]

    def write(self, folder: Path) -> None:
        """Write tokenizer, templates and generation config into a model folder."""
        for file in self._copied:
            copy_model_file(file, folder / file.name)
        if self.document is not None:
            (folder / FILE).write_text(self.document.dump(), encoding="utf-8")
        settings = self._settings()
        if settings != self.settings:
            _write_json(folder / CONFIG, settings)
        if self.template is not None:
            (folder / "chat_template.json").unlink(missing_ok=True)
            (folder / TEMPLATE).unlink(missing_ok=True)
            if self.template:
                (folder / TEMPLATE).write_text(self.template, encoding="utf-8")
        if os.path.lexists(self.donor / GENERATION):
            _write_json(folder / GENERATION, self.renumbered(read_json(self.donor / GENERATION)))

    def _settings(self) -> dict[str, Any]:
        settings = dict(self.settings)
        if self.template is not None:
            settings.pop("chat_template", None)
        if self.document is not None and "added_tokens_decoder" in settings:
            added = sorted(self.document.added.values(), key=lambda e: e["id"])
            entries = {str(e["id"]): {"content": e["content"], **{f: bool(e.get(f)) for f in FLAGS}} for e in added}
            settings["added_tokens_decoder"] = entries
        return settings


def chat_template(folder: Path) -> str | None:
    """A model's chat template, None where it has none."""
    if os.path.lexists(folder / TEMPLATE):
        return read_model_text(folder / TEMPLATE)
    for name in ("chat_template.json", CONFIG):
        found = read_json(folder / name).get("chat_template")
        if isinstance(found, list):  # several named ones; the one called default is what people get
            named = {t.get("name"): t.get("template") for t in found if isinstance(t, dict)}
            found = named.get("default") or next(iter(named.values()), None)
        if isinstance(found, str) and found:
            return found
    return None


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file, empty where there is no file.

    Raises
    ------
    CheckpointError
        When it exists but is not a JSON object.
    """
    return read_model_json(file) if os.path.lexists(file) else {}


def _write_json(file: Path, data: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
