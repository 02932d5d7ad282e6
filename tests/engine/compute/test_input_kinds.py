"""Every kind of input is listed in one place, and a subclass is read as its nearest listed class."""

import pytest
import torch

from nbmerge.checkpoints import Checkpoint, StoredTensor
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.input_kinds import KINDS
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.engine.planning.tokens.pursuit_rows import PursuitRows


def test_a_stored_tensor_is_read_from_its_file(family):
    stored = Checkpoint.open(family.base).tensors["model.norm.weight"]
    with InputFiles() as files:
        read = Workspace(files).open(stored, 0)
        assert read(3, 2).tolist() == read(0, stored.count)[3:5].tolist()


def test_a_subclass_is_read_as_its_nearest_class():
    class Mine(Rows):
        pass

    seen = []
    kinds = {Rows: lambda *given: seen.append("rows"), PursuitRows: lambda *given: seen.append("pursued")}
    with InputFiles() as files:
        workspace = Workspace(files, kinds=kinds)
        for kind in (Mine, PursuitRows, Rows):
            workspace.open(kind.__new__(kind), 0)
    assert seen == ["rows", "pursued", "rows"]


def test_other_inputs_are_refused():
    with InputFiles() as files, pytest.raises(TypeError, match="str is not an input"):
        Workspace(files).open("a tensor", 0)


def test_kinds_go_with_workspaces_for_merges_inside(family):
    with InputFiles() as files:
        only = {StoredTensor: KINDS[StoredTensor]}
        assert Workspace(files, kinds=only).nested().kinds is only
        assert Workspace(files).nested().kinds is KINDS


def test_a_workspace_mixes_where_it_reads_unless_it_says_otherwise():
    with InputFiles() as files:
        workspace = Workspace(files)
        block = torch.ones(3)
        assert workspace.host is workspace
        assert workspace.to_device(0, block) is block
