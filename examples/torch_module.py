"""A trained network goes into PyTorch, is changed there, and comes back; a PyTorch layer becomes a network that streams."""

import numpy as np
import torch
from torch import nn

from elman import SequenceRegressor, from_torch, make_engine

wave = np.sin(np.linspace(0, 30, 300)).reshape(1, 300, 1)
model = SequenceRegressor(epochs=40, steps=30, carry=True, learning_rate=0.01, validation=0.0).fit(wave, wave**2)

module = model.to_torch()  # embedding, rnn and head: torch.nn's own layers
print(module)
scaled = torch.randn(2, 10, 1)  # what the network sees: the estimator's scalers stay with the estimator
outputs, state = module(scaled)
outputs, state = module(scaled, state)  # goes on from the state

with torch.no_grad():
    module.head.bias.add_(0.1)
print(
    "R^2 before:",
    round(model.score(wave, wave**2), 3),
    "after:",
    round(model.from_torch(module).score(wave, wave**2), 3),
)

gru, head = nn.GRU(3, 8), nn.Linear(8, 2)  # trained elsewhere
stream = make_engine("native", from_torch(gru, head)).stream()
print("one step:", stream.step(np.zeros(3)))
