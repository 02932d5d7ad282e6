"""Models on the Hugging Face Hub: looked at before they are downloaded, and downloaded as far as they are needed.

A Hub id is resolved to a commit (`find`). Config and tokenizer go into the local Hugging Face cache at once; of the
weights only the headers are read, by HTTP range requests and through the same strict parser as files on disk. A tensor's
`file` is the place in the cache where its shard will lie; `fetch` puts it there. So nothing above this room knows
whether a model is here yet. The cache, the login and what is said to the Hub are huggingface_hub's, which is imported
when an id must be looked up and not before.
"""

from nbmerge.checkpoints.hub.download import Missing, check_disk, fetch, missing
from nbmerge.checkpoints.hub.find import find, forget
from nbmerge.checkpoints.hub.interruptible import stopped_by, stopping
from nbmerge.checkpoints.hub.snapshot import Snapshot, held, in_use, read_header, snapshot_of

__all__ = [
    "Missing",
    "Snapshot",
    "check_disk",
    "fetch",
    "find",
    "forget",
    "held",
    "in_use",
    "missing",
    "read_header",
    "snapshot_of",
    "stopped_by",
    "stopping",
]
