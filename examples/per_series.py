"""A forecaster for each of several series, fitted side by side, and judged series by series."""

import numpy as np

from elman import Forecaster
from elman.data import Series
from elman.estimators import PerSeries

random = np.random.default_rng(0)
months = np.arange("2014-01", "2024-01", dtype="datetime64[M]").astype("datetime64[us]")
steps = np.arange(120)
shops = [
    Series(f"shop {i}", months, (50 + i * steps / 10 + 10 * np.sin(2 * np.pi * steps / 12 + i))[:, None])
    for i in range(3)
]
noise = Series("noise", months, random.normal(50, 10, (120, 1)))

many = PerSeries(forecaster=Forecaster(horizon=6, epochs=60), n_jobs=2)
report = many.backtest([*shops, noise], folds=2)
print("mean over the series:", {name: round(value, 2) for name, value in report.metrics.items()})
print("seasonal naive:", {name: round(value, 2) for name, value in report.baselines["seasonal_naive"].items()})
print("where a naive method is as good:", report.beaten)

many.fit([*shops, noise])
for forecast in many.forecast(horizon=1):
    print(forecast.unique_id, forecast.times[0], forecast.mean[0].round(1))
many.save("shops")
print("from the folder:", PerSeries.load("shops").predict(shops[1], horizon=1).round(1))
