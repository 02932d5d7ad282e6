"""What decides rounding is part of a merge: it is not mixed with another, and it is named where results differ."""

import json
import os
import subprocess
import sys
import threading

import pytest
import torch

from nbmerge.engine.compute import arithmetic as arithmetic_module
from nbmerge.engine.compute.arithmetic import RECORD, arithmetic, difference
from nbmerge.engine.merge import merge
from nbmerge.engine.output.folder import MANIFEST
from nbmerge.engine.planning.planner import plan
from nbmerge.engine.verify import verify
from nbmerge.errors import MergeStopped
from nbmerge.recipe import Recipe
from tests.engine.output.faults import contents

DEFAULT = {"ATEN_CPU_CAPABILITY": "default"}
capable = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="this processor has no other instructions"
)


@pytest.fixture
def uneven(family) -> Recipe:
    """A merge by a method whose bytes depend on the processor's libraries."""
    inputs = [{"model": str(m), "parameters": {"weight": 0.3}} for m in (family.ft1, family.ft2)]
    return Recipe.of({"merge_method": "iso_c", "base_model": str(family.base), "models": inputs})


def elsewhere(code: str, *words: object, **variables: str) -> str:
    """What a program prints in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, check=True, text=True, capture_output=True, env=os.environ | variables).stdout


@pytest.fixture
def other(monkeypatch):
    """Another processor, from now on."""

    def change() -> None:
        monkeypatch.setattr(arithmetic_module, "_processor", lambda: "NEON")
        monkeypatch.setattr(arithmetic_module, "_rounding", lambda compute: "00000000")

    return change


def unfinished(recipe: Recipe, out) -> None:
    """Stop a merge after ten tensors."""
    stop = threading.Event()
    listener = lambda e: stop.set() if e.tensors_done >= 10 else None  # noqa: E731
    with pytest.raises(MergeStopped):
        merge(recipe, out, cancel=stop, progress=listener, threads=1)


def test_the_record_does_not_depend_on_threads():
    found = arithmetic()
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            arithmetic_module._rounding.cache_clear()
            assert arithmetic() == found
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@capable
@pytest.mark.slow
def test_the_record_differs_exactly_where_processors_round_differently():
    code = "import json; from nbmerge.engine.compute.arithmetic import arithmetic; print(json.dumps(arithmetic()))"
    same, default, mkl = (json.loads(elsewhere(code, **v)) for v in ({}, DEFAULT, {"MKL_CBWR": "COMPATIBLE"}))
    assert same == arithmetic()
    assert default["processor"] == "DEFAULT"
    assert not torch.backends.mkl.is_available() or mkl["libraries"] != same["libraries"]
    assert same["rounding"] == default["rounding"] == mkl["rounding"]


def test_methods_without_library_calls_record_no_processor(family):
    models = [str(family.base), str(family.ft1)]
    slerp = Recipe.of({"merge_method": "slerp", "base_model": models[0], "models": models, "parameters": {"t": 0.3}})
    assert arithmetic(plan(slerp).tensors).keys() == {"nbmerge", "torch", "rounding"}
    assert arithmetic(plan(slerp.replace(merge_method="arcee_fusion", parameters={})).tensors) == arithmetic()


def test_the_checksum_file_has_it_and_the_weights_do_not(uneven, tmp_path, other):
    one = merge(uneven, tmp_path / "one").path
    assert json.loads((one / MANIFEST).read_text())[RECORD] == arithmetic()
    other()
    two = merge(uneven, tmp_path / "two").path
    assert json.loads((two / MANIFEST).read_text())[RECORD]["processor"] == "NEON"
    assert {n for n, data in contents(one).items() if data != contents(two)[n]} == {MANIFEST}


def test_an_unfinished_merge_of_another_processor_is_started_over_with_a_note(uneven, tmp_path, other):
    unfinished(uneven, tmp_path / "out")
    other()
    done = []
    result = merge(uneven, tmp_path / "out", progress=lambda e: done.append(e.tensor) if e.kind == "tensor" else None)
    assert len(done) == len(result.plan.tensors)
    ((words, count),) = [(w, n) for w, n in result.notes.items() if "computed again" in w]
    assert count == 10
    assert f"processor {torch.backends.cpu.get_cpu_capability()}, libraries" in words
    assert words.endswith("processor NEON, libraries 00000000 now)")


def test_an_unfinished_merge_of_the_same_processor_is_resumed(uneven, tmp_path):
    unfinished(uneven, tmp_path / "out")
    result = merge(uneven, tmp_path / "out")
    assert not any("computed again" in words for words in result.notes)


def test_arithmetic_of_another_merge_is_not_reported(uneven, tmp_path, other):
    unfinished(uneven.replace(parameters={"lambda": 0.4}), tmp_path / "out")
    other()
    assert not any("computed again" in words for words in merge(uneven, tmp_path / "out").notes)


def test_verify_names_the_processor(uneven, tmp_path, other, monkeypatch):
    out = merge(uneven, tmp_path / "out").path
    assert "rounds differently" not in str(verify(out, derive=True))
    other()
    assert "computed again here may differ" in str(verify(out))
    assert "rounds differently" not in str(verify(out, derive=True))  # it came out the same
    changed = plan(uneven.replace(parameters={"lambda": 0.31}))
    monkeypatch.setattr("nbmerge.engine.verify.make_plan", lambda recipe: changed)
    found = str(verify(out, derive=True))
    assert "processor NEON" in found
    assert "likely cause, rather than the recipe or its models" in found


def test_verify_of_a_folder_of_an_older_version(uneven, tmp_path):
    out = merge(uneven, tmp_path / "out").path
    manifest = json.loads((out / MANIFEST).read_text())
    del manifest[RECORD]
    (out / MANIFEST).write_text(json.dumps(manifest))
    assert verify(out, derive=True).ok
    assert "processor unknown" in str(verify(out))


@capable
@pytest.mark.slow
def test_a_merge_is_of_one_processor(uneven, tmp_path):
    """Stopped with all instructions and gone on with without them: the bytes are those of a whole run without."""
    code = "import sys, nbmerge as nbm; nbm.merge(nbm.Recipe.load(sys.argv[1]), sys.argv[2])"
    (tmp_path / "recipe.yml").write_text(uneven.to_yaml())
    unfinished(uneven, tmp_path / "out")
    for name in ("out", "whole"):
        elsewhere(code, tmp_path / "recipe.yml", tmp_path / name, **DEFAULT)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert contents(tmp_path / "out") != contents(merge(uneven, tmp_path / "here").path)


def test_differences_in_words():
    assert difference({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) is None
    assert difference({"a": "1", "b": "2"}, {"a": "1", "b": "3"}) == "b 2 then and b 3 now"
    assert difference({}, {"a": "1"}) == "a unknown then and a 1 now"
