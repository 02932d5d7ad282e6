"""What can be wrong with a value, a text, or a name in a folder."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

NASTY: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 1.0, 1.5, -0.0, 2**31, 2**53, 2**62, 2**63, 2**64, -(2**63), 10**40, float("nan"),
    float("inf"), float("-inf"), "", "2", "a", "../x", "/etc/passwd", "\0", "\u202egnp", "a" * 300, "\ud800", "NaN", "1e999",
    [], [[]], [0], [1, 2], [None], ["a"] * 3, {}, {"a": 1}, {"": {}}, [2**61] * 40, [1] * 1000, {"n_layer": 5}, "__metadata__",
    "F32", "BF16", "F4", "weight", "model.layers.99999999999.x",
]  # fmt: skip
"""Values to put in the place of any other."""


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The way to every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(value: Any, rng: random.Random) -> Any:
    """A copy with one thing removed, renamed, doubled or replaced by something nasty."""
    value = copy.deepcopy(value)
    *way, last = rng.choice(list(places(value)))
    inside = value
    for step in way:
        inside = inside[step]
    how = rng.randrange(6)
    if how == 0:
        del inside[last]
    elif how == 1 and isinstance(inside, dict):
        inside[str(rng.choice(NASTY))] = inside.pop(last)
    elif how == 2 and isinstance(inside, list):
        inside.insert(last, rng.choice(NASTY))
    else:
        inside[last] = copy.deepcopy(rng.choice(NASTY))
    return value


def flipped(data: bytes, rng: random.Random, most: int) -> bytes:
    """Some bytes of the first `most` replaced."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(min(most, len(data)))] = (
            rng.choice(b'\0"{}[]:,\\\x7f\xff\xc3 0-9eE.') if rng.random() < 0.7 else rng.randrange(256)
        )
    return bytes(data)


@cache
def raw_texts() -> dict[str, bytes]:
    """Texts for any JSON file, and for a header; 250 MB, so made when they are first asked for."""
    return {
        "empty": b"", "one byte": b"{", "nothing but spaces": b" " * 5000, "html": b"<html>404</html>", "zeros": bytes(500),
        "null": b"null", "a list": b"[]", "a number": b"5", "a text": b'"x"', "UTF-16": '{"a":1}'.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf{}", "not UTF-8": b'{"\xff\xfe": 1}', "half a surrogate": b'{"\\ud800": {}}',
        "overlong UTF-8": b'{"\xc0\xae\xc0\xae/x": 1}', "a pickle": b"\x80\x04cos\nsystem\n.",
        "a git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "deep lists": b"[" * 200_000, "deep mappings": b'{"a":' * 100_000,
        "deep inside": b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}", "a name twice": b'{"a": {}, "a": {}}',
        "a long number": b'{"a": ' + b"9" * 100_000 + b"}", "1e999": b'{"a": 1e999}', "NaN": b'{"a": NaN}',
        "a long name": b'{"' + b"a" * 1_000_000 + b'": {}}', "two objects": b"{}{}", "a comma too many": b'{"a": 1,}',
        "a comment": b"{} // x", "very many lists": b'{"a":[' + b"[]," * 5_000_000 + b"0]}",
        "very many mappings": b'{"a":[' + b'{"b":0},' * 2_000_000 + b"0]}",
        "very many names": b"{" + b",".join(b'"%d":{}' % i for i in range(1_000_000)) + b"}",
        "very many texts": b'{"a":[' + b'"xy",' * 4_000_000 + b'""]}',
        "one wide letter": b'{"a":"\xf0\x9f\x98\x80' + b"a" * 40_000_000 + b'"}',
        "wide letters": b'{"a":"' + b"\xf0\x9f\x98\x80" * 5_000_000 + b'"}',
        "escapes": b'{"a":"' + b"\\u0041" * 5_000_000 + b'"}', "small numbers": b'{"a":[' + b"1.5," * 8_000_000 + b"0]}",
    }  # fmt: skip


def link(target: str) -> Callable[[Path], None]:
    """Makes a link."""
    return lambda path: path.symlink_to(target)


KINDS: dict[str, Any] = {
    "a pipe": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "a link to a device that never ends": link("/dev/zero"),
    "a link to a terminal": link("/dev/tty"),
    "a link to nowhere": link("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a private file": link("/etc/passwd"),
    "a link upwards": link("../sound/config.json"),
    "a link to a sound file outside": link("../sound/model.safetensors"),
    "a socket's place": lambda path: os.mknod(path, 0o140600),
    "ten gigabytes": lambda path: (path.touch(), os.truncate(path, 10**10)),
    "99 megabytes of spaces": lambda path: path.write_bytes((99_000_000).to_bytes(8, "little") + b" " * 99_000_000),
    "nothing": None,
}
"""What may lie where a file should be."""

SHARDS = [
    "", ".", "..", "../sound/model.safetensors", "/etc/passwd", "/dev/zero", "a/b", "a\\b", "x\0y", "\ud800", "x" * 300, "config.json",
    "./model.safetensors", "%2e%2e/x", "C:\\x", "\\\\server\\x", "~", "~root/x", "model.safetensors/", "nul", "\u2024\u2024/x", "．．/x",
    " ", "\n", "http://localhost:9/x", "file:///etc/passwd", None, 5, True, [], {}, 1.5,
]  # fmt: skip
"""Names for a shard."""
