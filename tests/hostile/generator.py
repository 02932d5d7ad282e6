"""Hostile model folders and recipes, made from sound ones by changes that know the structure of what they change. Seeded."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from tests.adapters import Q, make_adapter, modules
from tests.models import make_model, read_tensors

LONG = "Q" * 5000
WORDS = "word " * 2000
NUMBERS = [-1, 0, 1, 3, 255, 65_537, 99_999, 2**31 - 1, 2_000_000_000, 2**40, 2**63, 10**30, -(2**63), 0.5, -0.0, 1e308]
TEXTS = [
    "",
    "\0",
    "..",
    "../../etc/passwd",
    "/dev/zero",
    "\x1b[2J",
    "\u202e",
    LONG,
    WORDS,
    "'" * 300,
    "NaN",
    "{{",
    "union",
]
KEYS = [
    "num_hidden_layers", "n_layer", "vocab_size", "hidden_size", "head_dim", "num_labels", "max_position_embeddings",
    "eos_token_id", "layer_types", "num_local_experts", "architectures", "model_type", "text_config", "quantization_config",
    "rope_scaling", "id2label", "added_tokens", "merges", "weight_map", "metadata", "tie_word_embeddings", "auto_map",
    "torch_dtype", "pad_token_id", "r", "lora_alpha", "rank_pattern", "target_modules", "trainable_token_indices",
]  # fmt: skip
NAN = float("nan")


@dataclass(frozen=True)
class Sound:
    """What the inputs are made from: folders that are as they should be."""

    model: Path
    sharded: Path
    pickled: Path
    adapter: Path
    other: Path
    merged: Path


def make_sound(folder: Path) -> Sound:
    """Write the sound folders."""
    import nbmerge

    model = make_model(folder / "model", layers=2)
    sharded = make_model(folder / "sharded", layers=2, shards=2)
    pickled = make_model(folder / "pickled", layers=2)
    tensors = read_tensors(pickled)
    (pickled / "model.safetensors").unlink()
    torch.save(tensors, pickled / "pytorch_model.bin")
    adapter = make_adapter(folder / "adapter", model, modules(Q, layers=2))
    other = make_model(folder / "other", layers=2, seed=3)
    nbmerge.merge(recipe_of(model, other), folder / "merged")
    return Sound(model, sharded, pickled, adapter, other, folder / "merged")


def recipe_of(one: Path | str, two: Path | str) -> dict[str, Any]:
    """A sound recipe of two models."""
    return {"merge_method": "linear", "models": [{"model": str(m), "parameters": {"weight": 0.5}} for m in (one, two)]}


@dataclass
class Input:
    """One hostile input: a model folder beside the sound ones, and a recipe."""

    folder: Path
    recipe: Any
    kind: str


def make_input(sound: Sound, seed: int, place: Path) -> Input:
    """The input of a number; the same again for the same number."""
    chance = random.Random(f"hostile {seed}")
    kind = list(KINDS)[seed % len(KINDS)]
    source, change = KINDS[kind]
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(getattr(sound, source), place)
    text = str(place) if source != "adapter" else f"{sound.model}+{place}"
    made = Input(place, recipe_of(text, sound.other), kind)
    if chance.random() < 0.3:
        made.recipe["tokenizer_source"] = "union"
    change(chance, made)
    return made


# --- JSON ---


def extreme(chance: random.Random) -> Any:
    """A value that nobody expects."""
    return chance.choice(
        [
            lambda: chance.choice(NUMBERS), lambda: chance.choice(TEXTS), lambda: None, lambda: True, lambda: NAN,
            lambda: [], lambda: {}, lambda: [[[[1]]]], lambda: {"a": {"a": {"a": 1}}}, lambda: [chance.choice(NUMBERS)] * 3,
            lambda: ["x"] * 50_000, lambda: {str(i): i for i in range(50_000)}, lambda: {chance.choice(KEYS): 10**9},
            lambda: "\ud83d", lambda: nested(chance.choice([60, 400])),
        ]
    )()  # fmt: skip


def nested(depth: int) -> Any:
    """Lists in lists."""
    made: Any = 1
    for _ in range(depth):
        made = [made]
    return made


def spots(data: Any, found: list[tuple[Any, Any]] | None = None) -> list[tuple[Any, Any]]:
    """Every place in plain data, as what holds it and its key."""
    found = [] if found is None else found
    for key in list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        if len(found) < 400:
            found.append((data, key))
            spots(data[key], found)
    return found


def mutate(chance: random.Random, data: Any) -> Any:
    """Change plain data in one to three places."""
    for _ in range(chance.randint(1, 3)):
        places = spots(data)
        if not places or chance.random() < 0.15:
            if isinstance(data, dict):
                data[chance.choice(KEYS)] = extreme(chance)
            continue
        holder, key = chance.choice(places)
        how = chance.randrange(6)
        if how == 0 and isinstance(holder, dict):
            del holder[key]
        elif how == 1 and isinstance(holder, dict):
            holder[chance.choice([*TEXTS, *KEYS])] = holder.pop(key)
        elif how == 2:
            holder[key] = [holder[key]]
        elif how == 3 and isinstance(holder, dict) and places:
            other, name = chance.choice(places)
            value = other[name]
            holder[key] = json.loads(json.dumps(value))
        else:
            holder[key] = extreme(chance)
    return data


def encoded(chance: random.Random, data: Any) -> bytes:
    """JSON, now and then not quite."""
    raw = json.dumps(data).encode()
    how = chance.randrange(14)
    if how == 0:
        return raw[: chance.randrange(len(raw) + 1)]
    if how == 1:
        at = chance.randrange(len(raw))
        return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
    if how == 2:
        return b"\xef\xbb\xbf" + raw if chance.random() < 0.5 else raw.decode().encode("utf-16")
    if how == 3:
        return chance.choice(
            [b"[" * 200_000, b'{"a":' * 100_000, b"[]", b"null", b"9" * 10_000, b" " * 3_000_000 + b"{}"]
        )
    if how == 4:
        return b'{"x":[' + b"0," * 3_000_000 + b"0]}"
    return raw


def in_json(*names: str) -> Callable[[random.Random, Input], None]:
    """Change one of these files."""

    def change(chance: random.Random, made: Input) -> None:
        file = made.folder / chance.choice(names)
        data = json.loads(file.read_text())
        file.write_bytes(encoded(chance, mutate(chance, data)))

    return change


def in_header(name: str) -> Callable[[random.Random, Input], None]:
    """Change the header of a safetensors file, or what surrounds it."""

    def change(chance: random.Random, made: Input) -> None:
        file = made.folder / name
        raw = file.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
        how = chance.randrange(5)
        if how == 0:
            body = chance.choice([b"", body[:-1], body + b"x" * 9, body[: len(body) // 2]])
        text = json.dumps(header).encode() if how == 0 else encoded(chance, mutate(chance, header))
        size = chance.choice([0, 1, 2**63, 2**64 - 1, len(text) + 1, 10**8]) if how == 1 else len(text)
        file.write_bytes(size.to_bytes(8, "little") + text + body)

    return change


def in_pickle(chance: random.Random, made: Input) -> None:
    """Change the pickle of a torch file, its archive, or put a bare pickle in its place."""
    file = made.folder / "pytorch_model.bin"
    with zipfile.ZipFile(file) as old:
        members = {m.filename: old.read(m) for m in old.infolist()}
    name = next(n for n in members if n.endswith("data.pkl"))
    raw, how = members[name], chance.randrange(9)
    at = chance.randrange(2, len(raw))
    pieces = [b"]" * 2_000_000, b"(" * 500_000, b"2\x86" * 300_000, b"\x94" * 500_000, b"cos\nsystem\n", b"N0", b"\x8a\xff" + b"\1" * 255,
              b"cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x7f\x85R", b"}", b"\x85", b"h\0"]  # fmt: skip
    if how < 4:
        members[name] = raw[:at] + chance.choice(pieces) + raw[at:]
    elif how < 6:
        members[name] = raw[:at] + bytes([chance.randrange(256)]) + raw[at + chance.randrange(4) :]
    elif how == 6:
        file.write_bytes(chance.choice([b"", b"\x80\4\x95"]) + chance.choice(pieces) + b".")
        return
    elif how == 7:
        members.pop(chance.choice(list(members)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    ) as new:
        for member, content in members.items():
            new.writestr(member, content)
    done = bytearray(buffer.getvalue())
    if how == 8:
        for _ in range(3):
            done[-chance.randrange(1, 400)] = chance.randrange(256)
    file.write_bytes(done)


def in_recipe(chance: random.Random, made: Input) -> None:
    """Change a recipe as data, and write it as one of the texts that recipes are found in."""
    data = made.recipe | {
        "dtype": "float32", "name": "x", "tokenizer": {"source": "union", "tokens": {"a": {"source": {"kind": "zero"}}}},
        "slices": [{"sources": [{"model": m["model"], "layer_range": [0, 2]} for m in made.recipe["models"]]}],
    }  # fmt: skip
    for key in chance.sample(["dtype", "name", "tokenizer", "slices", "models", "tokenizer_source"], 3):
        data.pop(key, None)
    data["parameters"] = {"weight": chance.choice([0.5, [0, 1], [{"filter": "mlp", "value": 1}, {"value": 0}]])}
    data = mutate(chance, data)
    try:
        text = yaml.safe_dump(data)
    except (yaml.YAMLError, UnicodeError, RecursionError):
        text = json.dumps(data)
    how = chance.randrange(8)
    if how == 1:
        text = "```yaml\n" + text + "\n```"
    elif how == 2:
        text = json.dumps({"cells": [{"cell_type": "code", "source": ["y = '''\n" + text + "'''"]}]})
    elif how == 3:
        text = text.replace(":", ": &a", 1).replace("- ", "- *a ", 1)
    elif how == 4:
        at = chance.randrange(len(text) + 1)
        text = (
            text[:at]
            + chance.choice(["!!python/name:os.system ", "[" * 3000, "&a " * 99, "\t", "\x07", "---\n", "? "])
            + text[at:]
        )
    elif how == 5:
        text = f"mergekit-yaml {chance.choice([made.folder / 'pipe', '/dev/zero', made.folder, LONG])} out"
        os.mkfifo(made.folder / "pipe")
    elif how == 6:
        made.recipe = data if isinstance(data, dict) else {}
        return
    made.recipe = text


def odd_file(chance: random.Random, made: Input) -> None:
    """Put something that is no ordinary file, or somebody's, in the place of one."""
    file = chance.choice(sorted(p for p in made.folder.iterdir() if p.is_file()))
    file.unlink()
    how = chance.randrange(6)
    if how == 0:
        os.mkfifo(file)
    elif how == 1:
        file.symlink_to("/dev/zero")
    elif how == 2:
        file.symlink_to("/etc/passwd")
    elif how == 3:
        file.mkdir()
    elif how == 4:
        file.symlink_to(file.name)
    else:
        with open(file, "wb") as sparse:
            sparse.truncate(chance.choice([0, 10**9, 10**12]))


