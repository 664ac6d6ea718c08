"""Compiled loops: NumPy and Numba only, serial, without the GIL."""
