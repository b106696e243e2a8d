"""The native engine: the contract on the C++ core of `elman.native`."""
