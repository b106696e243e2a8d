"""The C++ core: kernels, their engine and its stream. Knows no other room; `engines/native/` and `nn/` use it."""
