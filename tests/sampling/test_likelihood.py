"""Perplexity and log-probabilities against transformers' own loss, and right at the seams between texts."""

import math
import threading

import pytest
import torch

from nbmerge.errors import SampleError
from nbmerge.sampling import Loaded, load, log_odds, log_probabilities, perplexity
from nbmerge.sampling.likelihood import plan_windows
from tests.models import make_model


@pytest.fixture(scope="module")
def loaded(family) -> Loaded:
    return load(family.base)


def loss(loaded: Loaded, text: str) -> float:
    """transformers' own mean of −log P."""
    ids = loaded.tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        return float(loaded.model(ids, labels=ids).loss)


@pytest.mark.parametrize("text", ["the fox ran.", "ab", "a quick brown fox jumps over the lazy dog, twice."])
def test_perplexity_is_exp_of_the_loss(loaded, text):
    assert perplexity(loaded, text) == pytest.approx(math.exp(loss(loaded, text)), rel=1e-5)


@pytest.mark.slow
def test_a_long_text_counts_every_token_once_with_what_stands_before_it(loaded):
    text = "the fox ran to the river and the duck sang all day. " * 4
    ids = loaded.tokenizer(text).input_ids
    window, stride, logs = 32, 8, []
    with torch.no_grad():
        for t in range(1, len(ids)):
            first = 0 if t < window else t - window + stride - (t - window) % stride
            row = loaded.model(torch.tensor([ids[first:t]])).logits[0, -1].log_softmax(-1)
            logs.append(float(row[ids[t]]))
    expected = math.exp(-sum(logs) / len(logs))
    assert perplexity(loaded, text, window=window, stride=stride) == pytest.approx(expected, rel=1e-4)
    assert math.isfinite(perplexity(loaded, text))  # longer than the model's 64 positions


@pytest.mark.parametrize(("count", "window", "stride"), [(2, 8, 4), (8, 8, 4), (9, 8, 4), (100, 8, 1), (33, 32, 31)])
def testplan_windows_cover_all_but_the_first_token_once(count, window, stride):
    seen = []
    for first, begin, end in plan_windows(count, window, stride):
        assert 0 <= first < begin < end <= count
        assert end - first <= window
        seen += range(begin, end)
    assert seen == list(range(1, count))


def test_a_completion_is_the_loss_of_its_tokens(loaded):
    found = log_probabilities(loaded, "the fox ", ["ran", "sang all day"])
    for completion, value in found.items():
        ids = loaded.tokenizer("the fox " + completion, return_tensors="pt").input_ids
        labels = ids.clone()
        labels[:, :8] = -100
        with torch.no_grad():
            mean = float(loaded.model(ids, labels=labels).loss)
        assert value == pytest.approx(-mean * len(completion), rel=1e-5)


def test_probabilities_of_all_single_tokens_sum_to_one(loaded):
    letters = [loaded.tokenizer.decode([i]) for i in range(32)]
    found = log_probabilities(loaded, "abc", [x for x in letters if len(x) == 1])
    others = math.exp(sum_of(loaded, "abc", [i for i, x in enumerate(letters) if len(x) != 1]))
    assert sum(map(math.exp, found.values())) + others == pytest.approx(1, abs=1e-5)


def sum_of(loaded, prompt, tokens):
    with torch.no_grad():
        logs = loaded.model(torch.tensor([loaded.tokenizer(prompt).input_ids])).logits[0, -1].log_softmax(-1)
    return float(torch.logsumexp(logs[tokens], 0))


class Merging:
    """A tokenizer in which 'n' and 'ing' grow together to one token, as in many vocabularies."""

    eos_token_id, eos_token, bos_token_id = 2, "</s>", 1

    def __call__(self, text, **_):
        ids = []
        while text:
            piece = "ning" if text.startswith("ning") else text[0]
            ids.append(31 if piece == "ning" else 4 + ord(piece) - ord("a"))
            text = text[len(piece) :]
        return {"input_ids": ids}


def test_where_a_completion_grows_into_the_prompt_both_are_scored_from_before_it(loaded):
    """'run' + 'ning' is r, u, ning + ...: not what follows 'r u n'."""
    model = Loaded(loaded.model, Merging())
    found = log_probabilities(model, "run", ["ing", "s"])

    def by_hand(ids, begin):
        with torch.no_grad():
            logs = loaded.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        return sum(float(logs[t - 1, ids[t]]) for t in range(begin, len(ids)))

    r, u, n, s = (4 + ord(c) - ord("a") for c in "runs")
    assert found["ing"] == pytest.approx(by_hand([r, u, 31], 2), rel=1e-5)
    assert found["s"] == pytest.approx(by_hand([r, u, n, s], 2), rel=1e-5)


def test_an_empty_prompt_is_scored_after_the_beginning_token(loaded):
    with torch.no_grad():
        logs = loaded.model(torch.tensor([[1]])).logits[0, -1].log_softmax(-1)
    (value,) = log_probabilities(loaded, "", ["a"]).values()
    assert value == pytest.approx(float(logs[loaded.tokenizer("a").input_ids[0]]), rel=1e-5)


def test_log_odds_weigh_any_wanted_against_any_unwanted(loaded):
    found = log_probabilities(loaded, "the ", ["fox", "dog", "zzz"])
    got = log_odds(loaded, "the ", ["fox", "dog"], "zzz")
    assert got.value == pytest.approx(math.log(math.exp(found["fox"]) + math.exp(found["dog"])) - found["zzz"])
    assert (set(got.wanted), set(got.unwanted)) == ({"fox", "dog"}, {"zzz"})
    assert log_odds(loaded, "the ", "fox").value == pytest.approx(found["fox"])


def test_a_stop_ends_between_windows(loaded):
    stop = threading.Event()
    stop.set()
    text = "the fox ran. " * 20
    assert perplexity(loaded, text, window=16, cancel=stop) == pytest.approx(perplexity(loaded, text[:16]), rel=1e-5)


def test_the_model_is_left_unchanged(family):
    loaded = load(family.base)
    loaded.model.train()
    perplexity(loaded, "abc")
    assert loaded.model.training


def test_a_text_that_cannot_be_scored_has_the_reason(loaded, tmp_path):
    with pytest.raises(SampleError, match="at least two"):
        perplexity(loaded, "a")
    with pytest.raises(SampleError, match="a completion is empty"):
        log_probabilities(loaded, "a", ["b", ""])
    with pytest.raises(SampleError, match=r"have 71 tokens; the model's context is 64"):
        log_probabilities(loaded, "a" * 70, ["b"])
    with pytest.raises(ValueError, match="both wanted and unwanted"):
        log_odds(loaded, "a", "b", ["b"])
    with pytest.raises(ValueError, match="wanted must be a text"):
        log_odds(loaded, "a", [])
    with pytest.raises(ValueError, match="stride must be"):
        perplexity(loaded, "abc", window=8, stride=8)
    broken = make_model(tmp_path / "m", replace={"model.norm.weight": torch.full((16,), torch.nan)})
    with pytest.raises(SampleError, match="logits contain NaN"):
        perplexity(broken, "abc")
