"""Tiny models of several stacks of layers, made by transformers itself: T5, BART, LLaVA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def make_t5(folder: Path, count: int = 3) -> list[str]:
    """T5 with an encoder of 3 layers and a decoder of 4, its head that of the embedding."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=40, d_model=16, d_kv=4, d_ff=24, num_layers=3, num_decoder_layers=4, num_heads=4,
        feed_forward_proj="gated-gelu", decoder_start_token_id=0,
    )  # fmt: skip
    return _make(T5ForConditionalGeneration, config, folder, count)


def make_bart(folder: Path, count: int = 2) -> list[str]:
    """BART with an encoder of 2 layers and a decoder of 3."""
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        vocab_size=40, d_model=16, encoder_layers=2, decoder_layers=3, encoder_ffn_dim=24, decoder_ffn_dim=24,
        encoder_attention_heads=4, decoder_attention_heads=4, max_position_embeddings=32,
    )  # fmt: skip
    return _make(BartForConditionalGeneration, config, folder, count)


def make_llava(folder: Path, count: int = 2) -> list[str]:
    """LLaVA with 3 layers of Llama and 2 of CLIP."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    text = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, image_size=8, patch_size=4,
        projection_dim=16,
    )  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=text, tie_word_embeddings=False)
    return _make(LlavaForConditionalGeneration, config, folder, count)


def _make(model_class: Any, config: Any, folder: Path, count: int) -> list[str]:
    folders = []
    for i in range(count):
        random = torch.Generator().manual_seed(i)
        model = model_class(config)
        for parameter in model.parameters():
            near_one = float(parameter.dim() == 1)
            parameter.data = torch.randn(parameter.shape, generator=random) * 0.05 + near_one
        model.save_pretrained(folder / f"m{i}")
        folders.append(str(folder / f"m{i}"))
    return folders
