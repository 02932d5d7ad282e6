"""Every architecture of the installed transformers that has words, tried: merged with a gradient, and stacked.

    python -m tests.architectures [NAME ...] [--out FILE] [--batch 20] [--gigabytes 5]

Batches run in child processes, one at a time, under a limit of memory. Prints a table of counts and every exception.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

KINDS = {
    "causal language models": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "encoder-decoders": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "encoders": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "text encoders": "MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES",
}


def architectures() -> dict[str, tuple[str, str]]:
    """Class names with the kind and the model type that transformers lists them under; the first is kept."""
    from transformers.models.auto import modeling_auto

    found: dict[str, tuple[str, str]] = {}
    for kind, table in KINDS.items():
        for model_type, names in getattr(modeling_auto, table).items():
            for name in [names] if isinstance(names, str) else names:
                found.setdefault(name, (kind, model_type))
    return found


def child(batch: Sequence[str], gigabytes: float) -> None:
    """Try a batch, and print each outcome as soon as it is known."""
    import logging
    import warnings

    limit = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("ignore")
    import torch

    from tests.architectures.trial import try_architecture

    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    known = architectures()
    with tempfile.TemporaryDirectory() as folder:
        for name in batch:
            print(json.dumps({"began": name}), flush=True)
            for outcome in try_architecture(known[name][1], name, Path(folder) / name):
                print(json.dumps(outcome.plain()), flush=True)


def run(names: Sequence[str], batch: int, gigabytes: float, out: Path | None = None) -> list[dict[str, str]]:
    """Every outcome, written as far as it is known; an architecture at which a child died is one that fails."""
    outcomes: list[dict[str, str]] = []
    left = list(names)
    while left:
        now, left = left[:batch], left[batch:]
        command = [sys.executable, "-m", "tests.architectures", "--child", "--gigabytes", str(gigabytes), *now]
        lines, died = [], ""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60 * len(now),
                                  env={**os.environ, "TRANSFORMERS_VERBOSITY": "critical"})  # fmt: skip
            lines, died = (
                done.stdout.splitlines(),
                f"status {done.returncode}: {done.stderr[-200:]}" if done.returncode else "",
            )
        except subprocess.TimeoutExpired as error:
            lines, died = (error.stdout or b"").decode().splitlines(), "no end within the time"
        said = [json.loads(line) for line in lines if line.startswith("{")]
        begun = [line["began"] for line in said if "began" in line]
        outcomes += [line for line in said if "result" in line]
        if died:
            last = begun[-1] if begun else now[0]
            outcomes.append({"architecture": last, "kind": "gradient", "result": "fails", "why": died, "warnings": ""})
            left = [n for n in now if n not in begun and n != last] + left
        if out is not None:
            out.write_text(json.dumps(outcomes, indent=1))
        print(f"{len(names) - len(left)} of {len(names)}", file=sys.stderr, flush=True)
    return outcomes


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--child", action="store_true")
    given = parser.parse_args()
    if given.child:
        child(given.names, given.gigabytes)
        return
    known = architectures()
    outcomes = run(given.names or list(known), given.batch, given.gigabytes, given.out)
    counts = Counter((known[o["architecture"]][0], o["kind"], o["result"]) for o in outcomes)
    for (kind, how, result), count in sorted(counts.items()):
        print(f"| {kind} | {how} | {result} | {count} |")
    for o in outcomes:
        if o["result"] != "works":
            print(f"{o['architecture']} {o['kind']} {o['result']}: {o['why']}")


if __name__ == "__main__":
    main()
