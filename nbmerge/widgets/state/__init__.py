"""State: what the Studio knows and does, without any widget: the recipe and what follows from it, models to ask, jobs."""

from nbmerge.widgets.state.job import Job
from nbmerge.widgets.state.studio_state import StudioState

__all__ = ["Job", "StudioState"]
