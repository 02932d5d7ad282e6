"""A new request cancels the one before it."""

import threading

from nbmerge.sampling import LatestRequest, load, sample


def test_a_new_request_cancels_the_one_before(family):
    loaded, latest, begun, texts = load(family.base), LatestRequest(), threading.Event(), {}
    loaded.model.generation_config.eos_token_id = []
    first = latest.begin()

    def wait_for_second(*_):
        begun.set()
        assert first.wait(20)

    def sample_first():
        texts["first"] = sample(loaded, "abc", max_new_tokens=60, cancel=first, on_token=wait_for_second)

    thread = threading.Thread(target=sample_first)
    thread.start()
    assert begun.wait(20)
    second = latest.begin()
    texts["second"] = sample(loaded, "abc", max_new_tokens=5, cancel=second)
    thread.join()
    assert texts["first"][0].stopped
    assert not texts["second"][0].stopped
    assert latest.is_latest(second)
    assert not latest.is_latest(first)
    latest.cancel()
    assert second.is_set()
