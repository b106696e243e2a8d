"""placeholder"""
from torch.nn import GRUCell, LSTMCell, RNNCell
