"""The reference engine: plain NumPy, written to be read and to be checked against."""
