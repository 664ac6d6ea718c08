"""Sweeps of networks of vector spins: what their runs start from, one task, the graph of tasks, the Dataset."""

from dmfx.vectors.simulate import simulate_vectors

__all__ = ["simulate_vectors"]
