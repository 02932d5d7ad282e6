"""Models on the Hugging Face Hub: inspected before they are downloaded, and downloaded only as far as needed.

A Hub id is resolved to a commit (`find`). Config and tokenizer go into the local Hugging Face cache at once; of the
weights only the headers are read, by HTTP range requests and through the same strict parser as files on disk. A tensor's
`file` is the path that its shard will have in the cache; `fetch` downloads it. So no other package needs to know whether a
model has been downloaded. The cache, the login and the session are huggingface_hub's, which is imported only when an id must
be resolved.
"""

from nbmerge.checkpoints.hub.download import Missing, check_disk, fetch, missing
from nbmerge.checkpoints.hub.find import find
from nbmerge.checkpoints.hub.interruptible import stopped_by, stopping
from nbmerge.checkpoints.hub.snapshot import Snapshot, held, in_use, read_header, snapshot_of
from nbmerge.checkpoints.hub.weights_files import find_file, forget, is_file_on_hub

__all__ = [
    "Missing",
    "Snapshot",
    "check_disk",
    "fetch",
    "find",
    "find_file",
    "forget",
    "held",
    "in_use",
    "is_file_on_hub",
    "missing",
    "read_header",
    "snapshot_of",
    "stopped_by",
    "stopping",
]
