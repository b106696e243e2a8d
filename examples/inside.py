"""Look inside a network: every gate of every step, its gradients, and the network step by step."""

import numpy as np

from elman import Network, make_engine
from elman.engines import Batch, Loss

random = np.random.default_rng(0)
network = Network(cell="gru", input_size=3, hidden_size=4, output_size=2, num_layers=2).initialise(seed=0)
engine = make_engine("reference", network, Loss(kind="mse"))
x, y = random.normal(size=(5, 7, 3)), random.normal(size=(5, 7, 2))

outputs, state = engine.forward(x)  # (N, T, O), and ((L, N, H),)
trace = engine.trace(x)
print("update gate of the first layer:", trace.layers["l0"].gates["z"].shape)

found = engine.gradients(Batch(x, y))
print("loss:", round(found.loss, 4), "gradients of:", ", ".join(found.parameters))
assert found.inputs is not None  # tokens have no gradient; these inputs are numbers
print("how much each step's input moves the loss:", np.abs(found.inputs).sum(axis=(0, 2)).round(3))

stream = engine.stream(sessions=5)
one_by_one = np.stack([stream.step(x[:, t]) for t in range(7)], axis=1)
print("stepping gives the same outputs:", np.allclose(one_by_one, outputs))
