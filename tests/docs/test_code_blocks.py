"""Every code block of README and docs is run, or says why not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import nbmerge as nbm
from nbmerge.cli import app
from nbmerge.cli.mergekit_flags import translate_flags
from nbmerge.methods.framework import registry
from nbmerge.recipe import Recipe
from tests.cli.commands import run
from tests.docs.blocks import PAGES, ROOT, Block, blocks, commands

LANGUAGES = {"python", "yaml", "sh", "toml", "text"}
"""Of all fenced blocks; "text" is the output of a program."""
COMMANDS = typer.main.get_command(app)
PARSED_ONLY = {"publish": "uploads", "lab": "starts a server", "demo": "is run by tests/cli/test_demo.py"}
"""Commands that are not run, and why."""


def page_blocks(language: str) -> list[Any]:
    found = [block for page in PAGES for block in blocks(page, language) if not block.not_run]
    return [pytest.param(block, id=block.name) for block in found]


def test_every_block_has_a_language():
    assert not [block.name for page in PAGES for block in blocks(page) if block.language not in LANGUAGES]


def test_indented_blocks_are_not_used():
    """They have no language, so nothing could say how to run them. Diagrams and targets of make are left."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        indented = [line for line in re.findall(r"\n\n(    \S.*)", text) if "──" not in line]
        assert not indented, f"{page.name}: {indented[0]}"


# --- YAML


@pytest.mark.parametrize("block", page_blocks("yaml"))
def test_yaml_is_a_recipe(block: Block):
    fields = next(yaml.safe_load_all(block.code))
    if "merge_method" in fields or "experts" in fields:
        recipe = Recipe.load(block.code)
    else:  # a part of one
        recipe = Recipe.of({"merge_method": "linear", "models": ["a", "b"], "parameters": {"weight": 1}, **fields})
    assert {note.severity for note in recipe.notes} <= {"info"}


def test_toml_is_toml():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
    for page in PAGES:
        for block in blocks(page, "toml"):
            assert tomllib.loads(block.code)


# --- shell


def parse(words: list[str], complete: bool = True) -> None:
    """Parse a command as the program does, without running it."""
    name, *arguments = words
    assert name in COMMANDS.commands, f"there is no command {name}"
    if name == "merge":
        arguments = translate_flags(arguments, lambda line: pytest.fail(line))
    COMMANDS.commands[name].make_context(name, arguments, resilient_parsing=not complete)


@pytest.mark.parametrize("block", page_blocks("sh"))
def test_commands_are_parsed(block: Block):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for program, *words in commands(block):
        assert program in ("nbmerge", "make"), f"{program} is neither nbmerge nor make: mark the block as not run"
        if program == "make":
            assert words[0] in targets
        else:
            parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_within_sentences_are_found(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for span in re.findall(r"`nbmerge ([^`]+)`", text):
        words = re.sub(r"\[([^]]*)\]|\.\.\.", r"\1", span).split()
        if words[0] != "--version":
            parse(words, complete=False)


def test_the_readme_lists_every_command():
    listed = {
        words[0] for block in blocks(ROOT / "README.md", "sh") for name, *words in commands(block) if name == "nbmerge"
    }
    assert listed == set(COMMANDS.commands)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "sh")], ids=lambda page: page.name)
@pytest.mark.usefixtures("documented")
def test_commands_run(page: Path):
    for block in blocks(page, "sh"):
        for program, *words in commands(block) if not block.not_run else ():
            if program == "nbmerge" and words[0] not in PARSED_ONLY:
                done = run(*words)
                assert done.exit_code == 0, f"{block.name}: nbmerge {' '.join(words)}: {done.output}"


# --- Python


def names_of_live() -> dict[str, Any]:
    first = Recipe.load("recipe.yml")
    names = {"recipe": first, "other": first.with_parameter("weight", 0.7, model="poet")}
    return {**names, "nbmerge": nbm, "prompt": "a", "show": lambda prompt, text, tokens: None}


STARTS: dict[str, Callable[[], dict[str, Any]]] = {"live.md": names_of_live}
"""What the text of a page has before its first block."""
SLOW = ("README.md", "live.md")
"""Pages whose code loads models."""
PYTHON = [
    pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in SLOW else [])
    for page in PAGES
    if blocks(page, "python")
]


@pytest.mark.parametrize("page", PYTHON)
@pytest.mark.usefixtures("documented")
@pytest.mark.slow
def test_python_runs_from_top_to_bottom(page: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))
    names = STARTS.get(page.name, dict)()
    try:
        for block in blocks(page, "python"):
            if not block.not_run:
                exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
    finally:
        for value in list(names.values()):
            if isinstance(value, nbm.Studio) or type(value).__name__ == "LiveMerge":
                value.close()
    for value in names.values():
        if type(value).__name__ == "Report":
            assert value.ok, value


def test_the_examples_of_methods_are_registered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))
    for block in blocks(ROOT / "docs" / "methods.md", "python"):
        exec(block.code, {})
    assert {"halfway", "capped"} <= set(registry._methods)
