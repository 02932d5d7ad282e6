"""Some tensors of files that another process laid out: what a worker writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nbmerge.engine.output.direct_io import OutputFile
from nbmerge.engine.output.shards import Extent, ShardWriter
from nbmerge.errors import MergeError


class ShardPart(ShardWriter):
    """Writes some tensors of a `ShardWriter` of another process; it creates no files.

    Parameters
    ----------
    folder : Path
        Its path on this machine.
    extents : mapping of str to Extent
        By tensor, from `ShardWriter.extents`.

    Raises
    ------
    MergeError
        When the files do not exist, or are too short.
    """

    def __init__(self, folder: Path, extents: Mapping[str, Extent]):
        self.folder = folder
        self.checksums: dict[str, str] = {}
        self._extents = dict(extents)
        self._files: dict[str, OutputFile] = {}
        try:
            for extent in extents.values():
                if extent.file not in self._files:
                    self._files[extent.file] = OutputFile(folder / extent.file)
                if os.fstat(self._files[extent.file].descriptor).st_size < extent.end:
                    raise MergeError(f"{folder / extent.file} is shorter than the coordinator created it.")
        except OSError as error:
            self.close()
            raise MergeError(f"{folder / extent.file} cannot be opened: {error.strerror or error}.") from error
        except BaseException:
            self.close()
            raise
