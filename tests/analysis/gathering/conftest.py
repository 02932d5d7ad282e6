from types import SimpleNamespace

import pytest

from tests.models import make_model

TEXTS = {"ft1": ["the fox went to the river.", "a lion came"], "ft2": ["an owl and a hare, by the lake."]}


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def pair(request, tmp_path_factory):
    """Two fine-tunes of one base whose weights are close enough for their hidden states to be alike."""
    folder = tmp_path_factory.mktemp(request.param)
    base = make_model(folder / "base", layers=2, architecture=request.param)
    models = [make_model(folder / name, base=base, seed=i, noise=0.02) for i, name in enumerate(("ft1", "ft2"), 1)]
    return SimpleNamespace(models=models, folder=folder, texts=TEXTS)
