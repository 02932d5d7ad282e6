"""Text token by token: the same text, told while it is written, and the latest who asks wins."""

import threading

import pytest
import torch

from nbmerge.sampling import Loaded, compare, load, sample
from nbmerge.sampling.stream import decode_continuation


@pytest.fixture(scope="module")
def loaded(family) -> Loaded:
    made = load(family.base)
    made.model.generation_config.eos_token_id = []
    return made


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_token_is_reported_and_the_text_stays_the_same(loaded, temperature):
    settings = {"max_new_tokens": 8, "temperature": temperature, "seed": 3}
    told: dict[int, list] = {0: [], 1: []}

    def listen(prompt, text, tokens):
        torch.rand(5)  # a listener's own use of randomness disturbs nothing
        told[prompt].append((text, tokens))

    plain = sample(loaded, ["abc", "de"], **settings)
    streamed = sample(loaded, ["abc", "de"], on_token=listen, **settings)
    for i, (a, b) in enumerate(zip(plain, streamed, strict=True)):
        assert a.tokens == b.tokens
        assert [len(tokens) for _, tokens in told[i]] == list(range(1, 9))
        assert told[i][-1] == (b.text, b.tokens)
        assert all(b.text.startswith(text) for text, _ in told[i])


def test_a_stop_from_the_listener_ends_at_that_token(loaded):
    stop = threading.Event()
    (got,) = sample(
        loaded, "abc", max_new_tokens=30, cancel=stop, on_token=lambda i, text, tokens: len(tokens) == 4 and stop.set()
    )
    assert len(got.tokens) == 4
    assert got.stopped


def test_an_error_of_the_listener_is_raised_and_the_model_is_released(loaded):
    own = loaded.model.generation_config

    def fail(*_):
        raise KeyError("shown")

    with pytest.raises(KeyError, match="shown"):
        sample(loaded, "abc", on_token=fail)
    assert loaded.model.generation_config is own
    assert sample(loaded, "abc", max_new_tokens=1)


def test_a_comparison_labels_its_models(loaded):
    told = []
    got = compare({"a": loaded, "b": loaded}, "abc", max_new_tokens=2, on_token=lambda *args: told.append(args))
    assert [t[:2] for t in told] == [("a", 0), ("a", 0), ("b", 0), ("b", 0)]
    assert told[-1][2] == got.samples["b"][0].text


def test_incomplete_characters_are_not_reported(loaded):
    class Bytes:
        def decode(self, tokens, **_):
            return bytes(tokens).decode("utf-8", errors="replace")

    whole = list("aé".encode())
    assert decode_continuation(Bytes(), whole[:2], 1).rstrip("�") == ""
    assert decode_continuation(Bytes(), whole, 1) == "é"
