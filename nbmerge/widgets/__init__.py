"""The user interface: panels and the Studio that arranges them. The state that they share has no widgets, see `state`."""

from nbmerge.widgets.panels.figure import FigurePanel
from nbmerge.widgets.panels.history import HistoryPanel
from nbmerge.widgets.panels.merge import MergePanel
from nbmerge.widgets.panels.method import MethodPanel
from nbmerge.widgets.panels.models import ModelsPanel
from nbmerge.widgets.panels.recipe import RecipePanel
from nbmerge.widgets.panels.samples import SamplesPanel
from nbmerge.widgets.panels.scores import ScoresPanel
from nbmerge.widgets.panels.tokens import TokensPanel
from nbmerge.widgets.panels.tracks import TracksPanel
from nbmerge.widgets.state.job import Job
from nbmerge.widgets.state.studio_state import StudioState
from nbmerge.widgets.studio import Studio

__all__ = [
    "FigurePanel", "HistoryPanel", "Job", "MergePanel", "MethodPanel", "ModelsPanel", "RecipePanel", "SamplesPanel",
    "ScoresPanel", "Studio", "StudioState", "TokensPanel", "TracksPanel",
]  # fmt: skip
