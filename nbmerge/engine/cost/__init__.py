"""Cost: what a merge will take before it begins: time, memory and downloads of one to disk, memory of one in memory."""

from nbmerge.engine.cost.live_forecast import LiveForecast, check_fits, forecast_live
from nbmerge.engine.cost.merge_forecast import Forecast, forecast

__all__ = ["Forecast", "LiveForecast", "check_fits", "forecast", "forecast_live"]
