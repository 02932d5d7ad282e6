"""Remedies: the problems of a recipe grouped by what causes them, with changes of the recipe that solve them.

Begin reading at `groups`.
"""

from nbmerge.engine.remedies.compatibility import find_incompatibility, find_misfits
from nbmerge.engine.remedies.edits import remove_model, set_base
from nbmerge.engine.remedies.groups import ProblemGroup, group_problems
from nbmerge.engine.remedies.remedy import Remedy

__all__ = [
    "ProblemGroup", "Remedy", "find_incompatibility", "find_misfits", "group_problems", "remove_model", "set_base",
]  # fmt: skip
