"""The state of a file: told apart by more than size and date, and by no more than these on another machine."""

import os
import pickle

from nbmerge.checkpoints.file_state import FileState


def state_of(path) -> FileState:
    return FileState.of(os.stat(path))


def test_a_file_that_was_replaced_has_another_state_whatever_its_date(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"abc")
    new.write_bytes(b"xyz")
    os.utime(new, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))
    before = state_of(old)
    assert before.agrees_with(state_of(old))
    new.replace(old)
    assert (before.size, before.modified) == (state_of(old).size, state_of(old).modified)
    assert not before.agrees_with(state_of(old))


def test_another_process_compares_size_and_date(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    sent = pickle.loads(pickle.dumps(state_of(file)))
    assert sent.agrees_with(state_of(file))
    assert state_of(file).agrees_with(sent)
    file.write_bytes(b"abcd")
    assert not sent.agrees_with(state_of(file))
