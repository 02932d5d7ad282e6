"""Cost: the time, memory and downloads of a merge to disk, and the memory of a live merge, before they start."""

from nbmerge.engine.cost.available_memory import available_memory, used_memory
from nbmerge.engine.cost.live_forecast import LiveForecast, check_fits, forecast_live
from nbmerge.engine.cost.merge_forecast import Forecast, forecast, worker_bytes
from nbmerge.engine.cost.requirements import find_spare_memory, require_memory

__all__ = [
    "Forecast",
    "LiveForecast",
    "available_memory",
    "check_fits",
    "find_spare_memory",
    "forecast",
    "forecast_live",
    "require_memory",
    "used_memory",
    "worker_bytes",
]
