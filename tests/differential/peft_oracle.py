"""Runs in mergekit's own environment, which has peft: combines adapters with peft, and loads those that we merged.

Called as ``python peft_oracle.py FOLDER``. FOLDER holds job.json: ``base``, ``adapters`` (folders), and ``cases``, a list of
``{id, arguments, ours}``, the arguments of ``add_weighted_adapter`` and the folder of our adapter; and masks.safetensors, which
take the place of random ones in the order of their names. The changes of every module go to changes.safetensors as
``ID/theirs/MODULE`` and ``ID/ours/MODULE``, and what the adapted models generate to generated.json.
Of ``pairs``, a list of ``{id, base, one, other}`` with two adapters each, the largest difference of the models with them, and how
much the first adapter changes, go to pairs.json.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from peft.utils import merge_utils
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM


def changes(model: PeftModel, adapter: str) -> dict[str, torch.Tensor]:
    """s·BA of every module that an adapter has."""
    return {
        name: module.get_delta_weight(adapter).detach().contiguous().clone()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight") and (adapter in module.lora_A or adapter in module.lora_embedding_A)
    }


def whole(base: str, adapter: str | None) -> dict[str, torch.Tensor]:
    """The tensors of a model with an adapter."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return (model if adapter is None else PeftModel.from_pretrained(model, adapter).merge_and_unload()).state_dict()


def compare(pair: dict[str, str]) -> tuple[float, float]:
    """The largest difference of a model with either adapter, and that with the first from the model itself."""
    one, other, plain = (whole(pair["base"], adapter) for adapter in (pair["one"], pair["other"], None))
    return tuple(max(float((t - found[n]).abs().max()) for n, t in one.items()) for found in (other, plain))


def main(folder: Path) -> None:
    """Compute all cases."""
    job, masks = json.loads((folder / "job.json").read_text()), load_file(folder / "masks.safetensors")
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(job["base"]), job["adapters"][0], adapter_name="0"
    )
    for i, adapter in enumerate(job["adapters"][1:], start=1):
        model.load_adapter(adapter, adapter_name=str(i))
    found, generated = {}, {}
    for case in job["cases"]:
        left = iter(masks[name] for name in sorted(masks))
        merge_utils.random_pruning = lambda tensor, density, rescale, left=left: tensor * next(left) / density
        model.add_weighted_adapter(adapter_name=f"{case['id']}-theirs", **case["arguments"])
        model.load_adapter(case["ours"], adapter_name=f"{case['id']}-ours")
        for whose in ("theirs", "ours"):
            own = changes(model, f"{case['id']}-{whose}")
            found |= {f"{case['id']}/{whose}/{module}": change for module, change in own.items()}
        model.set_adapter(f"{case['id']}-ours")
        tokens = model.generate(torch.tensor([[1, 5, 6]]), max_new_tokens=4, do_sample=False)
        generated[case["id"]] = tokens.tolist()
    save_file(found, folder / "changes.safetensors")
    (folder / "generated.json").write_text(json.dumps(generated))
    (folder / "pairs.json").write_text(json.dumps({pair["id"]: compare(pair) for pair in job["pairs"]}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
