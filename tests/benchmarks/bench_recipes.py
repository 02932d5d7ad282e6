"""A folder of recipes, run here and by mergekit 0.1.5 side by side: ``python -m tests.benchmarks.bench_recipes FOLDER``.

Every file (.yml) holds one recipe as people publish them. Each model that it names is replaced by a tiny Llama of as many
layers as its slices need, a quarter of those published; where the recipe has a tokenizer, each model has a token of its
own. dtypes become float32, so that rounding on the way hides nothing, and a Karcher mean is iterated at most 50 times.
NBMERGE_MERGEKIT_PYTHON names mergekit's Python.

For each recipe one word: *equal*, *on purpose* (the result differs, or one of the two refuses, for a reason that is
known), *refused by both*, or *falls short*. Then its export, where that claims to make the same model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Tokenizer

from nbmerge.engine.merge import merge
from nbmerge.errors import NbmergeError
from nbmerge.recipe import Recipe
from tests.adapters import DOWN, Q, make_adapter, modules
from tests.models import make_model, read_tensors
from tests.tokenizers.makers import save, train, with_added

ORACLE = Path(__file__).parents[1] / "differential" / "recipes_oracle.py"
BY_TOKEN = ("model.embed_tokens.weight", "lm_head.weight")
TOLERANCE = 1e-5
IGNORED = ("unknown key", "is not a parameter of", "has no parameter")
"""What we refuse and mergekit reads as if it were not there."""
MEANT = {
    **dict.fromkeys(("dare_linear", "dare_ties", "della", "della_linear"), "other random masks"),
    "model_stock": "where changes point far apart, mergekit moves away from the mean without limit",
    "sce": "where changes are small, mergekit weighs models equally",
}
"""Methods that do something else on purpose, as docs/methods.md says."""


@dataclass(frozen=True)
class Outcome:
    """What became of one recipe: a word, and why."""

    word: str
    why: str = ""


class Models:
    """Tiny models in the place of published ones, made when a recipe first names them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._made: dict[tuple, Path] = {}

    def replaced(self, data: Any) -> Any:
        """The recipe with local models, fewer layers, and float32 for every dtype."""
        data = _shallower(data)
        layers = max([*_ends(data), 0]) or 4
        own_tokens = "tokenizer" in data or "tokenizer_source" in data
        names = sorted({str(n).removeprefix("model:") for n in _names(data) if n not in ("union", "base")})

        def local(name: Any) -> Any:
            text = str(name).removeprefix("model:")
            return self._reference(text, layers, own_tokens, names) if text in names else name

        made = _each_name(data, local)
        for key in ("dtype", "out_dtype"):
            if key in made:
                made[key] = "float32"
        return made

    def _reference(self, text: str, layers: int, own_tokens: bool, names: list[str]) -> str:
        model, *adapters = text.split("+")
        path = self._model(model, layers, own_tokens, names)
        found = [str(self._adapter(a, path, layers)) for a in adapters]
        return "+".join([str(path), *found])

    def _model(self, name: str, layers: int, own_tokens: bool, names: list[str]) -> Path:
        number = names.index(name) if name in names else len(names)
        key = (number, layers, own_tokens)
        if key not in self._made:
            tokenizer = with_added(train("BPE"), [f"<|{number}|>"] if own_tokens else [])
            size = tokenizer.get_vocab_size(with_added_tokens=True)
            base = None if number == 0 else self._model(names[0], layers, own_tokens, names)
            folder = self.folder / f"{number}-{layers}-{own_tokens}"
            path = make_model(folder, base=base, layers=layers, vocab=size, seed=number, tokenizer=False)
            self._made[key] = save(path, tokenizer)
        return self._made[key]

    def _adapter(self, name: str, base: Path, layers: int) -> Path:
        key = (name, base)
        if key not in self._made:
            folder = self.folder / f"adapter-{len(self._made)}"
            self._made[key] = make_adapter(folder, base, modules(Q, DOWN, layers=layers), seed=len(self._made))
        return self._made[key]


