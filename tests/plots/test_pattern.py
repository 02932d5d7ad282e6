"""What holds for all plots."""

import ast
import subprocess
import sys
from pathlib import Path

import nbmerge.plots

ROOM = Path(nbmerge.plots.__file__).parent


def test_no_pyplot_anywhere():
    for file in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = getattr(node, "module", None) or ""
            assert "pyplot" not in module
            assert not any("pyplot" in n for n in names), file.name


def test_drawing_loads_no_pyplot():
    code = (
        "import sys, pandas as pd, nbmerge.plots as p;"
        "p.to_png(p.heatmap(pd.DataFrame({'mlp': [1.0, 2.0]})));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_everything_promised_is_there():
    assert all(callable(getattr(nbmerge.plots, name)) for name in nbmerge.plots.__all__)
