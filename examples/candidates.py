"""Several candidates on the same data, side by side; the best is chosen on data set aside, and judged on others."""

import numpy as np

from elman import SequenceClassifier
from elman.estimators import Job, fit_many

random = np.random.default_rng(0)
x = random.uniform(size=(600, 10, 1))
y = np.where(x.sum(axis=(1, 2)) > 5, "above", "below")

candidates = {
    f"{cell}, {units} units": SequenceClassifier(cell=cell, hidden_size=units, learning_rate=0.01, epochs=15)
    for cell in ("elman", "gru")
    for units in (4, 16)
}
jobs = {
    name: Job(model, (x[:400], y[:400]), {"validation_data": (x[400:500], y[400:500])})
    for name, model in candidates.items()
}
done = fit_many(jobs, n_jobs=2, on_outcome=lambda outcome, count, of: print(f"{count} of {of}: {outcome.name}"))

losses = {
    name: outcome.result.final_record()["validation_loss"] for name, outcome in done.items() if outcome.error is None
}
best = min(losses, key=lambda name: losses[name])
print("validation losses:", {name: round(loss, 3) for name, loss in losses.items()})
print(best, "on sequences that chose nothing:", done[best].result.score(x[500:], y[500:]))
