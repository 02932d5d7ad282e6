"""Models in folders: `scan_folder` searches all folders below one, `list_folder` shows what is in one.

Nothing but names, configs and headers is read.
"""

from nbmerge.checkpoints.folders.found import FoundModel
from nbmerge.checkpoints.folders.listing import Entry, Listing, complete_name, list_folder
from nbmerge.checkpoints.folders.scan import Scan, scan_folder

__all__ = ["Entry", "FoundModel", "Listing", "Scan", "complete_name", "list_folder", "scan_folder"]
