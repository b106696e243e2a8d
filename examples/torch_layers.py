"""PyTorch layers on Elman's kernels: one changed import, and what torch.nn does not have."""

import torch

from elman.nn import GRU, LSTM, RNN  # instead of torch.nn

torch.manual_seed(0)
x = torch.randn(35, 4, 12)  # (T, N, D): 35 steps of 4 sequences

layer = LSTM(12, 24, num_layers=2, dropout=0.1)
outputs, (h, c) = layer(x)
outputs.square().mean().backward()
print("same names as torch.nn:", list(layer.state_dict()) == list(torch.nn.LSTM(12, 24, num_layers=2).state_dict()))

twin = torch.nn.LSTM(12, 24, num_layers=2)
twin.load_state_dict(layer.state_dict())
print("same numbers:", torch.allclose(layer.eval()(x)[0], twin.eval()(x)[0], atol=1e-6))

# An episode ends and another begins: sequence 1 starts anew at step 10.
policy = GRU(12, 24)
resets = torch.zeros(35, 4, dtype=torch.bool)
resets[10, 1] = True
with_reset, _ = policy(x, resets=resets)
print("as a sequence of its own:", torch.allclose(with_reset[10:, 1], policy(x[10:, 1])[0], atol=1e-6))

# Every state and gate of every step, differentiable.
seen = policy.trace(x)
print("update gate:", tuple(seen.layers["l0"].gates["z"].shape))

# Cells that torch.nn does not have.
print(RNN(12, 24, nonlinearity="sigmoid")(x)[0].shape, LSTM(12, 24, layer_norm=True)(x)[0].shape)

# One operator, however long the sequences are.
steps = torch.export.Dim("steps", min=2, max=10_000)
exported = torch.export.export(layer, (x,), dynamic_shapes={"input": {0: steps}})
print([str(node.target) for node in exported.graph.nodes if "elman" in str(node.target)])
