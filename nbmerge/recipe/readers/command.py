"""A command line as people paste it: located in a text and split into words and options. Nothing is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nbmerge.problems import nearest
from nbmerge.recipe.readers.recipe_text import reading_error

MAX_COMMAND = 50_000
"""Longest text, in characters, that is searched for commands."""
_WINDOWS = re.compile(r"[A-Za-z]:\\|\.\\|\\\\")
_PROMPT = re.compile(r"^\s*(?:[$>!%]\s?|\(\w+\)\s*\$\s?|PS [^>]*>\s?)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_LAUNCHERS = re.compile(r"^(python[\d.w]*(\.exe)?|py|uv|run|time|nohup|sudo|env|accelerate|launch|-m|-u|-3)$")

NAMELESS = "the command"
"""Stands for a program that was left out; its options identify it."""
FLAG, VALUE, MANY = "flag", "value", "many"
"""Kinds of option: takes nothing, takes a value, takes a value each time it occurs."""


@dataclass
class Command:
    """A program with its words.

    Parameters
    ----------
    program : str
        File name of the program or script, without folder and ``.exe``.
    words : list of str
        What follows it.
    line : int
        1-based line where it begins.
    """

    program: str
    words: list[str]
    line: int


@dataclass
class Options:
    """A command's options by name without dashes, and its other words."""

    values: dict[str, list[str]] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def one(self, name: str, default: str | None = None) -> str | None:
        """The last value that an option was given."""
        return self.values.get(name, [default])[-1]

    def many(self, name: str) -> list[str]:
        """All values that an option was given."""
        return self.values.get(name, [])

    def number(self, name: str, default: float, kind: type = float) -> float:
        """The last value as a number."""
        return default if name not in self.values else as_number(name, self.values[name][-1], kind)

    def numbers(self, name: str) -> list[float]:
        """All values as numbers."""
        return [as_number(name, v, float) for v in self.many(name)]


def as_number(name: str, text: str, kind: type) -> float:
    """A number that an option was given."""
    try:
        return kind(text)
    except (ValueError, OverflowError):
        what = "a whole number" if kind is int else "a number"
        raise reading_error(f"{text!r:.80} is not {what}.", where=(f"--{name}",)) from None


def find_commands(raw: str, above: int = 0) -> Iterator[Command]:
    """Every command in a text, prompts and interpreters left out; none in one that is longer than `MAX_COMMAND`."""
    if len(raw) > MAX_COMMAND:
        return
    for number, line in _logical_lines(raw):
        for words in _pieces(_words(line)):
            while words and (_ASSIGNMENT.match(words[0]) or _LAUNCHERS.match(words[0])):
                words = words[1:]
            if words and words[0].startswith("-"):
                yield Command(NAMELESS, words, number + above)
            elif words:
                program = re.split(r"[\\/]", words[0])[-1].removesuffix(".exe")
                yield Command(program or NAMELESS, words[1:], number + above)


def parse_options(command: Command, kinds: Mapping[str, str], short: Mapping[str, str] | None = None) -> Options:
    """Sort a command's words into options, values and arguments of its program.

    Parameters
    ----------
    kinds : mapping of str to str
        Kind of each option, by name without dashes. A flag also has its ``no-`` form.
    short : mapping, optional
        Long name of each option of one letter.

    Raises
    ------
    RecipeError
        For an option that the program does not have, and one without its value.
    """
    parsed, words = Options(), iter(command.words)
    for word in words:
        if not word.startswith("-") or _is_number(word) or word == "-":
            parsed.rest.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name = name if word.startswith("--") else (short or {}).get(name, name)
        positive = name if name in kinds else name.removeprefix("no-")
        kind = kinds.get(positive)
        if kind is None or (positive != name and kind != FLAG):
            known = nearest(name[:60], kinds) if name else ", ".join(f"--{k}" for k in sorted(kinds))
            raise reading_error(f"{command.program} has no option '{word:.80}'.", known, line=command.line)
        if kind == FLAG:
            parsed.flags[positive] = positive == name
        else:
            given = value if equals else next(words, None)
            parsed.values.setdefault(name, []).append(_whole_value(given, words, name, command))
    return parsed


def _whole_value(value: str | None, words: Iterator[str], name: str, command: Command) -> str:
    """An option's value; a list in brackets that was pasted without quotes is read on to its end."""
    if value is None:
        raise reading_error("this option needs a value.", where=(f"--{name}",), line=command.line)
    while value.count("[") > value.count("]") and (more := next(words, None)) is not None:
        value += more
    return value


def _logical_lines(raw: str) -> Iterator[tuple[int, str]]:
    """Lines with continuations joined: by a backslash, caret or backtick, or because options begin the next line."""
    pending, first = "", 0
    for number, line in enumerate(raw.splitlines(), start=1):
        continues = pending and (pending.endswith("\0") or line.lstrip().startswith("-"))
        line = line if continues else _PROMPT.sub("", line)
        if pending and not continues:
            yield first, pending
            pending = ""
        if not pending:
            first = number
        stripped = line.rstrip()
        continued = bool(re.search(r"(^|\s)[\\^`]$", stripped)) or (
            stripped.endswith("\\") and not _WINDOWS.search(stripped)
        )
        part = stripped[:-1] + "\0" if continued else stripped
        pending = f"{pending.rstrip(chr(0))} {part}" if pending else part
    if pending:
        yield first, pending.rstrip("\0")


def _words(line: str) -> list[str]:
    line = line.replace("\0", " ")
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split, lexer.commenters = True, "#"
    if _WINDOWS.search(line):
        lexer.escape = ""
    try:
        return list(lexer)
    except ValueError:  # an unclosed quotation
        return []


def _pieces(words: list[str]) -> Iterator[list[str]]:
    """A line's words, cut where one command ends and the next begins."""
    piece: list[str] = []
    for word in [*words, ";"]:
        if word and set(word) <= set(";&|"):
            yield piece
            piece = []
        else:
            piece.append(word)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
