"""Print constraints: the version of every package in this environment. ``make pins`` writes them to constraints.txt.

A version that does not support the oldest Python gets a marker; older Pythons are then not constrained.
"""

from importlib.metadata import distributions

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
HEAD = """\
# The versions that the tests ran with, written by `make pins`. Use: pip install -c binder/constraints.txt ...
# There are no hashes here, because pip takes all or none (tried with pip 23.2 and 26.3): with one hash among constraints,
# "." and "-e ." are refused, for a folder has no hash; older versions of pip also refuse every requirement without "==".
# A list with hashes would also serve one Python on one platform only: torch's builds on the index for CPUs have other
# hashes than those on PyPI, one for each Python.
"""
OURS = {"nbmerge", "pip", "setuptools", "wheel"}

pins = {}
for package in distributions():
    name = canonicalize_name(package.metadata["Name"])
    allowed = SpecifierSet(package.metadata["Requires-Python"] or "")
    oldest = next(python for python in PYTHONS if f"{python}.99" in allowed)
    version = package.version.partition("+")[0]  # +cpu is a build of the same version
    marker = "" if oldest == PYTHONS[0] else f'; python_version >= "{oldest}"'
    pins[name] = f"{name}=={version}{marker}"

print(HEAD, end="")
print(*(pins[name] for name in sorted(set(pins) - OURS)), sep="\n")
