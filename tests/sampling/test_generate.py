import threading
from types import SimpleNamespace

import pytest
import torch

from nbmerge.errors import ArgumentError, SampleError
from nbmerge.sampling import Loaded, load, sample
from tests.models import make_model


@pytest.fixture(scope="module")
def loaded(family) -> Loaded:
    return load(family.base)


def endless(loaded: Loaded, **generation) -> Loaded:
    """The same model, which never ends by itself."""
    for key, value in {"eos_token_id": [], **generation}.items():
        setattr(loaded.model.generation_config, key, value)
    return loaded


def by_hand(loaded: Loaded, prompt: str, n: int) -> list[int]:
    """Greedy decoding in the plainest form."""
    ids = loaded.tokenizer(prompt)["input_ids"]
    start = len(ids)
    with torch.no_grad():
        for _ in range(n):
            ids.append(loaded.model(torch.tensor([ids])).logits[0, -1].argmax().item())
            if ids[-1] == 2:
                break
    return ids[start:]


@pytest.mark.parametrize("prompt", ["abc", "h", "some words"])
def test_temperature_0_takes_the_likeliest_token(loaded, prompt):
    (got,) = sample(loaded, prompt, max_new_tokens=12)
    assert list(got.tokens) == by_hand(loaded, prompt, 12)
    assert got.text == loaded.tokenizer.decode(got.tokens, skip_special_tokens=True)
    assert str(got) == prompt + got.text
    assert got.seconds > 0
    assert not got.stopped


def test_the_same_seed_gives_the_same_text_whatever_the_neighbours(loaded):
    settings = {"temperature": 1.0, "max_new_tokens": 12}
    one = [s.tokens for s in sample(loaded, ["abc", "de", "abc"], seed=5, **settings)]
    assert one[0] == one[2]
    assert one[1] == sample(loaded, "de", seed=5, **settings)[0].tokens
    assert one[1] != sample(loaded, "de", seed=6, **settings)[0].tokens


def test_the_random_state_of_the_caller_is_untouched(loaded):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    sample(loaded, "abc", temperature=1.0)
    assert torch.equal(torch.rand(3), expected)


def test_the_model_is_left_unchanged(family):
    model, tokenizer = load(family.base)
    model.train()
    own = model.generation_config
    sample(model, "abc", tokenizer=tokenizer, max_new_tokens=2)
    assert model.training
    assert model.generation_config is own


@pytest.mark.slow
def test_a_models_own_habits_are_set_aside(family):
    plain, habits = load(family.base), load(family.base)
    for key, value in {
        "repetition_penalty": 9.0,
        "top_k": 2,
        "do_sample": True,
        "temperature": 9.0,
        "min_p": 0.5,
    }.items():
        setattr(habits.model.generation_config, key, value)
    for temperature in (0, 1):
        texts = [sample(m, "abc", temperature=temperature, max_new_tokens=12)[0].tokens for m in (plain, habits)]
        assert texts[0] == texts[1]


def test_a_models_own_end_tokens_hold(family):
    first = sample(load(family.base), "abc", max_new_tokens=5)[0].tokens
    ends = endless(load(family.base), eos_token_id=[first[1], first[2]])
    (got,) = sample(ends, "abc", max_new_tokens=5)
    assert got.tokens == first[:2]
    assert not got.stopped


def test_nothing_is_printed_warned_or_logged(family, capfd, transformers_log):
    for temperature in (0.0, 0.7):
        sample(family.ft1, ["abc", "d"], temperature=temperature, max_new_tokens=3)
        unusual = endless(load(family.base), pad_token_id=None, temperature=0.3)
        sample(unusual, "abc", temperature=temperature, max_new_tokens=3)
    assert capfd.readouterr() == ("", "")
    assert not transformers_log.records


