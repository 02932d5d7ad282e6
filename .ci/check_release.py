"""Checks that a tag, the package and the changelog have the same version."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def find_problems(tag: str, package: str, changelog: str) -> list[str]:
    """Problems that prevent the release of a tag."""
    version = tag.removeprefix("v")
    declared = re.search(r'^__version__ = "([^"]+)"$', package, re.MULTILINE)
    problems = []
    if not declared or declared[1] != version:
        problems.append(f"nbmerge/__init__.py has version {declared and declared[1]}, the tag is {tag}.")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        problems.append(f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD'.")
    return problems


if __name__ == "__main__":
    package = (ROOT / "nbmerge" / "__init__.py").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sys.exit("\n".join(find_problems(sys.argv[1], package, changelog)) or None)
