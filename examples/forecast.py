"""Forecast a series, with a band and a backtest beside naive methods."""

import numpy as np

from elman import Forecaster

months = np.arange(120)
random = np.random.default_rng(0)
sales = np.exp(0.01 * months + 0.2 * np.sin(2 * np.pi * months / 12)) * 100 + random.normal(0, 3, 120)

model = Forecaster(horizon=6, season=12, epochs=60)
report = model.backtest(sales, folds=2)
print("backtest:", {name: round(value, 2) for name, value in report.metrics.items()})
print("seasonal naive:", {name: round(value, 2) for name, value in report.baselines["seasonal_naive"].items()})

model.fit(sales)
(forecast,) = model.forecast()
for time, mean, low, high in zip(forecast.times, forecast.mean, forecast.low, forecast.high, strict=True):
    print(time, mean.round(1), "between", low.round(1), "and", high.round(1))
