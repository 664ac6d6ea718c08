"""Finite networks beside the mean field, whatever their size; and beside programs that draw every spin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numba import njit

from benchmarks.brute_force import spin_by_spin, with_numpy_binomial
from benchmarks.cases import paper_points
from benchmarks.measure import Result, interleave, progress
from dmfx.kernels.lanes import WIDTH, blocks, exp, load, log, splat, sqrt, store, tanh
from dmfx.kernels.self_attention import run
from dmfx.kernels.settings import OPTIONS
from dmfx.kernels.state import Points
from dmfx.kernels.threefry import uniforms

__all__ = ["measure"]

#: Bound of the cost in steps of the mean field, at N = 10^9; of the costs of the sizes, relative to each other.
GOAL, GOAL_EVEN = 8, 2
N_POINTS, STEPS = 128, 10_000
SIZES = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e15)
EVEN = [size for size in SIZES if 1e3 <= size <= 1e9]
BETAS = (0.5, 1.27, 3.0)
BRUTE_FORCE = {1e4: 2000, 1e6: 20}
#: Standard errors by which the means and variances of two programs may differ.
AGREE = 6


@njit(**OPTIONS)
def least(work, n_columns, n_exp, steps):
    """What the noise of a step cannot do without: a random number, a logarithm, two roots and two divisions a draw."""
    zero, one = splat(0.0), splat(1.0)
    for t in range(steps):
        for row in range(n_columns):
            store(work, row, tanh(load(work, row)))
        for row in range(n_columns, n_columns + n_exp):
            store(work, row, exp(zero - load(work, row)))
        for draw in range((n_columns + 1) // 2):
            first, second = uniforms(zero, one, one, t, draw)
            store(work, 2 * draw + n_columns + n_exp, first)
            store(work, 2 * draw + n_columns + n_exp + 1, second)
        for row in range(n_columns + n_exp, 2 * n_columns + n_exp):
            r = sqrt(zero - log(load(work, row)))
            store(work, row, (one / (one + r)) / (one + sqrt(r)))


def floor(points: Points, steps: int) -> None:
    """The least that all steps of all points cost."""
    n_points, context_size, _ = points.attention.shape
    n_columns = points.field.shape[-1]
    work = np.full((2 * n_columns + context_size + 1) * WIDTH, 0.5)
    for _ in range(blocks(n_points)):
        least(work, n_columns, context_size, steps)


def finite(points: Points, size: float) -> Points:
    """The same points of N spins in three equal segments."""
    key = np.random.default_rng(0).integers(0, 2**63, (len(points.beta), 2)).astype(np.uint64)
    spins = np.full((1, points.field.shape[-1]), np.floor(size / 3))
    return points._replace(spins=spins, key=key, clock=np.zeros(len(points.beta), dtype=np.int64))


def measure(quick: bool = False) -> Iterator[Result]:
    """Cost by size and by β, then the brute force."""
    per_point = 1e9 / (N_POINTS * STEPS)
    for beta in BETAS:
        progress(f"finite networks, β = {beta:g}")
        points = paper_points(np.full(N_POINTS, beta))
        tasks = {
            "floor": partial(floor, points, STEPS),
            "mean field": partial(run, points, transient=STEPS, steps=0),
        } | {f"{size:.0e}": partial(run, finite(points, size), transient=STEPS, steps=0) for size in SIZES}
        seconds = interleave(tasks, 3 if quick else 11)
        for size in SIZES:
            yield Result(
                f"N = {size:.0e}, β = {beta:g}",
                "ns",
                seconds[f"{size:.0e}"] * per_point,
                seconds["mean field"] * per_point,
                "mean field",
                goal=GOAL if size == 1e9 else None,
            )
        costs = np.array([seconds[f"{size:.0e}"] for size in EVEN]) * per_point
        what = f"N from 1e3 to 1e9, β = {beta:g}, dearest"
        yield Result(what, "ns", costs.max(axis=0), costs.min(axis=0), "cheapest", goal=GOAL_EVEN)
        name = "what a step cannot do without"
        yield Result(f"N = 1e9, β = {beta:g}", "ns", costs[-1], seconds["floor"] * per_point, name)
    yield from _brute_force(quick)


def _brute_force(quick: bool) -> Iterator[Result]:
    points = paper_points(np.full(N_POINTS, 1.27))
    for size, steps in BRUTE_FORCE.items():
        progress(f"brute force, N = {size:.0e}")
        networks = finite(points, size)
        spins = networks.spins[0].astype(np.int64)
        _compare(networks, spins)
        tasks = {
            "dmfx": partial(run, networks, transient=STEPS, steps=0),
            "numpy": partial(with_numpy_binomial, points, spins, STEPS),
            "spins": partial(spin_by_spin, points, spins, steps),
        }
        seconds = interleave(tasks, 3 if quick else 7)
        ours = seconds["dmfx"] * 1e9 / (N_POINTS * STEPS)
        yield Result(
            f"N = {size:.0e}, 128 networks", "ns", ours, seconds["numpy"] * 1e9 / STEPS, "numpy's binomial", faster=True
        )
        yield Result(
            f"N = {size:.0e}, 128 networks", "ns", ours, seconds["spins"] * 1e9 / steps, "every spin drawn", faster=True
        )


def _compare(networks: Points, spins: np.ndarray, runs: int = 2000) -> None:
    """Stop where the three programs do not agree on mean and variance after one step."""
    many = finite(networks, spins.sum())._replace(
        beta=np.full(runs, networks.beta[0]),
        gamma=np.full(runs, 20.0),
        epsilon=np.full(runs, networks.epsilon[0]),
        realisation=np.zeros(runs, dtype=np.int64),
        attention=np.repeat(networks.attention[:1], runs, axis=0),
        phase=np.repeat(networks.phase[:1], runs),
        key=np.random.default_rng(1).integers(0, 2**63, (runs, 2)).astype(np.uint64),
        clock=np.zeros(runs, dtype=np.int64),
    )
    ours = run(many, transient=0, steps=1, record=("attention",))[0][0][:, 0]
    others = {"numpy's binomial": with_numpy_binomial}
    if spins.sum() <= 1e5:
        others["every spin drawn"] = spin_by_spin
    for name, other in others.items():
        theirs = np.array([other(many, spins, 1, seed=seed)[0] for seed in range(runs)])
        error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / runs)
        means_differ = np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) > AGREE * error
        variances_differ = np.abs(np.log(ours.var(axis=0) / theirs.var(axis=0))) > AGREE * np.sqrt(4 / runs)
        if means_differ.any() or variances_differ.any():
            raise AssertionError(f"N = {spins.sum()}: the means or variances differ from those of {name}")
