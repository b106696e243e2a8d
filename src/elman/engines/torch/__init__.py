"""The torch engine: the contract on PyTorch, in one process or several, and networks as PyTorch modules."""
