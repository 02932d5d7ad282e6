import pytest

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.remedies import find_incompatibility
from tests.models import make_model


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({}, None),
        ({"layers": 2}, "has 2 layers, base has 3"),
        ({"vocab": 40}, "has 40 tokens, base has 32"),
        ({"intermediate": 32}, ", in base "),
        ({"architecture": "gpt2"}, "is GPT2LMHeadModel, base is LlamaForCausalLM"),
        ({"architecture": "qwen2"}, "which base does not have"),
        ({"tied": True}, None),
    ],
)
def test_the_reason_is_named(family, tmp_path, sizes, reason):
    other = Checkpoint.open(make_model(tmp_path / "other", **sizes))
    found = find_incompatibility(Checkpoint.open(family.base), other)
    assert (found is None) if reason is None else (reason in found)
