"""The program itself: cost of the import, list of commands, tracebacks of bugs."""

import subprocess
import sys

import nbmerge
from tests.cli.commands import run


def test_the_command_line_imports_nothing_heavy():
    heavy = "('torch', 'transformers', 'pandas', 'numpy', 'matplotlib', 'pydantic', 'ipywidgets')"
    code = f"import sys, nbmerge.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_python_dash_m(recipe):
    done = subprocess.run([sys.executable, "-m", "nbmerge", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"nbmerge {nbmerge.__version__}\n")


def test_every_command_is_listed_and_has_help():
    listed = run("--help").stdout
    for command in ("demo", "lab", "check", "plan", "merge", "verify", "convert", "measure", "transplant"):
        assert f"\n  {command} " in listed
        assert run(command, "--help").exit_code == 0


def test_a_bug_shows_its_traceback(recipe, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("nbmerge.engine.check.check", broken)
    assert isinstance(run("check", recipe).exception, ZeroDivisionError)
