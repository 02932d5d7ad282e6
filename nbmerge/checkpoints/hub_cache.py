"""The local Hugging Face cache: its models and their folders. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path


def cached_snapshot(repo_id: str, revision: str | None = None) -> Path | None:
    """Folder of a cached model, None when it is not in the cache (or the name is not a Hub id)."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in ("config.json", "adapter_config.json"):
        try:
            found = try_to_load_from_cache(repo_id, name, revision=revision)
        except HFValidationError:
            return None
        if isinstance(found, str):
            return Path(found).parent
    return None


def cached_models() -> list[str]:
    """Hub ids of all models in the local cache, sorted; adapters are not listed."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return []
    folders = {repo.repo_id: cached_snapshot(repo.repo_id) for repo in cache.repos if repo.repo_type == "model"}
    return sorted(m for m, folder in folders.items() if folder is not None and (folder / "config.json").is_file())
