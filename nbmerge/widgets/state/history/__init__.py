"""The history of a Studio: a tree of steps, with what changed at each, its scores, its name and its pins.

`tree` is the data structure, `step` its entries, `notes` what is attached to them. `summary` puts a step into words and a
small picture, `pareto` finds the best steps over several scores, `layout` places them as a drawing.
"""

from nbmerge.widgets.state.history.layout import Place, lay_out
from nbmerge.widgets.state.history.notes import Notes, shares_models
from nbmerge.widgets.state.history.pareto import list_pareto_best
from nbmerge.widgets.state.history.step import KeptRecipe, Step
from nbmerge.widgets.state.history.summary import Line, Summariser, Summary
from nbmerge.widgets.state.history.tree import MOST_STEPS, History

__all__ = [
    "MOST_STEPS",
    "History",
    "KeptRecipe",
    "Line",
    "Notes",
    "Place",
    "Step",
    "Summariser",
    "Summary",
    "lay_out",
    "list_pareto_best",
    "shares_models",
]
