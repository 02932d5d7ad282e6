"""Results that lack tensors of a larger model, filled in from one: where each tensor belongs there, and the plan of the whole."""

from nbmerge.engine.planning.filling.fill import examine_filled

__all__ = ["examine_filled"]
