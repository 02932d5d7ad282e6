"""The user interface: panels and the Studio that arranges them. The state that they share has no widgets, see `state`.

Each name is loaded when it is first used: a Studio is on screen before what only its drawer needs.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.widgets.panels.analysis.gather import GatherPanel
    from nbmerge.widgets.panels.analysis.search import SearchPanel
    from nbmerge.widgets.panels.analysis.structure import StructurePanel
    from nbmerge.widgets.panels.analysis.sweep import SweepPanel
    from nbmerge.widgets.panels.analysis.text import TextPanel
    from nbmerge.widgets.panels.compare import ComparePanel
    from nbmerge.widgets.panels.figure import FigurePanel
    from nbmerge.widgets.panels.history import HistoryPanel
    from nbmerge.widgets.panels.job_line import JobLine
    from nbmerge.widgets.panels.python import PythonPanel
    from nbmerge.widgets.panels.recipe import RecipePanel
    from nbmerge.widgets.panels.samples import SamplesPanel
    from nbmerge.widgets.panels.scores import ScoresPanel
    from nbmerge.widgets.panels.setup.bar import SetupBar
    from nbmerge.widgets.panels.setup.merge import MergePanel
    from nbmerge.widgets.panels.setup.method import MethodPanel
    from nbmerge.widgets.panels.setup.models import ModelsPanel
    from nbmerge.widgets.panels.tensors import TensorsPanel
    from nbmerge.widgets.panels.tokens import TokensPanel
    from nbmerge.widgets.panels.tracks import TracksPanel
    from nbmerge.widgets.state.job import Job
    from nbmerge.widgets.state.studio_state import StudioState
    from nbmerge.widgets.studio import Studio

__all__ = [
    "ComparePanel", "FigurePanel", "GatherPanel", "HistoryPanel", "Job", "JobLine", "MergePanel", "MethodPanel", "ModelsPanel",
    "PythonPanel", "RecipePanel", "SamplesPanel", "ScoresPanel", "SearchPanel", "SetupBar",
    "StructurePanel", "Studio", "StudioState", "SweepPanel",
    "TensorsPanel", "TextPanel", "TokensPanel", "TracksPanel",
]  # fmt: skip

__getattr__ = exporter(
    __name__,
    **{
        "panels.analysis.gather": ("GatherPanel",),
        "panels.analysis.search": ("SearchPanel",),
        "panels.analysis.structure": ("StructurePanel",),
        "panels.analysis.sweep": ("SweepPanel",),
        "panels.analysis.text": ("TextPanel",),
        "panels.compare": ("ComparePanel",),
        "panels.figure": ("FigurePanel",),
        "panels.history": ("HistoryPanel",),
        "panels.job_line": ("JobLine",),
        "panels.python": ("PythonPanel",),
        "panels.recipe": ("RecipePanel",),
        "panels.samples": ("SamplesPanel",),
        "panels.scores": ("ScoresPanel",),
        "panels.setup.bar": ("SetupBar",),
        "panels.setup.merge": ("MergePanel",),
        "panels.setup.method": ("MethodPanel",),
        "panels.setup.models": ("ModelsPanel",),
        "panels.tensors": ("TensorsPanel",),
        "panels.tokens": ("TokensPanel",),
        "panels.tracks": ("TracksPanel",),
        "state.job": ("Job",),
        "state.studio_state": ("StudioState",),
        "studio": ("Studio",),
    },
)
