"""Model folders that are damaged, or made to do harm: a seeded corpus. `opening.py` opens it.

Each input starts from a small sound model, and one thing in it is changed.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checkpoints.nasty import KINDS, NASTY, SHARDS, changed, flipped, raw_texts
from tests.checkpoints.sound import (
    ADAPTER,
    CONFIG,
    HEADER,
    HIDDEN,
    INDEX,
    JSON_FILES,
    LAYERS,
    LORA,
    TOKENIZER,
    Folder,
    adapter,
    config,
    header,
    lora,
    lora_shapes,
    packed,
    sharded,
    sound,
    tensors,
    tokenizer,
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """One input.

    Parameters
    ----------
    name : str
    files : dict
        See `Folder`; None for a file that is not there.
    adapter : bool
        It is an adapter, to be put on the sound model.
    """

    name: str
    files: Folder
    adapter: bool = False

    def write(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir(parents=True)
        for name, what in self.files.items():
            if callable(what):
                what(folder / name)
            elif what is not None:
                (folder / name).write_bytes(what)


def corpus(seed: int = 0) -> Iterator[Damage]:
    """All inputs, the same for the same seed."""
    rng = random.Random(seed)
    yield Damage("sound", sound())
    files, index = sharded()
    yield Damage("sound, in shards", files | {INDEX: json.dumps(index).encode()})
    yield Damage("sound adapter", adapter(), adapter=True)
    yield from _headers(rng)
    yield from _indices(rng)
    yield from _texts(rng)
    yield from _kinds()
    yield from _adapters(rng)


def _headers(rng: random.Random) -> Iterator[Damage]:
    good, whole = header(tensors()), packed(header(tensors()))

    def damage(name: str, data: bytes) -> Damage:
        return Damage(f"header, {name}", sound() | {HEADER: data})

    length = int.from_bytes(whole[:8], "little")
    claims = (
        0,
        1,
        2,
        length - 1,
        length + 1,
        len(whole),
        len(whole) - 8,
        10**8,
        10**8 + 1,
        2**31,
        2**32,
        2**63,
        2**64 - 1,
    )
    for claim in claims:
        yield damage(f"length {claim}", claim.to_bytes(8, "little") + whole[8:])
    for cut in [*range(40), *range(40, length + 8, 4), *range(length, len(whole), 3)]:
        yield damage(f"cut at {cut}", whole[:cut])
    names = [n for n in good if n != "__metadata__"]
    for _ in range(150):
        entries, (a, b) = copy.deepcopy(good), rng.sample(names, 2)
        begin, end = entries[a]["data_offsets"]
        shift = rng.choice((-1, 1, -4, 4, -begin - 1, 10**6, 2**40, 2**62, 2**63, end - begin))
        entries[b]["data_offsets"] = [begin + shift, end + shift]
        entries[b]["shape"] = entries[a]["shape"] if rng.random() < 0.7 else entries[b]["shape"]
        yield damage(f"{b} moved by {shift}", packed(entries))
    for _ in range(450):
        yield damage("changed", packed(changed(good, rng)))
    for i in range(300):
        yield damage(f"bytes {i}", flipped(whole, rng, length + 8))
    dtypes = ["F4", "f32", "F8_E4M3", "F8_E5M2", "F8_E8M0", "I64", "BOOL", "C64", "U8"]
    for dtype in (*dtypes, "", "F" * 9999, "\ud800", None, 5, [], {}, True):
        yield damage(f"dtype {dtype!r:.20}", packed(good | {names[0]: good[names[0]] | {"dtype": dtype}}))
    for name, raw in raw_texts().items():
        yield damage(name, packed(raw))
    numbers = ("-1", "1e5", "999999999999999999", "²", "00000001")
    odd = ["", ".", "a/../b", "\0", "\u202e", "a" * 70_000, "MODEL.NORM.WEIGHT", "model.norm.weight\u200b"]
    for name in (*odd, *(f"model.layers.{n}.mlp.up_proj.weight" for n in numbers)):
        empty = good[names[0]] | {"shape": [0], "data_offsets": [0, 0]}
        yield damage(f"named {name!r:.30}", packed({**good, name: empty}))
    twice = json.dumps(good)[:-1] + f', "{names[0]}": {json.dumps(good[names[1]])}}}'
    yield damage("a tensor twice", packed(twice.encode()))


def _indices(rng: random.Random) -> Iterator[Damage]:
    files, index = sharded()
    text = json.dumps(index).encode()

    def damage(name: str, data: Any) -> Damage:
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        return Damage(f"index, {name}", files | {INDEX: data})

    for name in SHARDS:
        for which in (0, len(index["weight_map"]) - 1):
            tensor = list(index["weight_map"])[which]
            yield damage(f"shard {name!r:.30}", index | {"weight_map": index["weight_map"] | {tensor: name}})
    for name, what in KINDS.items():
        yield Damage(f"index, shard is {name}", files | {"model-00002-of-00002.safetensors": what, INDEX: text})
    for cut in range(0, len(text), 5):
        yield damage(f"cut at {cut}", text[:cut])
    for i in range(200):
        yield damage(f"changed {i}", changed(index, rng))
    for i in range(60):
        yield damage(f"bytes {i}", flipped(text, rng, len(text)))
    for name, raw in raw_texts().items():
        yield damage(name, raw)
        yield damage(f"{name}, as weight_map", b'{"weight_map": ' + (raw or b"0") + b"}")
    many = {f"t{i}": f"model-{i}.safetensors" for i in range(100_000)}
    yield damage("a hundred thousand shards", {"weight_map": many})
    yield damage(
        "a name twice", text.replace(b'"weight_map": {', b'"weight_map": {"lm_head.weight": "x.safetensors", ')
    )


def _texts(rng: random.Random) -> Iterator[Damage]:
    good = {
        CONFIG: config(), TOKENIZER: tokenizer(), "generation_config.json": {"bos_token_id": 1},
        "special_tokens_map.json": {"bos_token": "<s>"},
        "tokenizer_config.json": {"tokenizer_class": "X", "chat_template": "x", "added_tokens_decoder": {}},
    }  # fmt: skip
    for key in config():
        for value in NASTY[:: 1 if "layer" in key or "vocab" in key else 3]:
            yield Damage(
                f"config, {key} is {value!r:.20}", sound() | {CONFIG: json.dumps(config() | {key: value}).encode()}
            )
    for name in JSON_FILES:
        text = json.dumps(good[name]).encode()
        for i in range(120 if name in (CONFIG, TOKENIZER) else 12):
            yield Damage(f"{name}, changed {i}", sound() | {name: json.dumps(changed(good[name], rng)).encode()})
        for i in range(20):
            yield Damage(f"{name}, bytes {i}", sound() | {name: flipped(text, rng, len(text))})
        for what, raw in raw_texts().items():
            if name in (CONFIG, TOKENIZER) or len(raw) < 10_000:
                yield Damage(f"{name}, {what}", sound() | {name: raw})


def _kinds() -> Iterator[Damage]:
    for file in (HEADER, INDEX, *JSON_FILES, "chat_template.jinja", "tokenizer.model"):
        for name, what in KINDS.items():
            yield Damage(f"{file} is {name}", sound() | {file: what})
    for file in (ADAPTER, LORA):
        for name, what in KINDS.items():
            yield Damage(f"{file} is {name}", adapter() | {file: what}, adapter=True)


def _adapters(rng: random.Random) -> Iterator[Damage]:
    entries, size = header(lora_shapes()), 4 * 2 * HIDDEN * 2 * LAYERS
    for i in range(120):
        yield Damage(
            f"adapter config, changed {i}", adapter() | {ADAPTER: json.dumps(changed(lora(), rng)).encode()}, True
        )
        yield Damage(f"adapter header, changed {i}", adapter() | {LORA: packed(changed(entries, rng), size)}, True)
    for name, raw in raw_texts().items():
        yield Damage(f"adapter config, {name}", adapter() | {ADAPTER: raw}, True)
    keys = (
        "target_modules",
        "layers_to_transform",
        "rank_pattern",
        "alpha_pattern",
        "modules_to_save",
        "exclude_modules",
    )
    for key in keys:
        for value in ("(a+)+$", "(" * 500, ".*" * 200, {"(a|a)*$" * 9: 1}, [["a"]], {"a" * 9999: 2**63}, "\ud800"):
            yield Damage(
                f"adapter config, {key} is {value!r:.20}",
                adapter() | {ADAPTER: json.dumps(lora() | {key: value}).encode()},
                True,
            )
