"""The engine: turns a recipe into a plan, and a plan into a model folder or a model in memory.

The verbs are modules here (`merge`, `check`, `verify`, `transplant`, `shuffle`, `publish`; `nbmerge` exports their functions).
Their steps are packages. A package imports from those before it in this list, never from those after it:

- `planning`: from a recipe and headers to a plan; nothing is read but headers.
- `differences`: what differs between two recipes, in words and as curves.
- `compute`: from a plan to blocks of numbers, on as many workers as there are processors.
- `output`: from blocks to a model folder, which appears under its name only when it is complete.
- `loading`: models loaded by transformers, and what transformers would report for a result.
- `cost`: the time, memory and downloads that a merge will take.
- `cluster`: a plan run by other processes and machines.
- `live`: merges in memory that follow their recipe.
"""
