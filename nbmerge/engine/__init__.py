"""The engine: a recipe becomes a plan, a plan becomes a checkpoint or a model in memory."""
