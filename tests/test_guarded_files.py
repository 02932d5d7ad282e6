"""Files of strangers: read within bounds and within their folder, whatever stands under their names, at every moment."""

import ast
import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest

from nbmerge import guarded_files
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import (
    check_model_folder,
    copy_model_file,
    open_model_file,
    read_model_bytes,
    read_model_json,
    read_model_text,
)
from tests.sources import nodes

READERS = {
    "open": lambda file: open_model_file(file).__enter__(),
    "bytes": read_model_bytes,
    "text": read_model_text,
    "json": read_model_json,
    "copy": lambda file: copy_model_file(file, file.parent.parent / "copy"),
    "folder": lambda file: check_model_folder(file.parent),
}


@pytest.fixture
def file(tmp_path) -> Path:
    """Where a file of a model would be; nothing is there yet."""
    (tmp_path / "model").mkdir()
    (tmp_path / "private").write_text('{"token": "hf_secret"}')
    return tmp_path / "model" / "config.json"


def make_socket(file: Path) -> None:
    here = os.getcwd()
    os.chdir(file.parent)  # the whole path may be too long for a socket's name
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(file.name)
    finally:
        os.chdir(here)


UNSAFE = {
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a link to a device": lambda file: file.symlink_to("/dev/zero"),
    "a link out of the folder": lambda file: file.symlink_to("../private"),
    "a link by the whole path": lambda file: file.symlink_to(file.parent.parent / "private"),
    "a link to the environment": lambda file: file.symlink_to("/proc/self/environ"),
    "a link over a linked folder": lambda file: (
        (file.parent / "sub").symlink_to(".."), file.symlink_to("sub/private")
    ),
    "a link to nowhere": lambda file: file.symlink_to("nowhere"),
    "a link to itself": lambda file: file.symlink_to(file.name),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", UNSAFE)
def test_what_is_not_the_folders_own_file_is_refused(kind, reader, file):
    UNSAFE[kind](file)
    with pytest.raises(CheckpointError, match="model"):
        READERS[reader](file)
    assert not (file.parent.parent / "copy").exists()


@pytest.mark.parametrize("reader", READERS)
def test_ordinary_files_and_links_inside_are_read(reader, file):
    (file.parent / "own").write_text("{}")
    file.symlink_to("own")
    READERS[reader](file)
    file.unlink()
    file.write_text("{}")
    READERS[reader](file)


def test_links_of_the_users_own_are_followed_when_asked_for(file, monkeypatch):
    file.symlink_to("../private")
    monkeypatch.setenv(guarded_files.FOLLOW_LINKS, "1")
    assert read_model_json(file) == {"token": "hf_secret"}
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(CheckpointError, match="a pipe"):
        read_model_json(file)


@pytest.mark.parametrize("proc", [True, False], ids=["by the system", "by name"])
def test_the_checked_file_is_the_opened_file(file, monkeypatch, proc):
    """The name is exchanged for a link between the first look and the opening."""
    file.write_text("{}")
    real, readlink = os.open, os.readlink

    def exchanged(path, *args, **kwargs):
        if Path(path) == file:
            file.unlink()
            file.symlink_to("../private")
        return real(path, *args, **kwargs)

    def without_proc(path, *args, **kwargs):
        if not proc and str(path).startswith("/proc"):
            raise FileNotFoundError(2, "no /proc here", path)
        return readlink(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", exchanged)
    monkeypatch.setattr(os, "readlink", without_proc)
    with pytest.raises(CheckpointError, match="outside its folder"):
        read_model_bytes(file)


def test_a_file_replaced_by_a_pipe_does_not_block(file, monkeypatch):
    file.write_text("{}")
    real = os.open

    def exchanged(path, *args, **kwargs):
        if Path(path) == file:
            file.unlink()
            os.mkfifo(file)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(CheckpointError, match="a pipe"):
        read_model_bytes(file)


def test_descriptors_are_closed(file):
    def count() -> int:
        return len(os.listdir("/dev/fd"))

    file.write_text("no JSON")
    before = count()
    for _ in range(5):
        with pytest.raises(CheckpointError):
            read_model_json(file)
        with pytest.raises(CheckpointError):
            read_model_bytes(file, 3)
    assert count() == before


def test_sizes_are_bounded(file):
    with open(file, "wb") as made:
        made.truncate(10**12)
    for reader in ("bytes", "text", "json", "copy", "folder"):
        with pytest.raises(CheckpointError, match=r"1,000\.0 GB"):
            READERS[reader](file)
    with open_model_file(file) as descriptor:  # weights may have any size
        assert stat.S_ISREG(os.fstat(descriptor).st_mode)


def test_a_copy_ends_where_the_file_ended(file, monkeypatch):
    """A file that grows while it is copied is not followed for ever."""
    file.write_bytes(b"x" * 10)
    real = guarded_files.read_all

    def growing(descriptor, count):
        with open(file, "ab") as more:
            more.write(b"y" * 10)
        return real(descriptor, count)

    monkeypatch.setattr(guarded_files, "read_all", growing)
    copy_model_file(file, file.parent.parent / "copy")
    assert (file.parent.parent / "copy").read_bytes() == b"x" * 10


def test_text_that_is_not_utf8_is_refused(file):
    file.write_bytes(b"ab\xff")
    with pytest.raises(CheckpointError, match="byte 2 is not UTF-8"):
        read_model_text(file)


# --- no other way ---

PACKAGE = Path(guarded_files.__file__).parent
WAYS = {
    "open", "fdopen", "read_text", "read_bytes", "copy", "copy2", "copyfile", "copyfileobj", "copytree", "load", "from_file",
    "safe_open", "memmap", "fromfile", "ZipFile", "is_zipfile", "cmp", "run", "read_csv",
}  # fmt: skip
"""Names of what can read a file by its path, of builtins, os, shutil, pathlib, json, torch, numpy, safetensors, tokenizers."""
OWNERS = {
    None, "os", "io", "shutil", "json", "yaml", "pickle", "torch", "np", "numpy", "safetensors", "zipfile", "filecmp", "Path",
    "Tokenizer", "mmap", "codecs", "subprocess",
}  # fmt: skip
"""What these names are asked of; `read_text` and its like are counted whatever they are asked of."""
EXCEPTIONS = {
    ("guarded_files.py", "os.open"): "the one place",
    ("guarded_files.py", "open"): "a descriptor that was guarded, and the new file of a copy",
    ("checkpoints/pickle_files.py", "open"): "a guarded descriptor",
    ("checkpoints/pickle_files.py", "zipfile.ZipFile"): "over a guarded descriptor",
    ("checkpoints/pickle_files.py", "zipfile.is_zipfile"): "over a guarded descriptor",
    ("adapters/parts.py", ".read_bytes"): "the parts of an extraction, made here",
    ("adapters/parts.py", "safe_open"): "the parts of an extraction, made here",
    ("adapters/parts.py", "safetensors"): "the parts of an extraction, made here",
    ("adapters/parts.py", "safetensors.torch"): "the parts of an extraction, made here",
    ("analysis/gathering/statistics_file.py", "os.fdopen"): "a file of the user's cache, to be written",
    ("cli/search.py", ".read_text"): "text files that the user names",
    ("evaluation/task_files.py", ".read_text"): "a task's file that the user names",
    ("kernels/compiler.py", ".read_bytes"): "the package's own modules, for the name of the cache",
    ("lessons/questions.py", ".read_text"): "the questions that nbmerge ships",
    ("methods/numerics/gathered.py", "safe_open"): "statistics that the recipe names, ordinary files only",
    ("methods/numerics/gathered.py", "safetensors"): "statistics that the recipe names, ordinary files only",
    ("pages/document.py", ".read_text"): "scripts and styles that nbmerge ships",
    ("whole_files.py", "os.fdopen"): "a new file, to be written",
    ("whole_files.py", "os.open"): "a new file that is no link, to be written",
    ("statistics/store.py", "open"): "a guarded descriptor, and the store's own files in the user's cache",
    ("statistics/store.py", "np.load"): "the store's own files in the user's cache, allow_pickle=False",
    ("statistics/store.py", "os.fdopen"): "writes the store's own file",
    ("checkpoints/hub/download.py", "open"): "the partial file of a download, made here",
    (
        "checkpoints/hub/layout.py",
        "shutil.copyfile",
    ): "a blob that was compared with its checksum, where the disk has no links",
    ("engine/output/commit.py", "os.open"): "the folder beside the output, to lock it",
    ("engine/compute/positioned_io.py", "os.open"): "output files of this process",
    ("engine/output/direct_io.py", "os.open"): "output files of this process",
    ("engine/output/journal.py", "os.open"): "the journal beside the output, new and not followed",
    ("engine/output/journal.py", "open"): "the journal beside the output",
    ("engine/output/lease.py", ".read_text"): "the lease beside the output",
    ("engine/output/weights_file.py", "os.open"): "the file that this process has just written",
    ("engine/output/weights_file.py", "open"): "the same file, for its header",
    ("engine/cost/samples.py", "open"): "samples that it writes",
    ("engine/cost/timing.py", "open"): "a file of its own that measures the disk",
    ("engine/cost/available_memory.py", ".read_text"): "memory limits in /proc and /sys",
    ("cli/demo.py", ".read_text"): "the notebook that nbmerge ships",
    ("cli/arguments.py", "open"): "a new text file of the user's, to be written",
    ("cli/lab.py", "shutil.copyfile"): "the notebook that nbmerge ships",
    ("demo/bundle.py", ".read_text"): "the recipe that nbmerge ships",
    ("demo/train/__main__.py", ".read_text"): "a file that it has just written",
    ("widgets/controls/view.py", ".read_text"): "scripts and styles that nbmerge ships",
    ("widgets/state/texts.py", ".read_text"): "a file of texts that the user names, an ordinary one of limited size",
}


def reads(found_nodes: Iterable[ast.AST]) -> set[str]:
    """Every call in a syntax tree that may read a file by its path."""
    found = set()
    for node in found_nodes:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("safetensors"):
            found.add(str(node.module))
        if not isinstance(node, ast.Call):
            continue
        owner, name = None, None
        if isinstance(node.func, ast.Name):
            name = node.func.id
        elif isinstance(node.func, ast.Attribute):
            name = node.func.attr
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        if name in ("read_text", "read_bytes"):
            found.add(f".{name}")
        elif name in WAYS and owner in OWNERS and not (owner is None and name in ("copy", "load", "run", "cmp")):
            found.add(f"{owner}.{name}" if owner else name)
    return found


def test_nothing_else_opens_files():
    found = {
        (file.relative_to(PACKAGE).as_posix(), call) for file in PACKAGE.rglob("*.py") for call in reads(nodes(file))
    }
    assert found - set(EXCEPTIONS) == set(), "use nbmerge.guarded_files for model folders, or give the reason above"
    assert set(EXCEPTIONS) - found == set(), "exceptions that are none any more"


@pytest.mark.parametrize(
    "source",
    ["open(folder / name)", "(folder / name).read_text()", "shutil.copyfile(a, b)", "json.load(open(f))", "np.load(f)",
     "Tokenizer.from_file(f)", "torch.load(f)", "safe_open(f, 'pt')", "os.open(f, 0)", "filecmp.cmp(a, b)",
     "folder.joinpath(n).read_bytes()", "from safetensors.torch import load_file"],
)  # fmt: skip
def test_the_scan_sees_every_way(source):
    assert reads(ast.walk(ast.parse(source)))
