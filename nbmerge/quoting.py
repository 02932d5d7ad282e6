"""How messages quote names and values: at most one line, without control characters that a terminal would interpret."""

from __future__ import annotations

import re

MOST = 200
"""Maximum length of one quotation, in characters."""
MOST_OF_PATH = 1_000
"""Maximum length of a path, which is only useful in full."""
MOST_OF_MESSAGE = 2_000
"""Maximum length of one message, in characters."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_QUOTED = re.compile(rf"(?<![\w'])'[^'\n]{{{MOST + 1},}}'|\"[^\"\n]{{{MOST + 1},}}\"")
_UNBROKEN = re.compile(rf"\S{{{MOST + 1},}}")


def quote(value: object, most: int = MOST) -> str:
    """A value as a message quotes it: its text on one line, with the middle omitted if it is long."""
    text = value if isinstance(value, str) else repr(value)
    return _shortened(_printable(text[: 4 * most] + text[-most:] if len(text) > 5 * most else text), most)


def readable(message: str) -> str:
    """A message with all quotations shortened and made printable. Every error and problem passes through here."""
    if len(message) <= MOST and message.isprintable():
        return message
    message = _shortened(message, 4 * MOST_OF_MESSAGE)
    message = _QUOTED.sub(lambda m: m[0][0] + _shortened(m[0][1:-1], MOST) + m[0][-1], _printable(message))
    message = _UNBROKEN.sub(lambda m: _shortened(m[0], MOST_OF_PATH if _is_path(m[0]) else MOST), message)
    return _shortened(message, MOST_OF_MESSAGE)


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode("ascii"), text)


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = most // 4
    return f"{text[: most - end - 1]}…{text[-end:]}"


def _is_path(text: str) -> bool:
    """Whether a run of characters looks like an absolute path of which every part is a possible file name."""
    return bool(re.match(r"['\"(]?(/|~|[A-Za-z]:[\\/])", text)) and max(map(len, re.split(r"[\\/]", text))) <= 255
