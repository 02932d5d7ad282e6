"""A table of distances, from the command line."""

import pandas as pd

from tests.cli.commands import run
from tests.models import read_tensors


def test_measure_writes_a_table(family, tmp_path):
    shown = run("measure", family.base, family.ft1, family.ft2)
    assert shown.exit_code == 0
    assert run("measure", family.base, family.ft1, family.ft2, "-o", tmp_path / "t.csv").exit_code == 0
    assert (tmp_path / "t.csv").read_text() == shown.stdout
    assert len(pd.read_csv(tmp_path / "t.csv")) >= len(read_tensors(family.base))


def test_measure_refuses_before_it_works(tmp_path):
    done = run("measure", "nowhere", "nothing", "-o", tmp_path / "t.xlsx")
    assert done.exit_code == 1
    assert "neither .csv nor .parquet" in done.stderr
    assert "Create it first" in run("measure", "nowhere", "nothing", "-o", tmp_path / "no" / "t.csv").stderr
