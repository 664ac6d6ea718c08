"""Which kind of attractor a run is on: three criteria, and what they say together.

Array level; `dmfx.analysis.classify` runs the map and labels the result.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dmfx.dynamics import criteria
from dmfx.dynamics.criteria import (
    CHAOTIC,
    DIVERGED,
    FIXED,
    NONE,
    PERIODIC,
    QUASI_PERIODIC,
    TRANSIENT,
    Growth,
)

__all__ = ["CRITERIA", "Findings", "find_kinds"]

#: The criteria, in the order of the verdicts.
CRITERIA = ("recurrence", "exponents", "spectrum")

#: A run is on its attractor where it is no farther away than this; attention values are at most 1.
VISIBLE = 1e-3
#: A spectrum is taken from where a run is within so many tolerances of the orbit that it ends on.
CONVERGED = 10
#: Change of the growth of small differences over one window, in nats, and of mean and spread of the states, in units of
#: their range, that counts as another kind of motion.
OTHER_GROWTH = 3.0
OTHER_STATES = 0.05


class Findings(NamedTuple):
    """What is found for each point.

    Attributes
    ----------
    kind
        Flag of `dmfx.variables.KINDS`, shape (point,).
    period
        Steps after which the orbit repeats, 0 where it does not, or does so later than can be seen.
    frequencies
        Number of incommensurate frequencies beside the drive, 0 unless quasi-periodic.
    settled
        Steps after which the run was on its attractor, NaN where it was not.
    verdict
        Kind by each of `CRITERIA` alone, shape (point, criterion).
    agree
        1 where all criteria that say something allow the same kind, else 0.
    lyapunov, lyapunov_error
        Exponents on the attractor, nats per step, and their errors, shape (point, exponent).
    spectral_floor
        Log10 of the power between the lines of the spectrum, relative to its sum.
    """

    kind: np.ndarray
    period: np.ndarray
    frequencies: np.ndarray
    settled: np.ndarray
    verdict: np.ndarray
    agree: np.ndarray
    lyapunov: np.ndarray
    lyapunov_error: np.ndarray
    spectral_floor: np.ndarray


def find_kinds(
    strobes: np.ndarray,
    finite_time: np.ndarray,
    lengths: np.ndarray,
    smooth: np.ndarray,
    *,
    drive_period: int,
    tolerance: float,
) -> Findings:
    """Decide the kind of attractor of each point.

    Recurrence decides where it finds a period; a run is then judged from where it is on that orbit. Elsewhere the run
    is cut where the growth of small differences changed; what is behind must be at least half of the run, or else the
    run is transient. There the largest exponent decides: below zero, an orbit is stable but was not reached; zero, a
    torus, unless the run is still approaching it; above, chaos, unless mean or spread of the states changed in the
    last half of the run. Where the exponent says nothing, the spectrum decides.

    Parameters
    ----------
    strobes
        States at equal phase of the drive, every ``drive_period`` steps, shape (point, strobe, pattern).
    finite_time
        Exponents of each window of the same steps, nats per step, descending, shape (point, window, exponent).
    lengths
        Steps of each window.
    smooth
        Smooth averages of the exponents over the first and the second half, shape (point, 2, exponent).
    drive_period
        Steps from one strobe to the next.
    tolerance
        States that differ by less are equal.

    Returns
    -------
    Findings
        A point with a state that is not finite has kind diverged and NaN.

    Notes
    -----
    An orbit of a period longer than half of the run cannot be seen to repeat. It is periodic, with period 0, if the
    largest exponent is so far below zero that an orbit that repeats earlier would have been reached.
    """
    from dmfx.kernels.recurrence import last_away, repeats

    points = len(strobes)
    n = finite_time.shape[2]
    lags, away, off = (np.zeros(points, np.int64) for _ in range(3))
    repeats(strobes, tolerance, lags)
    last_away(strobes, lags, VISIBLE, away)
    last_away(strobes, lags, CONVERGED * tolerance, off)
    found = Findings(
        np.full(points, DIVERGED, np.int8),
        np.zeros(points, np.int64),
        np.zeros(points, np.int64),
        np.full(points, np.nan),
        np.full((points, len(CRITERIA)), NONE, np.int8),
        np.ones(points, np.int8),
        np.full((points, n), np.nan),
        np.full((points, n), np.nan),
        np.full(points, np.nan),
    )
    for point in range(points):
        series = np.ascontiguousarray(strobes[point].T)
        if not np.isfinite(series).all():
            continue
        growth = [np.where(np.isfinite(each[point]), each[point], np.nan) for each in (finite_time, smooth)]
        run = _Run(series, growth[0], np.asarray(lengths), growth[1], drive_period, tolerance)
        lag = int(lags[point])
        each = run.repeating(lag, int(away[point]), int(off[point])) if lag else run.wandering()
        for array, value in zip(found, each, strict=True):
            array[point] = value
    return found


class _Run(NamedTuple):
    """One run; arrays as in `find_kinds`, without the points, but for the strobes, which are (pattern, strobe)."""

    series: np.ndarray
    finite_time: np.ndarray
    lengths: np.ndarray
    smooth: np.ndarray
    drive_period: int
    tolerance: float

    def repeating(self, lag: int, away: int, off: int) -> tuple:
        """Findings for a run that ends on an orbit of ``lag`` strobes."""
        settled = 0 if away < 0 else (away + 2) * self.drive_period
        ends = np.cumsum(self.lengths)
        grown = criteria.growth(self.finite_time, self.lengths, self.smooth, _window_at(ends, settled))
        spectral, floor = criteria.spectrum(self.series[:, off + 1 :], self.tolerance)
        kind = FIXED if lag == 1 else PERIODIC
        verdict = kind, grown.verdict, spectral
        # Lines of an orbit of many strobes are too dense: the spectrum cannot tell it from a torus, nor from chaos.
        told = spectral if lag < criteria.longest_period(self.series.shape[1] - off - 1) else NONE
        agree = _agree(kind, grown.verdict, told)
        return self._row(kind, lag * self.drive_period, 0, settled, verdict, agree, grown, floor)

    def wandering(self) -> tuple:
        """Findings for a run that does not end on a periodic orbit that can be seen."""
        ends = np.cumsum(self.lengths)
        steps = int(ends[-1])
        growth = (self.finite_time * self.lengths[:, None])[:, :1]
        first = criteria.last_change(growth, OTHER_GROWTH) if np.isfinite(growth).all() else 0
        grown = criteria.growth(self.finite_time, self.lengths, self.smooth, first)
        if grown.verdict == CHAOTIC:
            first = max(first, self._last_change_of_states(ends))
            grown = criteria.growth(self.finite_time, self.lengths, self.smooth, first)
        begins = int(ends[first - 1]) if first else 0
        behind = self.series[:, -(-begins // self.drive_period) :]
        spectral, floor = criteria.spectrum(behind, self.tolerance)
        kind = grown.verdict if grown.verdict != NONE else spectral
        if 2 * begins > steps or (grown.verdict == NONE and kind in (NONE, FIXED, PERIODIC)):
            kind = TRANSIENT
        elif kind == PERIODIC:
            contracted = grown.smooth[0] if np.isfinite(grown.smooth[0]) else grown.mean[0]
            kind = PERIODIC if contracted * (steps - begins) < math.log(self.tolerance / 100) else TRANSIENT
        elif kind == QUASI_PERIODIC and self._approaching(grown, behind, steps - begins):
            kind = TRANSIENT
        verdict = NONE, grown.verdict, spectral
        frequencies = max(grown.zeros, 1) if kind == QUASI_PERIODIC else 0
        return self._row(kind, 0, frequencies, begins, verdict, _agree(*verdict), grown, floor)

    def _last_change_of_states(self, ends: np.ndarray) -> int:
        """The last window before which mean or spread of the states was another."""
        edges = np.concatenate([[0], ends // self.drive_period])
        counts = np.diff(edges)
        if counts.min() < 2:
            return 0
        mean = np.add.reduceat(self.series, edges[:-1], axis=1) / counts
        square = np.add.reduceat(self.series**2, edges[:-1], axis=1) / counts
        quantities = np.concatenate([mean, np.sqrt(np.maximum(square - mean**2, 0))])
        least = OTHER_STATES * (self.series.max(axis=1) - self.series.min(axis=1))
        return criteria.last_change(quantities.T, np.concatenate([least, least]))

    def _approaching(self, grown: Growth, series: np.ndarray, steps: int) -> bool:
        """Whether the run is still on its way to a torus: what attracts to it is slow, and the states move on."""
        if grown.zeros < len(grown.smooth):
            contracted = grown.smooth[grown.zeros] * steps
            return contracted > math.log(VISIBLE) and criteria.moved(series) > VISIBLE
        return criteria.moved(series) > 10 * VISIBLE  # how fast is not known

    def _row(
        self,
        kind: int,
        period: int,
        frequencies: int,
        settled: float,
        verdict: tuple[int, int, int],
        agree: bool,
        grown: Growth,
        floor: float,
    ) -> tuple:
        """What goes into `Findings`, in its order."""
        regular = {kind, grown.verdict} & {FIXED, PERIODIC, QUASI_PERIODIC}
        smooth = regular and np.isfinite(grown.smooth[0])
        value = grown.smooth if smooth else grown.mean
        error = grown.smooth_error if smooth else grown.mean_error
        order = np.argsort(-value, kind="stable")  # nearly equal ones may come in either order
        settled = math.nan if kind == TRANSIENT else float(settled)
        return kind, period, frequencies, settled, verdict, int(agree), value[order], error[order], floor


def _agree(recurrence: int, exponents: int, spectrum: int) -> bool:
    """Whether the verdicts allow the same kind; the exponents alone do not tell a fixed from a periodic orbit."""
    said = {recurrence, spectrum} - {NONE}
    if exponents == PERIODIC and FIXED in said:
        exponents = FIXED
    return len((said | {exponents}) - {NONE}) < 2


def _window_at(ends: np.ndarray, step: int) -> int:
    """The first window that begins at this step or later."""
    return 0 if step == 0 else int(np.searchsorted(ends, step)) + 1
