"""After how many strobes an orbit repeats, and since when, against the definitions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.kernels.recurrence import last_away, repeats


def repeats_by_definition(orbit, tolerance):
    n = len(orbit)
    for lag in range(1, n // 2 + 1):
        span = min(max(lag, 16), n - lag)
        limit = min(tolerance, max(100 * tolerance * lag / n, 1e-13))
        if (np.abs(orbit[n - span :] - orbit[n - span - lag : n - lag]) < limit).all():
            return lag
    return 0


@settings(max_examples=60, deadline=None)
@given(
    period=st.integers(1, 30),
    count=st.integers(2, 100),
    before=st.integers(0, 60),
    patterns=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_recurrence_by_definition(period, count, before, patterns, seed):
    rng = np.random.default_rng(seed)
    orbit = np.tile(rng.integers(0, 3, (period, patterns)) / 2.0, (count // period + 2, 1))[:count]
    orbit[: min(before, count)] = rng.random((min(before, count), patterns))
    lags, away = np.zeros(2, np.int64), np.zeros(2, np.int64)
    both = np.stack([orbit, np.full_like(orbit, np.nan)])
    repeats(both, 1e-8, lags)
    assert lags.tolist() == [repeats_by_definition(orbit, 1e-8), 0]
    last_away(both, lags, 1e-3, away)
    if lags[0]:
        final = orbit[count - lags[0] + (np.arange(count) - count) % lags[0]]
        expected = np.flatnonzero((np.abs(orbit - final) > 1e-3).any(axis=1))
        assert away[0] == (expected[-1] if expected.size else -1)
    assert away[1] == count - 1
