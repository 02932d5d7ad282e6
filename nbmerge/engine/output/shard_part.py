"""A part of the files that another process has laid out: a worker's places in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nbmerge.engine.output.direct_io import OutputFile
from nbmerge.engine.output.shards import Place, ShardWriter
from nbmerge.errors import MergeError


class ShardPart(ShardWriter):
    """Writes some tensors of a `ShardWriter` of another process; it creates nothing and lays nothing out.

    Parameters
    ----------
    folder : Path
        As this machine sees it.
    places : mapping of str to Place
        By tensor, from `ShardWriter.places`.

    Raises
    ------
    MergeError
        When the files are not there, or not as large as the places need.
    """

    def __init__(self, folder: Path, places: Mapping[str, Place]):
        self.folder = folder
        self.checksums: dict[str, str] = {}
        self._places = dict(places)
        self._files: dict[str, OutputFile] = {}
        try:
            for place in places.values():
                if place.file not in self._files:
                    self._files[place.file] = OutputFile(folder / place.file)
                if os.fstat(self._files[place.file].descriptor).st_size < place.end:
                    raise MergeError(
                        f"{folder / place.file} is shorter than the process that leads this merge made it."
                    )
        except OSError as error:
            self.close()
            raise MergeError(f"{folder / place.file} cannot be opened: {error.strerror or error}.") from error
        except BaseException:
            self.close()
            raise
