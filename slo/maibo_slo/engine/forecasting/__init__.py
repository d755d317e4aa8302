"""What demand will be: quantiles, kept only where they beat persistence."""

from maibo_slo.engine.forecasting.forecast import LEVELS, forecast, gate_of
from maibo_slo.engine.forecasting.forecaster import Asked, Forecaster
from maibo_slo.engine.forecasting.gate import Gate, Score

__all__ = ["LEVELS", "Asked", "Forecaster", "Gate", "Score", "forecast", "gate_of"]
