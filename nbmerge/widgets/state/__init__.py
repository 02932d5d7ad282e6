"""State: what the Studio holds and does, without any widget: the recipe and what follows from it, models to sample, jobs."""

from nbmerge.widgets.state.job import Job
from nbmerge.widgets.state.studio_state import StudioState

__all__ = ["Job", "StudioState"]
