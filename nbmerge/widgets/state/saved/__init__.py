"""What is kept of a Studio in a file beside its notebook, so that nothing is lost with the kernel.

`document` is the file's format, `place` where it lies, `keeper` writes it when the user's hand rests, and `session`
connects a Studio with its file.
"""

from nbmerge.widgets.state.saved.document import Document, read_document, take_document, write_document
from nbmerge.widgets.state.saved.keeper import Keeper, is_worth_keeping
from nbmerge.widgets.state.saved.place import find_notebook, find_place
from nbmerge.widgets.state.saved.session import Session

__all__ = [
    "Document", "Keeper", "Session", "find_notebook", "find_place", "is_worth_keeping", "read_document", "take_document", "write_document",
]  # fmt: skip
