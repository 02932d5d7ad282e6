"""Runs in mergekit's own environment: computes every case of a folder in one process.

Called as ``python oracle.py FOLDER``. FOLDER holds inputs.safetensors and cases.json, a list of
``{id, method, tensors, parameters, base_index, seed, dtype}``: computed in dtype, rounded to the inputs' own; without
a dtype mergekit chooses both. Results go to outputs.safetensors, refusals to errors.json.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from mergekit.merge_methods.api import merge_tensors
from safetensors.torch import load_file, save_file


def main(folder: Path) -> None:
    """Compute all cases."""
    torch.set_num_threads(1)
    inputs = load_file(folder / "inputs.safetensors")
    outputs, errors = {}, {}
    for case in json.loads((folder / "cases.json").read_text()):
        tensors = [inputs[name].clone() for name in case["tensors"]]
        dtype = tensors[0].dtype
        torch.manual_seed(case["seed"])
        try:
            result = merge_tensors(
                tensors,
                case["method"],
                parameters=case["parameters"],
                base_index=case["base_index"],
                dtype=getattr(torch, case["dtype"]) if case["dtype"] else None,
                out_dtype=dtype if case["dtype"] else None,
            )
            outputs[case["id"]] = result.contiguous().clone()
        except Exception as error:
            errors[case["id"]] = f"{type(error).__name__}: {error}"
    save_file(outputs, folder / "outputs.safetensors")
    (folder / "errors.json").write_text(json.dumps(errors))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