def in_journal(chance: random.Random, made: Input) -> None:
    """Leave what looks like the rest of an earlier merge beside the output."""
    journal = made.folder.parent / ".out.nbmerge-journal"
    partial = made.folder.parent / ".out.nbmerge-partial"
    lines = [
        json.dumps(mutate(chance, {"format": 2, "merge": "0" * 64})),
        *(json.dumps(extreme(chance)) for _ in range(5)),
    ]
    journal.write_bytes(chance.choice(["\n", "\0", "\n\n"]).join(lines).encode("utf-8", "surrogatepass"))
    partial.mkdir(exist_ok=True)
    (partial / chance.choice(["config.json", "model.safetensors", "x" * 200])).write_bytes(b"\0" * 1000)


def in_template(chance: random.Random, made: Input) -> None:
    """Give the model a chat template that is none."""
    text = chance.choice(["{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", "{{ 'a' * 9999999999 }}",
                          "{{ 9**9**9 }}", "{% include '/etc/passwd' %}", LONG, "\x00", "{{ ''.__class__ }}", "{%" * 9999])  # fmt: skip
    (made.folder / "chat_template.jinja").write_text(text)
    made.recipe["chat_template"] = chance.choice(["auto", text, LONG, "chatml"])


KINDS: dict[str, tuple[str, Callable[[random.Random, Input], None]]] = {
    "config": ("model", in_json("config.json")),
    "header": ("model", in_header("model.safetensors")),
    "pickle": ("pickled", in_pickle),
    "recipe": ("model", in_recipe),
    "tokenizer": ("model", in_json("tokenizer.json")),
    "tokenizer settings": (
        "model",
        in_json("tokenizer_config.json", "special_tokens_map.json", "generation_config.json"),
    ),
    "index": ("sharded", in_json("model.safetensors.index.json")),
    "adapter": ("adapter", in_json("adapter_config.json")),
    "adapter header": ("adapter", in_header("adapter_model.safetensors")),
    "checksums": ("merged", in_json("nbmerge_checksums.json")),
    "odd file": ("model", odd_file),
    "journal": ("model", in_journal),
    "template": ("model", in_template),
}
"""By kind: which sound folder it begins with, and what is done to it."""
