"""`nbmerge moe`."""

import json
import subprocess
import sys

import pytest
import yaml

from tests.cli.commands import run
from tests.mixtures import mixture


def test_a_mixture_is_built_from_a_file_for_mergekit_moe(family, tmp_path):
    file = tmp_path / "moe.yml"
    file.write_text(yaml.safe_dump(mixture(family.base, [family.ft1, family.ft2])))
    checked = run("check", file)
    assert checked.exit_code == 0
    assert "Mixture of experts: 42 tensors" in checked.stdout
    shown = run("moe", file, tmp_path / "one")
    assert shown.exit_code == 0
    assert "42 tensors" in shown.stdout
    found = json.loads(run("moe", file, tmp_path / "two", "--dtype", "bfloat16", "--json").stdout)
    assert (found["ok"], found["tensors"]) == (True, 42)
    assert json.loads((tmp_path / "two/config.json").read_text())["torch_dtype"] == "bfloat16"
    assert run("verify", tmp_path / "two", "--derive").exit_code == 0


def test_a_merge_is_refused(family, tmp_path):
    file = tmp_path / "merge.yml"
    file.write_text(f"merge_method: passthrough\nmodels: [{family.ft1}]\n")
    refused = run("moe", file, tmp_path / "out")
    assert refused.exit_code == 1
    assert "not a mixture of experts" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cheap_embed", "hidden"])
def test_routers_are_built_in_a_new_process_with_threads(mode, family, tmp_path):
    """transformers is imported by one of the threads."""
    file = tmp_path / "moe.yml"
    file.write_text(yaml.safe_dump(mixture(family.base, [family.ft1, family.ft2], gate_mode=mode)))
    command = [sys.executable, "-m", "nbmerge", "moe", str(file), str(tmp_path / "out"), "--threads", "4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
