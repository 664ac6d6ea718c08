"""The same map in pynamicalsys and in dmfx's public interface, on one core each, both warm, with the same outputs.

pynamicalsys has one thread here: its ensembles are parallel otherwise. A bifurcation diagram is the list of all values
of the newest attention value's first component that each β visits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import dask
import numba
import numpy as np
import xarray as xr

import dmfx
from benchmarks.measure import Result, interleave, progress
from benchmarks.peer_map import CONTEXT, TOKENS, Form, L, M, start
from dmfx.models.published import GAMMA

__all__ = ["measure"]

GOAL = 10
BETA, EPSILON = 1.28, 0.02
CHECKED_STEPS = 20


def measure(quick: bool = False) -> Iterator[Result]:
    """One trajectory, many trajectories, a bifurcation diagram."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with dask.config.set(scheduler="synchronous"):
            for form in (TOKENS,) if quick else (CONTEXT, TOKENS):
                progress(f"peer, {form.name}")
                check(form)
                yield from _compare(form, quick)
    finally:
        numba.set_num_threads(threads)


def _compare(form: Form, quick: bool) -> Iterator[Result]:
    repeats = 2 if quick else 9
    contexts = _contexts(256)
    steps, many, diagram = 200_000, 10_000, (10_000, 10_000)
    beta = np.linspace(0, 3, 512)
    cases = (
        ("peer, 1 trajectory", 1, steps, None, partial(peer_one, form, steps), partial(dmfx_one, steps)),
        (
            f"peer, {len(contexts)} trajectories",
            len(contexts),
            many,
            GOAL,
            partial(peer_many, form, contexts, many),
            partial(dmfx_many, contexts, many),
        ),
        (
            f"peer, diagram of {len(beta)} β",
            len(beta),
            sum(diagram),
            GOAL,
            partial(peer_diagram, form, beta, *diagram),
            partial(dmfx_diagram, beta, *diagram),
        ),
    )
    for what, n_points, n_steps, goal, peer, own in cases:
        seconds = interleave({"peer": peer, "dmfx": own}, repeats)
        per_point = 1e9 / (n_points * n_steps)
        measured, beside = seconds["dmfx"] * per_point, seconds["peer"] * per_point
        yield Result(what, "ns", measured, beside, f"pynamicalsys, {form.name}", faster=True, goal=goal)


def check(form: Form) -> None:
    """Make sure that it is the same map: 20 steps agree to rounding, which chaos has not yet blown up."""
    difference = np.abs(peer_one(form, CHECKED_STEPS)[:, :M] - dmfx_one(CHECKED_STEPS)).max()
    if not difference < 1e-10:
        raise AssertionError(f"pynamicalsys and dmfx differ by {difference} within {CHECKED_STEPS} steps")
    beta = np.array([0.5, 1.0])  # fixed points of the L-step map
    _, peer = peer_diagram(TOKENS, beta, 2000, L)
    if not np.allclose(peer, dmfx_diagram(beta, 2000, L), rtol=0, atol=1e-10):
        raise AssertionError("the bifurcation diagrams of pynamicalsys and dmfx differ")


def _system(form: Form) -> object:
    from pynamicalsys import DiscreteDynamicalSystem

    return DiscreteDynamicalSystem(mapping=form.mapping, system_dimension=form.dimension, number_of_parameters=3)


def _contexts(n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (n, L, M))


def peer_one(form: Form, steps: int) -> np.ndarray:
    return _system(form).trajectory(form.state(*start(), BETA), steps, parameters=[BETA, GAMMA, EPSILON])


def dmfx_one(steps: int) -> np.ndarray:
    return _simulate(beta=BETA, steps=steps).attention.values[0, 0, 0]


def peer_many(form: Form, contexts: np.ndarray, steps: int) -> np.ndarray:
    states = np.array([form.state(context, 0, BETA) for context in contexts])
    return _system(form).trajectory(states, steps, parameters=[BETA, GAMMA, EPSILON])


def dmfx_many(contexts: np.ndarray, steps: int) -> np.ndarray:
    initial = xr.Dataset(
        {
            "final_attention": (("run", "context", "pattern"), contexts),
            "final_phase": ("run", np.zeros(len(contexts), dtype=np.int64)),
        }
    )
    return _simulate(beta=BETA, steps=steps, initial=initial).attention.values


def peer_diagram(form: Form, beta: np.ndarray, transient: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    # The state of tokens depends on β; the same one for all only starts elsewhere.
    return _system(form).bifurcation_diagram(
        form.state(*start(), BETA),
        param_index=0,
        param_range=beta,
        total_time=transient + steps,
        parameters=[GAMMA, EPSILON],
        transient_time=transient,
    )


def dmfx_diagram(beta: np.ndarray, transient: int, steps: int) -> np.ndarray:
    runs = _simulate(beta=beta, steps=steps, transient=transient)
    diagram = dmfx.bifurcation(runs, "attention", kind="points", n_points=steps)
    return diagram.points.values[:, 0, 0]


def _simulate(**arguments: object) -> xr.Dataset:
    return dmfx.simulate(dmfx.SelfAttention.paper(), gamma=GAMMA, variables="attention", **arguments)
