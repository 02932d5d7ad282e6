"""Block weights on the blocks that they were made for: names of a UNet's tensors, computed as the original tools do."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from nbmerge.engine.merge import merge
from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe

NAMES = [
    "model.diffusion_model.time_embed.0.weight", "model.diffusion_model.input_blocks.0.0.weight",
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_out.0.weight",
    "model.diffusion_model.input_blocks.11.0.weight", "model.diffusion_model.middle_block.1.weight",
    "model.diffusion_model.output_blocks.1.0.weight", "model.diffusion_model.output_blocks.11.0.weight",
    "model.diffusion_model.out.2.bias", "cond_stage_model.transformer.weight", "first_stage_model.decoder.out.weight",
]  # fmt: skip
PLACES = [0, 0, 1, 11, 12, 14, 24, 24, None, None]
"""The block of each of them; None outside the UNet."""


@pytest.fixture
def checkpoints(tmp_path):
    for i, name in enumerate("ab"):
        tensors = {n: torch.full((3,), float(i)) for n in NAMES}
        save_file(tensors | {f"only.{name}": torch.ones(1)}, tmp_path / f"{name}.safetensors")
    return tmp_path / "a.safetensors", tmp_path / "b.safetensors"


@pytest.mark.parametrize("weights", ["GRAD_A", [i / 25 for i in range(25)], [0.5, *(i / 25 for i in range(25))]])
def test_every_block_has_its_share(checkpoints, tmp_path, weights):
    recipe = Recipe.unet_merge(*checkpoints, weights, dtype=None)
    made = load_file(merge(recipe, tmp_path / "out.safetensors", progress=False, threads=1).path)
    shares = [round(1 - abs(1 - i / 12), 10) for i in range(25)] if weights == "GRAD_A" else [i / 25 for i in range(25)]
    outside = 0.5 if len(weights) == 26 else 0
    for name, place in zip(NAMES, PLACES, strict=True):
        assert made[name].tolist() == pytest.approx([outside if place is None else shares[place]] * 3, abs=1e-6)
    assert {"only.a", "only.b"} <= set(made)
    assert Recipe.load(recipe.to_yaml()) == recipe


def test_what_is_refused():
    for weights, what in (
        ("GRAD_W", "Did you mean 'GRAD_"),
        ([0.5] * 20, "20 numbers"),
        ([float("nan")] * 25, "finite"),
    ):
        with pytest.raises(RecipeError, match=what):
            Recipe.unet_merge("a.safetensors", "b.safetensors", weights)
