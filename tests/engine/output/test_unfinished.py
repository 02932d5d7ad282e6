"""What a stopped merge keeps is found and discarded; a free name is proposed."""

import threading

import pytest

from nbmerge.engine.merge import merge
from nbmerge.engine.output import discard_unfinished, find_unfinished, propose_output
from nbmerge.errors import MergeStopped


def test_a_stopped_merge_is_found_and_discarded(family, tmp_path):
    recipe = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    stop, out = threading.Event(), tmp_path / "out"
    assert find_unfinished(out) is None
    with pytest.raises(MergeStopped):
        merge(recipe, out, cancel=stop, threads=1, progress=lambda event: event.tensors_done and stop.set())
    kept = find_unfinished(out)
    assert kept is not None
    assert kept.bytes > 0
    assert discard_unfinished(out) == kept.bytes
    assert list(tmp_path.iterdir()) == []
    assert discard_unfinished(out) == 0


def test_a_free_name_is_proposed(tmp_path):
    wanted = tmp_path / "merged"
    assert propose_output(wanted) == wanted
    for name in ("merged", "merged-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    assert propose_output(wanted).name == "merged-3"
    assert propose_output(tmp_path / "merged-2").name == "merged-3"
    (tmp_path / "merged-3").mkdir()  # empty
    assert propose_output(wanted).name == "merged-3"
