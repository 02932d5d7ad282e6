import pytest
import torch

from nbmerge.sampling import limit_threads, load, sample


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_tiny_model_is_asked_with_one_thread(family, two_threads):
    loaded, seen = load(family.base), []
    loaded.model.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    sample(loaded, "abc", max_new_tokens=2)
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


def test_a_larger_model_keeps_its_threads(two_threads):
    with torch.device("meta"):
        large = torch.nn.Linear(5000, 5000)
    with limit_threads(large):
        assert torch.get_num_threads() == 2


def test_threads_are_restored_after_an_error(two_threads):
    with pytest.raises(ZeroDivisionError), limit_threads(torch.nn.Linear(1, 1)):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
