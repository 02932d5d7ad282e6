"""`nbmerge measure`."""

import io
import json

import pandas as pd
import pytest

from tests.cli.commands import run
from tests.models import read_tensors


def test_measure_in_every_format(family, tmp_path):
    models = (family.base, family.ft1, family.ft2)
    as_csv = run("measure", *models, "--csv").stdout
    table = pd.read_csv(io.StringIO(as_csv))
    assert len(table) == len(read_tensors(family.base))
    rows = json.loads(run("measure", *models, "--json").stdout)
    assert [row["change[ft1]"] for row in rows] == pytest.approx(table["change[ft1]"].tolist())
    shown = run("measure", *models).stdout.splitlines()
    head = next(line for line in shown if line.startswith("tensor "))
    assert "change[ft2]" in head.split()
    assert len(shown) - shown.index(head) - 1 == len(table)
    written = run("measure", *models, "-o", tmp_path / "t.csv", "--quiet")
    assert written.stdout == ""
    assert (tmp_path / "t.csv").read_text() == as_csv
    assert run("measure", *models, "--json", "--csv").exit_code == 2


def test_measure_refuses_before_it_works(tmp_path):
    done = run("measure", "nowhere", "nothing", "-o", tmp_path / "t.xlsx")
    assert done.exit_code == 1
    assert "ends neither in .csv nor in .parquet" in done.stderr
    assert "Create it first" in run("measure", "nowhere", "nothing", "-o", tmp_path / "no" / "t.csv").stderr
