"""Adapters: reading LoRA and similar adapters, and applying them to the tensors of a checkpoint.

`adapter` reads the files, `apply_adapter` checks that they fit a model, and `adapted_tensor` describes the changed tensors.
"""
