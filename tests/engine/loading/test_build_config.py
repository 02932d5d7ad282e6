"""What a config.json holds becomes transformers' config object, as if transformers had read the file."""

import json
import math

import pytest

from nbmerge.engine.loading.pretrained import build_config


def test_numbers_that_json_does_not_have(tmp_path):
    from transformers import LlamaConfig, NemotronHConfig

    NemotronHConfig(time_step_limit=(0.0, math.inf)).save_pretrained(tmp_path)
    assert build_config(json.loads((tmp_path / "config.json").read_text())).time_step_limit == [0.0, math.inf]
    nested = {"model_type": "llama", "made_up": [{"x": {"__float__": "-Infinity"}}], "other": {"__float__": 1}}
    made = build_config(nested)
    assert isinstance(made, LlamaConfig)
    assert (made.made_up, made.other) == ([{"x": -math.inf}], {"__float__": 1})


def test_an_unknown_architecture_is_the_error_of_transformers():
    with pytest.raises(ValueError, match="made_up"):
        build_config({"model_type": "made_up"})
