"""The same on a Dask cluster: two processes of this machine here, as many machines as you have elsewhere."""

import joblib
import numpy as np
from dask.distributed import Client, LocalCluster

from elman import Forecaster
from elman.estimators import PerSeries

waves = [np.sin(2 * np.pi * np.arange(120) / season) for season in (6, 8, 12)]
many = PerSeries(forecaster=Forecaster(horizon=3, season=12, epochs=20))

if __name__ == "__main__":  # Dask's processes read this file too
    here = many.clone(n_jobs=1).fit(waves)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        print(client.nthreads())
        there = many.clone().fit(waves)
    print("the same bits:", all((a == b).all() for a, b in zip(here.predict(), there.predict(), strict=True)))
