"""What several files of the repository say about the same thing agrees."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

import nbmerge

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def script(path: str):
    """A script that is no module of a package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_same_pythons_everywhere():
    """Tested, promised on PyPI, and written into the pins."""
    tested = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["unit"]["strategy"]["matrix"]["python"]
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text("pyproject.toml"))
    pinned = re.search(r"^PYTHONS = \((.*)\)$", text("binder/pin.py"), re.MULTILINE)[1]
    assert tested == promised == re.findall(r"3\.\d+", pinned)
    assert f'requires-python = ">={tested[0]}"' in text("pyproject.toml")


def test_the_same_ruff_everywhere():
    pinned = re.search(r"^ruff==(\S+)$", text("binder/constraints.txt"), re.MULTILINE)[1]
    assert set(re.findall(r"ruff==([\d.]+)", text(".pre-commit-config.yaml"))) == {pinned}


def test_the_citation_names_this_version():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["version"] == nbmerge.__version__
    assert citation["license"] in text("pyproject.toml")


def test_actions_are_pinned_to_commits():
    """A tag can be moved by whoever takes over an action; a commit cannot."""
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        used = re.findall(r"uses: (\S+)( # v[\d.]+)?", file.read_text(encoding="utf-8"))
        assert used
        for action, version in used:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), f"{file.name}: {action}"
            assert version, f"{file.name}: {action} without its version behind it"


def test_the_changelog_keeps_what_is_unreleased_apart():
    headings = re.findall(r"^## .*$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])


PACKAGE = '"""Doc."""\n__version__ = "1.2.3"\n'
LOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-21\n"


@pytest.mark.parametrize(
    ("tag", "package", "log", "words"),
    [
        ("v1.2.3", PACKAGE, LOG, []),
        ("v1.2.4", PACKAGE, LOG, ["has version 1.2.3", "no section '## [1.2.4]"]),
        ("v1.2.3", PACKAGE, "## [Unreleased] 1.2.3\n", ["no section '## [1.2.3]"]),
        ("v1.2.3", "", LOG, ["has version None"]),
    ],
)
def test_a_release_needs_its_version_and_its_changes(tag, package, log, words):
    found = script(".ci/check_release.py").find_problems(tag, package, log)
    assert len(found) == len(words)
    assert all(word in problem for word, problem in zip(words, found, strict=True))


LINKS = """
![a picture](docs/studio.png) and [a page](docs/live.md), [elsewhere](https://example.org), [below](#here),
[how](nbmerge/demo/MEASURED.md#numbers); [one](a.md)[two](b.md)
"""


def test_links_of_the_readme_work_on_pypi():
    """By the substitutions of pyproject.toml; .ci/check_wheel.py looks at a real wheel."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
    hook = tomllib.loads(text("pyproject.toml"))["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for source in (LINKS, text("README.md")):
        page = source
        for rule in hook["substitutions"]:
            page = re.sub(rule["pattern"], rule["replacement"], page)
        assert page.count("](") == source.count("](")
        assert not re.findall(r"\]\((?!https?://|#)", page)
        assert all("](https://raw.githubusercontent.com" in line for line in re.findall(r"!\[.*?\)", page))
        assert (
            all((ROOT / link).exists() for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", source))
            or source == LINKS
        )
