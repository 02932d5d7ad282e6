"""Old scripts call `nbmerge merge` with mergekit-yaml's options."""

import pytest

from nbmerge.cli.mergekit_flags import translate_flags


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("r.yml out --random-seed 7", "r.yml out --seed 7"),
        ("r.yml out --random-seed=7", "r.yml out --seed 7"),
        ("r.yml out -j 2 --out-shard-size 5B", "r.yml out --threads 2 --max-shard-size 5GB"),
        ("r.yml out --out-shard-size 500M", "r.yml out --max-shard-size 500MB"),
        ("r.yml out --out-shard-size 123", "r.yml out --max-shard-size 123"),
        ("r.yml out --cuda", "r.yml out --device cuda"),
        ("r.yml out --gpu-rich", "r.yml out --device cuda"),
        ("r.yml out --no-cuda", "r.yml out"),
        ("r.yml out --device cuda:1", "r.yml out --device cuda:1"),
        ("r.yml out --device=cpu", "r.yml out --device=cpu"),
        ("r.yml out -v --dtype float16", "r.yml out --dtype float16"),
        ("r.yml out --overwrite --misspelt", "r.yml out --overwrite --misspelt"),
    ],
)
def test_options_are_translated(given, wanted, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.compute.available_devices", lambda: ["cpu", "cuda"])
    output = []
    assert translate_flags(given.split(), output.append) == wanted.split()
    assert not output


def test_ignored_options_give_a_warning():
    output = []
    line = "r.yml out --lazy-unpickle --no-copy-tokenizer --allow-crimes --transformers-cache /x --multi-gpu"
    assert translate_flags(line.split(), output.append) == ["r.yml", "out"]
    assert [words.split()[0] for words in output] == [
        "--lazy-unpickle", "--no-copy-tokenizer", "--allow-crimes", "--transformers-cache", "--multi-gpu",
    ]  # fmt: skip
    assert all(" is ignored: " in words for words in output)


@pytest.mark.parametrize("flag", ["--cuda", "--gpu-rich"])
def test_scripts_for_a_gpu_run_without_one(flag, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.compute.available_devices", lambda: ["cpu"])
    output = []
    assert translate_flags(["r.yml", "out", flag], output.append) == ["r.yml", "out"]
    assert output == [f"{flag} is ignored: there is no CUDA device; merging on the processor instead."]
