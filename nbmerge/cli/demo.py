"""``nbmerge demo``: merge the bundled models and print the results."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbmerge.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.engine.live import LiveMerge
    from nbmerge.recipe import Recipe
    from nbmerge.sampling import Loaded

FLAT = tuple(i / 20 for i in range(4, 15))
"""Weights that are tried for all layers; below 0.2 and above 0.7 both skills score lower."""

PLOTS = ("gradients.png", "distances.png")
"""Names of the plots."""


def demo(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for the merged model, the plots and the notebook.")
    ] = Path("demo-output"),
) -> None:
    """Merge the bundled models with one weight and with a gradient, compare them, and write the merged model and plots."""
    began = time.perf_counter()
    check_demo_folder(out.expanduser())
    from nbmerge import demo as bundled
    from nbmerge.cli.run_notebook import execute_notebook
    from nbmerge.cli.terminal.plot_files import write_plots
    from nbmerge.engine.live import live
    from nbmerge.sampling import compare, load

    print("A base model and two fine-tunes of it, each good at one skill. A good merge has both skills.\n")
    recipe, family = bundled.recipe(), bundled.family()
    parents = {name: load(folder) for name, folder in {"base": family.base, **family.experts}.items()}
    merge = live(recipe)
    print("Share of correct answers on 300 held-out words:\n")
    print(measure_skills(parents, merge).to_string(float_format="{:.0%}".format), end="\n\n")
    print(compare({**parents, "merge": merge}, bundled.PROMPTS, progress=False), end="\n\n")

    out = out.expanduser().absolute()
    model = write_model(recipe, out / "merged")
    plots = write_plots(recipe, out)
    notebook = execute_notebook(out)
    print(f"Done in {time.perf_counter() - began:.0f} s.")
    print(f"  merged model  {model}")
    for plot in plots:
        print(f"  plot          {plot}")
    print(f"  notebook      {notebook or 'not executed: Jupyter is not installed (pip install jupyterlab)'}")
    print("\nTo draw the curves yourself: nbmerge lab")


def check_demo_folder(out: Path) -> None:
    """Refuse a folder in which the demo would replace files that no earlier demo wrote.

    Raises
    ------
    OutputError
    """
    from nbmerge.cli.shipped_notebooks import find_notebook
    from nbmerge.engine.output import MANIFEST, refuse_foreign

    elsewhere = "Choose another output folder: --out demo-output"
    if (out / "config.json").exists():
        raise OutputError(f"{out} is a model folder. {elsewhere}")
    model, shipped = out / "merged", find_notebook()
    if model.is_dir() and any(model.iterdir()):
        refuse_foreign(model)
    plots = [out / name for name in PLOTS if (out / name).exists()]
    if plots and not (model / MANIFEST).is_file():
        raise OutputError(f"{plots[0]} exists and was not written by an earlier demo. {elsewhere}")
    notebook = out / shipped.name
    if notebook.exists() and _read_cells(notebook) != _read_cells(shipped):
        raise OutputError(f"{notebook} has been edited and would be replaced. {elsewhere}")


def _read_cells(notebook: Path) -> list[str] | None:
    """The source of each cell of a notebook; None if it cannot be read."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return ["".join(cell["source"]) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measure_skills(parents: Mapping[str, Loaded], gradient: LiveMerge) -> pd.DataFrame:
    """Measure the parents, the best merge with a single weight, and the gradient merge: models × skills."""
    import pandas as pd

    from nbmerge import demo as bundled
    from nbmerge.engine.live import live
    from nbmerge.sampling import limit_threads

    merge, flat = live(bundled.flat(FLAT[0])), {}
    with limit_threads(merge.model):
        table = {name: bundled.skills(model) for name, model in parents.items()}
        for weight in FLAT:
            merge.update(bundled.flat(weight))
            flat[weight] = bundled.skills(merge)
        best = max(flat, key=lambda weight: min(flat[weight].values()))
        table[f"merge, single weight (best from {FLAT[0]} to {FLAT[-1]}: {best})"] = flat[best]
        table["merge, gradient"] = bundled.skills(gradient)
    return pd.DataFrame(table).T


def write_model(recipe: Recipe, out: Path) -> Path:
    """Write the merged model as a model folder."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.merge import merge

    with progress_bar("Merging") as listener, stop_on_ctrl_c() as cancel:
        return merge(recipe, out, overwrite=True, progress=listener, cancel=cancel).path
