"""Adapters as whole processes, imports included: extraction beside mergekit-extract-lora, and merging beside peft, in one run.

    python -m tests.benchmarks.bench_adapters MODELS [--size 1.1b] [--rank 32] [--what extract,merge] [--rounds 3]

MODELS is a folder that `tests.benchmarks.shapes` fills (it is filled where it is empty). Beside its fine-tunes, whose changes are
noise without a structure, stands one whose changes have decaying singular values, as those of real fine-tunes do: both are
extracted. Rounds take turns in rotating order, and medians count. "held" is the share of ‖δ‖² of all matrices with factors that
the written adapter holds, from its files. mergekit's Python is named by NBMERGE_MERGEKIT_PYTHON, peft's by NBMERGE_PEFT_PYTHON;
without them only ours is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.shapes import SIZES, family

OURS = "from nbmerge.cli import main; main()"
PEFT = """
import sys, torch
from transformers import AutoModelForCausalLM
from peft import PeftModel
base, one, two, rank, out = sys.argv[1:]
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype="auto"), one, adapter_name="one")
model.load_adapter(two, adapter_name="two")
with torch.no_grad():
    model.add_weighted_adapter(["one", "two"], [0.7, 0.5], "both", combination_type="svd", svd_rank=int(rank), svd_full_matrices=False)
model.save_pretrained(out, selected_adapters=["both"])
"""
DECAYING = 64
"""Rank of the structured part of a fine-tune with decaying singular values."""


def write_decaying(base: Path, folder: Path) -> Path:
    """A fine-tune whose changes are a sum of outer products of falling size, and noise."""
    if (folder / "config.json").is_file():
        return folder
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    falling = 1 / torch.arange(1, DECAYING + 1)
    for file in base.glob("*.safetensors"):
        shard = load_file(file)
        for name, weight in shard.items():
            if len(weight.shape) == 2 and "layers" in name:
                left, right = (torch.randn(n, DECAYING, generator=generator) for n in weight.shape)
                change = 0.003 * (left * falling) @ right.T
                shard[name] = (
                    weight.float() + change + torch.empty_like(change).normal_(0, 3e-4, generator=generator)
                ).to(weight)
        save_file(shard, folder / file.name, metadata={"format": "pt"})
    return folder


def measured(command: list[str], made: Path) -> tuple[float, float, float]:
    """(wall seconds, processor seconds, peak memory in MB) of one process, which must write a file."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if (
        not made.is_file()
    ):  # mergekit ends with an error where its card cannot ask the Hub, after the weights are written
        sys.exit(f"{' '.join(command)}\n{errors.decode()}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def held(adapter: Path, base: Path, model: Path) -> float:
    """The share of ‖δ‖² of the matrices inside the layers that an adapter holds."""
    from safetensors import safe_open

    config = json.loads((adapter / "adapter_config.json").read_text())
    kept = total = 0.0
    with safe_open(adapter / "adapter_model.safetensors", "pt") as factors:
        for name in (n for n in factors.keys() if n.endswith(".lora_A.weight") and ".layers." in n):  # noqa: SIM118
            module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            down, up = factors.get_tensor(name).float(), factors.get_tensor(name.replace("lora_A", "lora_B")).float()
            rank = config.get("rank_pattern", {}).get(module, config["r"])
            alpha = config.get("alpha_pattern", {}).get(module, config["lora_alpha"])
            delta = _tensor(model, f"{module}.weight") - _tensor(base, f"{module}.weight")
            size = float(delta.square().sum())
            total += size
            kept += size - float((delta - alpha / rank * up @ down).square().sum())
    return kept / total if total else math.nan


def _tensor(folder: Path, name: str):
    from safetensors import safe_open

    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    with safe_open(folder / index[name], "pt") as file:
        return file.get_tensor(name).float()


def extraction(model: Path, base: Path, rank: int, out: Path) -> dict[str, list[str]]:
    """The commands that take turns."""
    ours = ["extract-lora", str(model), str(base), str(out), "--rank", str(rank), "--quiet"]
    commands = {"nbmerge": [sys.executable, "-c", OURS, *ours]}
    if theirs := os.environ.get("NBMERGE_MERGEKIT_PYTHON"):
        tool = str(Path(theirs).with_name("mergekit-extract-lora"))
        named = ["--model", str(model), "--base-model", str(base), "--out-path", str(out), "--max-rank", str(rank)]
        # All matrices inside the layers, as ours; it cannot save an embedding that did not change.
        commands["mergekit"] = [tool, *named, "--quiet", "--exclude-regex", "embed_tokens|lm_head"]
    return commands


def merging(adapters: list[Path], base: Path, rank: int, out: Path) -> dict[str, list[str]]:
    """The commands that take turns."""
    names = [*map(str, adapters), str(out)]
    weights = ["--weight", "0.7", "--weight", "0.5", "--rank", str(rank), "--base", str(base), "--quiet"]
    commands = {"nbmerge": [sys.executable, "-c", OURS, "merge-adapters", *names, *weights]}
    if theirs := os.environ.get("NBMERGE_PEFT_PYTHON"):
        commands["peft"] = [theirs, "-c", PEFT, str(base), *map(str, adapters), str(rank), str(out)]
    return commands


def compare(title: str, commands: dict[str, list[str]], rounds: int, out: Path, model: Path | None, base: Path) -> None:
    """Print one line for each tool."""
    seen: dict[str, list[tuple[float, float, float]]] = {}
    shares: dict[str, float] = {}
    names = list(commands)
    for turn in range(rounds):
        for k in range(len(names)):
            name = names[(k + turn) % len(names)]
            shutil.rmtree(out, ignore_errors=True)
            folder = out / "both" if name == "peft" else out
            seen.setdefault(name, []).append(measured(commands[name], folder / "adapter_model.safetensors"))
            print(f"  {turn} {title} {name}: {seen[name][-1]}", file=sys.stderr, flush=True)
            if model is not None and name not in shares:
                shares[name] = held(folder, base, model)
    for name, runs in seen.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        other = seen[names[-1]]
        ratios = [statistics.median(a[k] / b[k] for a, b in zip(runs, other, strict=True)) for k in (0, 2)]
        share = f"{shares[name]:.4f}" if name in shares else ""
        print(
            f"| {title} | {name} | {wall:.1f} | {cpu:.1f} | {memory:.0f} | {ratios[0]:.3f} | {ratios[1]:.3f} | {share} |",
            flush=True,
        )


def main() -> None:
    """Run everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--what", default="extract,merge")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    base, one, two = family(given.models, given.size)
    decaying = write_decaying(base, given.models / f"{given.size}-decaying")
    print(
        "| what | tool | wall s | cpu s | peak MB | wall / other | peak / other | held |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(dir=given.models) as work:
        out = Path(work, "out")
        if "extract" in given.what:
            for title, model in (("extract, decaying", decaying), ("extract, noise", one)):
                compare(title, extraction(model, base, given.rank, out), given.rounds, out, model, base)
        if "merge" in given.what:
            adapters = [Path(work, name) for name in ("one", "two")]
            for model, adapter in zip((decaying, two), adapters, strict=True):
                ours = extraction(model, base, given.rank, adapter)["nbmerge"]
                subprocess.run(ours, check=True)
            compare("merge, svd", merging(adapters, base, given.rank, out), given.rounds, out, None, base)


if __name__ == "__main__":
    main()
