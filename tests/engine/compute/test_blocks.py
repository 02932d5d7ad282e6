"""Blocks end with their last user: large buffers and mapped files must not wait for the garbage collector."""

import gc
import weakref

from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.tensor import compute
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.planning import plan
from nbmerge.recipe import Recipe


def test_blocks_are_released_without_the_garbage_collector(family):
    models = [str(family.base), str(family.ft1)]
    recipe = {"merge_method": "ties", "models": models, "base_model": models[0], "parameters": {"weight": 1.0}}
    tensor = plan(Recipe.of(recipe)).tensors[0]
    gc.disable()
    try:
        with InputFiles() as files:
            blocks = Blocks(tensor, Workspace(files))
            compute(tensor, blocks, lambda start, block: None)
            seen = weakref.ref(blocks)
            del blocks
            assert seen() is None
    finally:
        gc.enable()
