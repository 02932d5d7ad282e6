"""Checkpoints: what is on disk, seen through its headers."""

from nbmerge.checkpoints.checkpoint import Checkpoint, open_adapter
from nbmerge.checkpoints.folders import FoundModel, Scan, scan_folder
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.hub_cache import cached_models
from nbmerge.checkpoints.layout import GROUPS, ROLES, Layout, Place

__all__ = [
    "GROUPS", "ROLES", "Checkpoint", "FoundModel", "Layout", "Place", "Scan", "StoredTensor", "cached_models",
    "open_adapter", "scan_folder",
]  # fmt: skip
