"""Map one sequence onto another: a leaky tank's level from what flows in."""

import numpy as np

from elman import SequenceRegressor

random = np.random.default_rng(0)
inflow = random.uniform(0, 1, (40, 100, 1))  # (N, T, D)
level = np.zeros_like(inflow)
for t in range(1, 100):
    level[:, t] = 0.9 * level[:, t - 1] + inflow[:, t]

model = SequenceRegressor(cell="elman", hidden_size=16, steps=25, carry=True, learning_rate=0.01, epochs=60)
model.fit(inflow[:30], level[:30])

print("R^2 on tanks it has not seen:", round(model.score(inflow[30:], level[30:]), 4))
print("levels of the first, last three steps:", model.predict(inflow[30:31])[0, -3:, 0].round(2))