def test_stop_between_tokens(family):
    loaded, stop, calls = endless(load(family.base)), threading.Event(), []

    def count(*_):
        calls.append(1)
        if len(calls) == 3:
            stop.set()

    loaded.model.register_forward_hook(count)
    first, second = sample(loaded, ["abc", "de"], max_new_tokens=30, cancel=stop)
    assert len(first.tokens) == 3
    assert first.stopped
    assert first.text
    assert (second.prompt, second.text, second.tokens, second.stopped) == ("de", "", (), True)


def test_a_sample_that_was_complete_is_not_marked_stopped(family):
    loaded, stop = endless(load(family.base)), threading.Event()
    loaded.model.register_forward_hook(lambda *_: stop.set())
    assert not sample(loaded, "abc", max_new_tokens=1, cancel=stop)[0].stopped


@pytest.mark.slow
def test_two_threads_do_not_disturb_each_other(loaded):
    settings = {"temperature": 1.0, "max_new_tokens": 12}
    expected = [sample(loaded, "abc", seed=s, **settings)[0].text for s in range(4)]
    got = [""] * 4

    def ask(seed):
        got[seed] = sample(loaded, "abc", seed=seed, **settings)[0].text

    threads = [threading.Thread(target=ask, args=(s,)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == expected


def test_folder_model_and_live_merge_say_the_same(family, loaded):
    live = SimpleNamespace(model=loaded.model, tokenizer=loaded.tokenizer, recipe=None)
    texts = [sample(m, "abc", max_new_tokens=12)[0].text for m in (family.base, str(family.base), loaded, live)]
    assert texts == [sample(loaded.model, "abc", tokenizer=loaded.tokenizer, max_new_tokens=12)[0].text] * 4


def test_a_model_of_half_precision(tmp_path):
    assert sample(make_model(tmp_path / "m", dtype="bfloat16"), "abc", temperature=0.5, max_new_tokens=2)[0].tokens


def test_no_prompts_give_no_samples(loaded):
    assert sample(loaded, []) == []


@pytest.mark.parametrize(
    "setting",
    [
        {"max_new_tokens": 0},
        {"max_new_tokens": 1.5},
        {"max_new_tokens": True},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": "hot"},
        {"seed": -1},
        {"seed": "any"},
        {"prompts": [3]},
    ],
)
def test_a_setting_out_of_range_is_named(setting):
    (name,) = setting
    with pytest.raises(ArgumentError, match=name):
        sample("no/model/is/loaded/for/this", **({"prompts": "abc"} | setting))


def test_a_prompt_without_tokens(loaded):
    with pytest.raises(SampleError, match="the prompt '' has no tokens"):
        sample(loaded, ["abc", ""])


def test_a_text_beyond_the_context_is_refused_with_the_limit(loaded, transformers_log):
    loaded.tokenizer.model_max_length = 64  # what makes transformers warn of its own
    with pytest.raises(
        SampleError, match=r"has 30 tokens; with 35 new tokens .* context of 64.*Set max_new_tokens to at most 34"
    ):
        sample(loaded, "a" * 30, max_new_tokens=35)
    assert sample(loaded, "a" * 30, max_new_tokens=34)
    with pytest.raises(SampleError, match=r"Shorten the prompt\."):
        sample(loaded, "a" * 70)
    assert not transformers_log.records


def test_a_tokenizer_that_is_not_the_models(tmp_path, loaded):
    small = load(make_model(tmp_path / "m", vocab=10))
    with pytest.raises(SampleError, match=r"token 29, .* embedding has 10 rows"):
        sample(small.model, "z", tokenizer=loaded.tokenizer)


def test_models_without_tokenizer_and_other_folders_are_refused(loaded):
    with pytest.raises(SampleError, match="has no tokenizer"):
        sample(loaded.model, "abc")
    with pytest.raises(TypeError, match="not int"):
        sample(3, "abc")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_broken_weights_are_named(tmp_path, temperature):
    folder = make_model(tmp_path / "m", replace={"model.norm.weight": torch.full((16,), torch.nan)})
    with pytest.raises(SampleError, match="logits contain NaN"):
        sample(folder, "abc", temperature=temperature)
