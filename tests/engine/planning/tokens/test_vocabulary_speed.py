"""Three vocabularies of 150,000 tokens: aligned in less than 2 s of one processor and 500 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice, product
from pathlib import Path
from string import ascii_lowercase

import pytest

from tests.models import make_model

TOKENS = 150_000
SCRIPT = """
import json, resource, sys, time
from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe
import nbmerge.engine.compute.pool
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
recipe = Recipe.of(json.loads(sys.argv[1]))
made = plan(recipe)
first = time.process_time() - began
began = time.process_time()
plan(recipe.replace(random_seed=1))
again = time.process_time() - began
megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
print(json.dumps([first, again, megabytes, made.config["vocab_size"]]))
"""


def large(folder: Path, name: str, added: int) -> str:
    """A model whose BPE tokenizer has many tokens, each with its merge, and some added ones."""
    words = ["".join(w) for n in (2, 3, 4) for w in islice(product(ascii_lowercase, repeat=n), TOKENS)]
    vocab = {t: i for i, t in enumerate(["<unk>", *ascii_lowercase, *words][:TOKENS])}
    merges = [[t[:-1], t[-1]] for t in vocab if 1 < len(t) < 5]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    extra = [{"id": TOKENS + i, "content": f"<|{name}{i}|>", **flags} for i in range(added)]
    part = {"type": "BPE", "vocab": vocab, "merges": merges, "unk_token": "<unk>"}
    make_model(folder / name, layers=1, vocab=TOKENS + added, tokenizer=False)
    (folder / name / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": extra, "model": part}))
    return str(folder / name)


@pytest.mark.slow
@pytest.mark.benchmark
@pytest.mark.parametrize("rows", ["owners", "method"])
def test_three_large_vocabularies(tmp_path, rows):
    models = [large(tmp_path, name, 200 * i) for i, name in enumerate(("base", "a", "b"))]
    recipe = {
        "merge_method": "linear", "models": models, "base_model": models[0], "parameters": {"weight": 1.0},
        "tokenizer": {"source": "union", "rows": rows},
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(recipe)], capture_output=True, text=True, check=True
    )
    first, again, megabytes, length = json.loads(done.stdout)
    print(f"{rows}: {first:.2f} s, again {again:.2f} s, {megabytes:.0f} MB")
    assert length == TOKENS + 600
    assert first < 2.0
    assert again < 0.5
    assert megabytes < 500
