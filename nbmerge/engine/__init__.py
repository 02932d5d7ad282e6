"""The engine: a recipe becomes a plan, a plan becomes a checkpoint or a model in memory.

The verbs are modules here (`merge`, `check`, `verify`, `transplant`, `publish`; `nbmerge` exports their functions), and
each of their steps has a room. A room imports from those before it in this list, never from those after it:

- `planning`: from a recipe and headers to a plan; nothing is read but headers.
- `compute`: from a plan to blocks of numbers, on as many workers as there are processors.
- `output`: blocks into a model folder that is complete or not there.
- `loading`: models by transformers' own code, and what it would say of a result.
- `cost`: what a merge will take of time, memory and downloads.
- `cluster`: a plan carried out by other processes and machines.
- `live`: merges in memory that follow their recipe.
"""
