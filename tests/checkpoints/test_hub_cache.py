"""The local Hugging Face cache: models in it are found by their id, and nothing is fetched.

huggingface_hub reads where the cache is when it is imported, so each question is asked in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbmerge.checkpoints import cached_models
from tests.models import make_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLDER = "fedcba9876543210fedcba9876543210fedcba98"


def put(
    cache: Path, repo_id: str, commit: str = COMMIT, branch: str | None = "main", kind: str = "models", **options
) -> Path:
    """A model as huggingface_hub keeps it: blobs by hash, a snapshot of links, a branch that names the snapshot."""
    repo = cache / f"{kind}--{repo_id.replace('/', '--')}"
    plain = make_model(cache.parent / "plain" / repo_id / commit, **options)
    snapshot, blobs = repo / "snapshots" / commit, repo / "blobs"
    for folder in (snapshot, blobs, repo / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    for file in plain.iterdir():
        blob = blobs / f"{commit}-{file.name}"
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(blob)
    if branch is not None:
        (repo / "refs" / branch).write_text(commit)
    return snapshot


def ask(cache: Path, code: str):
    """Run code that prints JSON, in a process whose cache is `cache`."""
    code = (
        "import json, sys\nfrom nbmerge.checkpoints import Checkpoint, cached_models\nfrom nbmerge.errors import *\n"
        + code
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    cache = tmp_path_factory.mktemp("hf") / "hub"
    put(cache, "org/first")
    put(cache, "org/first", OLDER, branch="v1", layers=2)
    put(cache, "solo")
    put(cache, "org/data", kind="datasets")
    partial = put(cache, "org/partial")
    (partial / "model.safetensors").unlink()
    return cache


@pytest.mark.slow
def test_models_in_the_cache(cache):
    answer = ask(cache, f"""
def depth(name):
    try:
        return Checkpoint.open(name).depth
    except CheckpointError as error:
        return str(error)
names = ["org/first", "org/first@v1", "org/first@{OLDER}", "solo", "org/first@v9", "org/none", "org/partial"]
first = Checkpoint.open("org/first")
print(json.dumps({{
    "models": cached_models(), "depth": {{n: depth(n) for n in names}}, "name": first.name, "path": str(first.path),
    "files": sorted({{str(t.file) for t in first.tensors.values()}}), "torch": "torch" in sys.modules,
}}))
""")  # fmt: skip
    assert answer["models"] == ["org/first", "org/partial", "solo"]
    depth = answer["depth"]
    assert (depth["org/first"], depth["org/first@v1"], depth[f"org/first@{OLDER}"], depth["solo"]) == (3, 2, 2, 3)
    for absent in ("org/first@v9", "org/none"):
        assert "hf download" in depth[absent]
    assert "has no weights" in depth["org/partial"]
    assert answer["name"] == "first"
    assert Path(answer["path"]) == cache / "models--org--first" / "snapshots" / COMMIT
    assert not answer["torch"]  # looking at checkpoints is cheap


def test_a_missing_cache_is_no_error():
    assert cached_models() == []  # the tests' own environment
