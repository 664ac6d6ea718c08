"""Maps whose kind of attractor is known, iterated and differentiated here, without the kernels of the package."""

import itertools
import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.optimize import brentq

from dmfx.dynamics.kinds import find_kinds

GOLDEN, SILVER = (math.sqrt(5) - 1) / 2, math.sqrt(2) - 1
WINDOWS, STEPS, TRANSIENT, TOLERANCE = 20, 20_000, 5_000, 1e-8
LOGISTIC, CIRCLES, HENON, SPIRAL = range(4)


@njit
def step(family, x, y, q):
    """The next state, of at most two coordinates, and its derivatives by x and by y."""
    if family == LOGISTIC:
        return q[0] * x * (1 - x), 0.0, q[0] * (1 - 2 * x), 0.0, 0.0, 0.0
    if family == CIRCLES:  # two sine circle maps: θ + Ω - K/2π sin 2πθ
        turn = 2 * np.pi
        along = (x + q[0] - q[1] / turn * math.sin(turn * x)) % 1.0, (y + q[2] - q[3] / turn * math.sin(turn * y)) % 1.0
        return along[0], along[1], 1 - q[1] * math.cos(turn * x), 0.0, 0.0, 1 - q[3] * math.cos(turn * y)
    if family == HENON:
        return 1 - q[0] * x**2 + y, q[1] * x, -2 * q[0] * x, q[1], 1.0, 0.0
    c, s = math.exp(q[0]) * math.cos(q[1]), math.exp(q[0]) * math.sin(q[1])  # turn by an angle, and contract
    return c * x - s * y, s * x + c * y, c, s, -s, c


