"""Runs in mergekit's own environment: carries out every recipe of a folder in one process.

Called as ``python recipes_oracle.py FOLDER``. FOLDER holds recipes.json, a mapping of name to YAML. Each result goes to
FOLDER/NAME, refusals to errors.json.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    errors = {}
    cache = str(folder / "adapters")  # models with an adapter applied
    options = MergeOptions(
        copy_tokenizer=False, write_model_card=False, random_seed=0, quiet=True, lora_merge_cache=cache
    )
    for name, text in json.loads((folder / "recipes.json").read_text()).items():
        try:
            config = MergeConfiguration.model_validate(yaml.safe_load(text))
            run_merge(config, str(folder / name), options)
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {error}"
    (folder / "errors.json").write_text(json.dumps(errors))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
