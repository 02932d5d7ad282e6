"""Tables at every width: they fit, lose no number, and stay readable in a pipe."""

import io
import itertools
import re

import pandas as pd
import pytest
from rich.cells import cell_len
from rich.console import Console

from nbmerge.cli.terminal.tables import UNLIMITED, print_table, shorten
from nbmerge.engine.check import Report
from nbmerge.problems import Problem

MODELS = [f"model-number-{i}" for i in range(12)]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Thirty-two layers of three tensors, a filter, twelve models."""
    rows = []
    for layer, part in itertools.product(range(32), ("mlp.down_proj", "mlp.up_proj", "self_attn.q_proj")):
        row = {"tensor": f"model.layers.{layer}.{part}.weight", "layer": layer, "kind": part.split(".")[0]}
        row |= {"method": "linear", "normalize": True, "epsilon": None, "density[a]": 0.5, "density[b]": 0.5}
        row |= {f"weight[{m}]": (layer + i) / 31 if "mlp" in part else 0.25 * i + layer for i, m in enumerate(MODELS)}
        rows.append(row)
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame, width: int, **options) -> list[str]:
    file = io.StringIO()
    print_table(table, Console(file=file, width=width, highlight=False, markup=False, **options))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200, UNLIMITED])
@pytest.mark.rest_is_slow(keep=3)
def test_it_fits_and_every_number_is_there(width, table):
    lines = shown(table, width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    for weight in table.filter(like="weight[").to_numpy().ravel():
        assert f"{weight:.4f}" in text
    tables = sum(line.startswith("tensor ") for line in lines)
    assert len(re.findall(r"^mod\S*eight ", text, re.MULTILINE)) == len(table) * tables


@pytest.mark.slow
def test_a_wide_terminal_has_one_table_and_a_narrow_one_several(table):
    tables = {width: sum(line.startswith("tensor ") for line in shown(table, width)) for width in (60, 80, 200)}
    assert tables[200] == 1
    assert 1 < tables[80] <= tables[60]


def test_constant_columns_stand_above_the_table(table):
    above = list(itertools.takewhile(bool, shown(table, 80)))
    assert [" ".join(line.split()) for line in above] == ["method linear", "normalize true", "density a 0.5, b 0.5"]


def test_numbers_are_right_aligned_below_their_heads(table):
    lines = shown(table, 200)
    start = next(i for i, line in enumerate(lines) if line.startswith("tensor"))
    ends = {tuple(m.end() for m in re.finditer(r"-?\d+\.\d+", line)) for line in lines[start + 1 :]}
    assert len(ends) == 1


@pytest.mark.slow
def test_names_are_whole_in_a_pipe(table):
    assert not any("…" in line for line in shown(table, UNLIMITED))
    assert any(line.startswith("model.layers.31.self_attn.q_proj.weight") for line in shown(table, UNLIMITED))


@pytest.mark.slow
def test_colours_only_where_there_is_a_terminal(table):
    assert any("\x1b[1m" in line for line in shown(table, 80, force_terminal=True))
    assert not any("\x1b" in line for line in shown(table, 80))


def test_one_row_and_no_row():
    row = pd.DataFrame([{"tensor": "a", "layer": None, "weight[b]": 0.5}])
    assert shown(row, 80) == ["weight  b 0.5", "", "tensor", "a     "[: len(shown(row, 80)[-1])]]
    assert shown(row.iloc[:0], 80)[-1].split()[0] == "tensor"


@pytest.mark.parametrize(
    ("text", "width", "wanted"),
    [
        ("short", 5, "short"),
        ("model.layers.0.mlp.up_proj.weight", 20, "mode….up_proj.weight"),
        ("a name of two-cell letters 合并模型合并模型", 12, None),
        ("abc", 1, "…"),
    ],
)
def test_names_are_shortened_in_the_middle(text, width, wanted):
    got = shorten(text, width)
    assert cell_len(got) <= width
    assert wanted is None or got == wanted


def test_a_report_has_colours_in_a_terminal_and_none_elsewhere():
    from nbmerge.cli.terminal.reports import print_report

    report = Report((Problem("error", ("models", 0), "it [bold]fails[/]"),))
    for terminal in (True, False):
        file = io.StringIO()
        print_report(report, Console(file=file, width=80, force_terminal=terminal, highlight=False, markup=False))
        assert re.sub(r"\x1b\[[\d;]*m", "", file.getvalue()) == f"{report}\n"
        assert ("\x1b[1;31merror" in file.getvalue()) == terminal
