"""Runs in mergekit's own environment: carries out every recipe for weights files of a folder with mergekit-pytorch.

Called as ``python pytorch_oracle.py FOLDER``. FOLDER holds recipes.json, a mapping of name to YAML. Each result goes to
FOLDER/out-NAME, refusals to errors.json.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from mergekit.scripts.merge_raw_pytorch import main as merge

OPTIONS = {"intersection": ["--tensor-intersection"], "union": ["--tensor-union"]}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    errors = {}
    for name, text in json.loads((folder / "recipes.json").read_text()).items():
        (folder / f"{name}.yml").write_text(text)
        try:
            merge(
                [str(folder / f"{name}.yml"), str(folder / f"out-{name}"), *OPTIONS.get(name, [])],
                standalone_mode=False,
            )
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {error}"
    (folder / "errors.json").write_text(json.dumps(errors))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