def _shallower(data: Any) -> Any:
    """The recipe with a quarter of the layers, and few iterations."""
    if isinstance(data, list):
        return [_shallower(v) for v in data]
    if not isinstance(data, Mapping):
        return data
    made = {k: _shallower(v) for k, v in data.items()}
    if isinstance(made.get("layer_range"), list):
        first, end = made["layer_range"]
        made["layer_range"] = [first // 4, max(end // 4, first // 4 + 1)]
    if "max_iter" in made:
        made["max_iter"] = min(made["max_iter"], 50)
    return made


def _ends(data: Any) -> Iterator[int]:
    """Ends of all layer ranges."""
    if isinstance(data, Mapping):
        if isinstance(data.get("layer_range"), list):
            yield data["layer_range"][1]
        for value in data.values():
            yield from _ends(value)
    elif isinstance(data, list):
        for value in data:
            yield from _ends(value)


def _each_name(data: Any, change: Callable[[Any], Any], key: str = "") -> Any:
    """The data with every model's name as `change` makes it."""
    if isinstance(data, Mapping):
        return {k: v if k == "parameters" else _each_name(v, change, k) for k, v in data.items()}
    if isinstance(data, list):
        return [_each_name(v, change, key if isinstance(v, str) else "") for v in data]
    named = key in ("model", "base_model", "tokenizer_source", "source", "models")
    return change(data) if named and isinstance(data, str) else data


def _names(data: Any) -> list[str]:
    found: list[str] = []
    _each_name(data, lambda name: found.append(name) or name)
    return found


def ours(text: str, out: Path, dialect: str | None = None) -> str | None:
    """Merge here; what was said where it is refused."""
    try:
        merge(Recipe.load(text, dialect), out, threads=1)
    except (NbmergeError, ValueError) as error:
        return str(error)
    return None


def theirs(texts: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Have mergekit carry out all recipes in one process; what it said of those that it refuses."""
    folder.mkdir()
    (folder / "recipes.json").write_text(json.dumps(texts))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [os.environ["NBMERGE_MERGEKIT_PYTHON"], str(ORACLE), str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return json.loads((folder / "errors.json").read_text())


def apart(one: Path, other: Path) -> list[str]:
    """Tensors in which two merged models differ, rows compared by token where both have a tokenizer."""
    mine, their = read_tensors(one), read_tensors(other)
    if mine.keys() != their.keys():
        return sorted(mine.keys() ^ their.keys())
    order = _orders(one, other)
    found = []
    for name, tensor in mine.items():
        a, b = tensor, their[name]
        if name in BY_TOKEN and order is not None:
            a, b = a[order[0]], b[order[1]]
        if a.shape != b.shape or not torch.allclose(a, b, rtol=0, atol=TOLERANCE):
            found.append(name)
    return found


def _orders(one: Path, other: Path) -> tuple[list[int], list[int]] | None:
    files = one / "tokenizer.json", other / "tokenizer.json"
    if not all(f.is_file() for f in files):
        return None
    mine, their = (Tokenizer.from_file(str(f)).get_vocab(with_added_tokens=True) for f in files)
    return ([mine[t] for t in their], list(their.values())) if mine.keys() == their.keys() else None


def judged(name: str, data: Mapping, text: str, refused: str | None, error: str | None, folder: Path) -> Outcome:
    """One recipe's word."""
    if refused and error:
        return Outcome("refused by both", refused.splitlines()[0])
    if refused:
        known = any(words in refused for words in IGNORED)
        why = refused.splitlines()[0]
        return Outcome("on purpose" if known else "falls short", f"mergekit ignores it: {why}" if known else why)
    if error:
        return Outcome("on purpose", f"mergekit refuses it: {error.splitlines()[0][:100]}")
    off = apart(folder / "ours" / name, folder / "theirs" / name)
    if not off:
        return Outcome("equal")
    if ours(text, folder / "dialect" / name, "mergekit-0.1") is None and not apart(
        folder / "dialect" / name, folder / "theirs" / name
    ):
        return Outcome("on purpose", f"equal in the dialect mergekit-0.1 ({', '.join(off[:3])})")
    if why := MEANT.get(data["merge_method"]):
        return Outcome("on purpose", f"{why} ({', '.join(off[:3])})")
    return Outcome("falls short", f"{len(off)} tensors differ: {', '.join(off[:4])}")


def run(folder: Path) -> dict[str, tuple[Outcome, str]]:
    """Every recipe's outcome, and that of its export: same, differs, not claimed or none."""
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        models = Models(work / "models")
        data = {f.stem: _read(f) for f in sorted(folder.glob("*.yml"))}
        made = {n: models.replaced(d) if isinstance(d, dict) else d for n, d in data.items()}
        texts = {n: yaml.safe_dump(d, sort_keys=False) if isinstance(d, dict) else d for n, d in made.items()}
        refused = {n: ours(t, work / "ours" / n) for n, t in texts.items()}
        exports = {n: Recipe.load(texts[n]).to_mergekit() for n, said in refused.items() if said is None}
        claimed = {f"export-{n}": e.text for n, e in exports.items() if e.same}
        errors = theirs(texts | claimed, work / "theirs")
        for n, text in texts.items():
            outcome = judged(n, made[n] if isinstance(made[n], dict) else {}, text, refused[n], errors.get(n), work)
            found[n] = outcome, _export(n, exports, errors, work)
    return found


def _read(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text())
    except yaml.YAMLError:
        return file.read_text()


def _export(name: str, exports: Mapping[str, Any], errors: Mapping[str, str], work: Path) -> str:
    if name not in exports:
        return "none"
    if not exports[name].same:
        return "not claimed"
    key = f"export-{name}"
    return "differs" if key in errors or apart(work / "ours" / name, work / "theirs" / key) else "same"


def main() -> None:
    """Print the table."""
    found = run(Path(sys.argv[1]))
    for name, (outcome, export) in found.items():
        print(f"{name:32} {outcome.word:16} export: {export:12} {outcome.why}")
    print(Counter(o.word for o, _ in found.values()), Counter(e for _, e in found.values()))


if __name__ == "__main__":
    main()
