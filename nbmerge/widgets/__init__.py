"""The face: panels and the Studio that composes them. The state they share has no widgets and lives in `state`."""

from nbmerge.widgets.gradients import GradientsPanel
from nbmerge.widgets.job import Job
from nbmerge.widgets.merge import MergePanel
from nbmerge.widgets.method import MethodPanel
from nbmerge.widgets.models import ModelsPanel
from nbmerge.widgets.recipe import RecipePanel
from nbmerge.widgets.samples import SamplesPanel
from nbmerge.widgets.scores import ScoresPanel
from nbmerge.widgets.state import StudioState
from nbmerge.widgets.statistics import StatisticsPanel
from nbmerge.widgets.studio import Studio
from nbmerge.widgets.tokens import TokensPanel

__all__ = [
    "GradientsPanel", "Job", "MergePanel", "MethodPanel", "ModelsPanel", "RecipePanel", "SamplesPanel",
    "ScoresPanel", "StatisticsPanel", "Studio", "StudioState", "TokensPanel",
]  # fmt: skip
