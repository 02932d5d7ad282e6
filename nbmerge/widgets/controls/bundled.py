"""The models that nbmerge brings with it."""

from __future__ import annotations

from nbmerge.errors import NbmergeError


def list_bundled() -> list[tuple[str, str]]:
    """Names and folders of the bundled models; empty where they are not installed."""
    try:
        from nbmerge.demo import family

        models = family()
        return [("base", str(models.base)), *((name, str(path)) for name, path in models.experts.items())]
    except (ImportError, AttributeError, NbmergeError, OSError):
        return []