@njit
def follow(family, start, parameters, first, steps, size, windows, orbit):
    """Orbit, exponents of the windows, smooth exponents of both halves and the last state."""
    finite, smooth, total = np.zeros((windows, size)), np.zeros((2, size)), np.zeros(2)
    x, y = start
    a0, a1, b0, b1 = (0.8, 0.6, -0.6, 0.8) if size == 2 else (1.0, 0.0, 0.0, 1.0)
    half = steps // 2
    logs = np.zeros(2)
    for t in range(steps):
        x, y, xx, yx, xy, yy = step(family, x, y, parameters[(first + t) % parameters.shape[0]])
        orbit[t, 0], orbit[t, 1] = x, y
        a0, a1 = xx * a0 + xy * a1, yx * a0 + yy * a1
        size_a = max(math.hypot(a0, a1), 1e-300)
        a0, a1 = a0 / size_a, a1 / size_a
        logs[0] = math.log(size_a)
        if size == 2:
            b0, b1 = xx * b0 + xy * b1, yx * b0 + yy * b1
            dot = a0 * b0 + a1 * b1
            b0, b1 = b0 - dot * a0, b1 - dot * a1
            size_b = max(math.hypot(b0, b1), 1e-300)
            b0, b1 = b0 / size_b, b1 / size_b
            logs[1] = math.log(size_b)
        later = min(t // half, 1)
        u = (t - later * half + 0.5) / half
        weight = math.exp(-1 / (u * (1 - u))) if u < 1 else 0.0
        total[later] += weight
        for i in range(size):
            finite[t * windows // steps, i] += logs[i] * windows / steps
            smooth[later, i] += weight * logs[i]
    for later in range(2):
        smooth[later] /= max(total[later], 1e-300)
    return finite, smooth, (x, y)


class Map(NamedTuple):
    """A map with parameters of known kind."""

    family: int
    parameters: tuple  # of one step, or of each phase of a drive
    kind: str
    period: int = 0
    frequencies: int = 0
    start: tuple = (0.3, 0.4)


def survey(case, steps=STEPS, transient=TRANSIENT, stride=None):
    """Strobes, exponents by window, and smooth ones, as the kernel gives them; a strobe per period of the drive."""
    p = np.atleast_2d(np.array(case.parameters, dtype=float))
    stride = len(p) if stride is None else stride
    size = 2 if case.family in (HENON, SPIRAL) or p.shape[1] == 4 else 1
    if case.family == CIRCLES and size == 1:
        p = np.concatenate([p, np.zeros_like(p)], axis=1)
    x = case.start
    if transient:
        x = follow(case.family, x, p, 0, transient, size, 1, np.empty((transient, 2)))[2]
    orbit = np.empty((steps, 2))
    finite, smooth, _ = follow(case.family, x, p, transient, steps, size, WINDOWS, orbit)
    orbit = orbit[:, :size]
    if case.family == CIRCLES:  # angles as points on circles
        orbit = np.concatenate([np.cos(2 * np.pi * orbit), np.sin(2 * np.pi * orbit)], axis=1)
    return orbit[stride - 1 :: stride], finite, smooth


def kinds_of(*surveys, drive_period=1, tolerance=TOLERANCE, steps=STEPS):
    strobes, finite, smooth = (np.stack(arrays) for arrays in zip(*surveys, strict=True))
    lengths = np.full(WINDOWS, steps // WINDOWS)
    return find_kinds(strobes, finite, lengths, smooth, drive_period=drive_period, tolerance=tolerance)


@cache
def exponent(family, parameters):
    """Largest exponent of a million steps."""
    p = np.atleast_2d(np.array(parameters, dtype=float))
    if family == CIRCLES and p.shape[1] == 2:
        p = np.concatenate([p, np.zeros_like(p)], axis=1)
    steps = 10**6
    return follow(family, (0.31, 0.1), p, 0, steps, 1, 1, np.empty((steps, 2)))[0][0, 0]


def superstable(period):
    """All r at which 1/2 is on an orbit of the logistic map of exactly this period."""

    def returns(r, times):
        x = 0.5
        for _ in range(times):
            x = r * x * (1 - x)
        return x - 0.5

    grid = np.linspace(3, 4, 20_001)
    values = returns(grid, period)
    found = [brentq(returns, *grid[i : i + 2], args=(period,)) for i in np.flatnonzero(values[:-1] * values[1:] < 0)]
    parts = [part for part in range(1, period) if period % part == 0]
    return [r for r in found if all(abs(returns(r, part)) > 1e-6 for part in parts)]


def tongue(p, q, k):
    """Ω at which 0, the most stable angle, is on a periodic orbit of rotation number p/q."""

    def ahead(omega):
        x = 0.0
        for _ in range(q):
            x += omega - k / (2 * math.pi) * math.sin(2 * math.pi * x)
        return x - p

    return brentq(ahead, p / q - 0.2, p / q + 0.2, xtol=1e-15)


@njit
def rotation(omega, k, steps):
    """Rotation number by a weighted Birkhoff average."""
    x, total, weights = 0.1, 0.0, 0.0
    for t in range(steps):
        ahead = omega - k / (2 * np.pi) * np.sin(2 * np.pi * x)
        x += ahead
        u = (t + 0.5) / steps
        weight = np.exp(-1 / (u * (1 - u)))
        total += weight * ahead
        weights += weight
    return total / weights


@cache
def winding(number, k):
    """Ω at which the circle map has a rotation number that no rational one is near."""
    return brentq(lambda omega: rotation(omega, k, 20_000) - number, number - 0.2, number + 0.2, xtol=1e-15)


def logistic_maps():
    for r in np.linspace(1.25, 2.95, 8):
        yield Map(LOGISTIC, (r,), "fixed", 1)  # multiplier 2 - r
    # Period doublings at 3, 1 + sqrt(6), 3.544090, 3.564407, 3.568759, 3.569692.
    edges = (3, 1 + math.sqrt(6), 3.544090, 3.564407, 3.568759, 3.569692)
    for doublings, (low, high) in enumerate(itertools.pairwise(edges), 1):
        for part in (0.2, 0.5, 0.8):
            yield Map(LOGISTIC, (low + part * (high - low),), "periodic", 2**doublings)
    for period, how_many in ((3, 1), (4, 2), (5, 3), (6, 5), (7, 9)):
        found = superstable(period)
        assert len(found) == how_many  # known from symbolic dynamics
        for r in found:
            yield Map(LOGISTIC, (r,), "periodic", period)
    # Bands merge where the orbit of 1/2 ends on an unstable orbit: chaos for certain.
    for r in (4.0, 3.678573510428322, 3.592572184106978, 3.574804938759208):
        yield Map(LOGISTIC, (r,), "chaotic")
    for r in np.linspace(3.6, 3.99, 14):
        if exponent(LOGISTIC, (r,)) > 0.01:
            yield Map(LOGISTIC, (r,), "chaotic")


def circle_maps():
    yield Map(CIRCLES, (0.0, 0.9), "fixed", 1)
    for q in range(2, 10):
        for p in range(1, q // 2 + 1):
            if math.gcd(p, q) == 1:
                yield Map(CIRCLES, (tongue(p, q, 0.9), 0.9), "periodic", q)
    for k in (0.0, 0.3, 0.6, 0.9):
        for number in (GOLDEN, SILVER, math.sqrt(3) - 1, math.sqrt(7) / 9):
            yield Map(CIRCLES, (winding(number, k), k), "quasi_periodic", frequencies=1)
    for k, other in ((0.0, 0.0), (0.5, 0.5), (0.8, 0.3), (0.9, 0.9)):
        yield Map(CIRCLES, (winding(GOLDEN, k), k, winding(SILVER, other), other), "quasi_periodic", frequencies=2)
        # A torus times a stable orbit
        yield Map(CIRCLES, (winding(GOLDEN, k), k, tongue(1, 3, 0.9), 0.9), "quasi_periodic", frequencies=1)
    for k in (3.0, 4.0, 5.0, 6.0):
        for omega in (0.1, 0.35):
            if exponent(CIRCLES, (omega, k)) > 0.01:
                yield Map(CIRCLES, (omega, k), "chaotic")


def henon_maps():
    # At b = 0.3: fixed from -0.1225 to 0.3675, period 2 to 0.9125, period 4 to 1.0258, period 7 near 1.25.
    for kind, period, low, high in (("fixed", 1, 0.0, 0.35), ("periodic", 2, 0.39, 0.9), ("periodic", 4, 0.93, 1.02)):
        for a in np.linspace(low, high, 4):
            yield Map(HENON, (a, 0.3), kind, period, start=(0.1, 0.1))
    yield Map(HENON, (1.25, 0.3), "periodic", 7, start=(0.1, 0.1))
    for a in (1.1, 1.15, 1.2, 1.3, 1.35, 1.4):
        if exponent(HENON, (a, 0.3)) > 0.01:
            yield Map(HENON, (a, 0.3), "chaotic", start=(0.1, 0.1))


def driven_maps():
    """A small drive of period D turns period n into the least common multiple."""
    for drive in (2, 3, 4):
        push = 0.01 * np.cos(2 * np.pi * np.arange(drive) / drive + 0.4)
        for r, period in ((2.5, 1), (2.8, 1), (3.3, 2), (3.5, 4)):
            common = math.lcm(drive, period)
            kind = "fixed" if common == drive else "periodic"
            yield Map(LOGISTIC, tuple((r + each,) for each in push), kind, common)
        for number in (GOLDEN, SILVER):
            yield Map(CIRCLES, tuple((number + each, 0.0) for each in push), "quasi_periodic", frequencies=1)
        for r in (3.9, 3.95):
            parameters = tuple((r + each,) for each in push)
            if exponent(LOGISTIC, parameters) > 0.01:
                yield Map(LOGISTIC, parameters, "chaotic")
