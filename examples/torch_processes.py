"""One training in as many processes as torchrun starts: `torchrun --nproc-per-node 2 examples/torch_processes.py`, or alone."""

import numpy as np

from elman import SequenceClassifier
from elman.engines import joined

random = np.random.default_rng(0)  # every process has the same data in the same order
x = random.uniform(size=(400, 10, 1))
y = np.where(x.sum(axis=(1, 2)) > 5, "above", "below")

model = SequenceClassifier(engine="torch", cell="elman", learning_rate=0.01, epochs=5)
with joined(model.engine, model.device) as processes:
    model.fit(x[:300], y[:300])
    if processes.leads:
        print(f"{processes.count} processes, accuracy {model.score(x[300:], y[300:]):.2f}")
