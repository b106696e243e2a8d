"""The C++ core: kernels, their engine and its stream. Knows no other room; `engines/native.py` is its only user."""
