"""A Studio and its file: what there is to restore when it opens, and what is written while it is open."""

from __future__ import annotations

import time
from pathlib import Path
from weakref import WeakSet

from nbmerge.errors import NbmergeError
from nbmerge.widgets.state.saved.document import Document, take_document
from nbmerge.widgets.state.saved.keeper import Keeper, read_file, set_aside
from nbmerge.widgets.state.saved.place import list_places
from nbmerge.widgets.state.studio_state import StudioState

_open_sessions: WeakSet[Session] = WeakSet()


class Session:
    """Connects a state with a file.

    Parameters
    ----------
    state : StudioState
    file : Path or None
        None keeps nothing.
    continued : bool
        Whether the state goes on from what the file has, because its cell runs again in the same kernel.

    Attributes
    ----------
    offer : Document or None
        What can be restored.
    message : str
        What the user should know about the file; empty where all is well.
    """

    def __init__(self, state: StudioState, file: Path | None, continued: bool = False):
        self.state, self.file = state, file
        self.offer: Document | None = None
        self.message = ""
        self._is_included = continued
        if file is not None and not continued:
            self._look_for_offer(file)
        self.keeper = Keeper(state, file, self._keep_former)
        _open_sessions.add(self)

    def close(self) -> None:
        """Write what is still to be written."""
        self.keeper.close()
        _open_sessions.discard(self)

    @property
    def offer_title(self) -> str:
        """Time and size of the offer: "12:31 (14 steps)", with the date where it is not of today."""
        if self.offer is None:
            return ""
        saved, now = time.localtime(self.offer.saved), time.localtime()
        when = time.strftime("%H:%M" if saved[:3] == now[:3] else "%Y-%m-%d %H:%M", saved)
        return f"{when} ({len(self.offer)} step{'s' if len(self.offer) != 1 else ''})"

    def restore(self, file: Path | None = None) -> None:
        """Go on from what was kept.

        Parameters
        ----------
        file : Path, optional
            A file of another session; default the offer.

        Raises
        ------
        NbmergeError
            When there is nothing, or nothing in it can be read any more.
        """
        document = self.offer if file is None else read_file(file)
        if document is None:
            raise NbmergeError("There is nothing to restore: no Studio of this notebook was kept.")
        if not take_document(document, self.state):
            raise NbmergeError("None of the recipes that were kept is valid any more; nothing was restored.")
        if file is None:
            self.offer, self._is_included = None, True

    def dismiss(self) -> None:
        """Offer nothing any longer. The file stays; it gets another name when there is something new to write."""
        self.offer = None

    def _look_for_offer(self, file: Path) -> None:
        in_use = {session.file for session in _open_sessions}
        others = [f for f in list_places(file) if f not in in_use]
        found = file if file.exists() or not others else others[0]
        if not found.exists():
            return
        try:
            self.offer = read_file(found)
        except NbmergeError as error:
            other = set_aside(found, "damaged")
            kept = f" It was renamed to {other.name}." if other is not None else ""
            self.message = f"The history of an earlier session cannot be read: {error}.{kept}"

    def _keep_former(self) -> None:
        """What was offered and not restored is not overwritten."""
        if not self._is_included and self.file is not None and self.file.exists():
            set_aside(self.file, "former")
