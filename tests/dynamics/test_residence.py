import itertools

import numpy as np
import pytest
from scipy.stats import binom, chi2, kstest

from dmfx.dynamics.residence import escape_rate, escapes, stays_of, survival


def chain(rng, leave, steps, runs):
    """Runs (run, step) of a Markov chain that leaves each state with some probability, to any other."""
    n = len(leave)
    states = np.empty((runs, steps), np.int64)
    states[:, 0] = rng.integers(n, size=runs)
    for t in range(1, steps):
        before = states[:, t - 1]
        goes = rng.random(runs) < np.take(leave, before)
        states[:, t] = np.where(goes, (before + rng.integers(1, n, size=runs)) % n, before)
    return states


def by_definition(labels):
    """Stays of runs, one label after the other."""
    found = []
    for number, run in enumerate(labels):
        pieces = [(label, len(list(group))) for label, group in itertools.groupby(run)]
        for (label, steps), (following, _) in zip(pieces, [*pieces[1:], (-1, 0)], strict=True):
            if label >= 0:
                found.append((number, label, steps - (following < 0), max(following, -1)))
    return found


def test_stays_by_hand():
    labels = np.array([[-1, -1, 0, 0, 0, 1, 2, 2], [2, 2, 2, 2, 2, 2, 2, 2], [1, 0, -2, -2, -2, 0, 0, 1]])
    stays = stays_of(labels)
    rows = [tuple(map(int, row)) for row in zip(*stays, strict=True)]
    assert rows == [
        (0, 0, 3, 1),
        (0, 1, 1, 2),
        (0, 2, 1, -1),
        (1, 2, 7, -1),
        (2, 1, 1, 0),
        (2, 0, 0, -1),
        (2, 0, 2, 1),
        (2, 1, 0, -1),
    ]
    assert stays.ended.tolist() == [True, True, False, False, True, False, True, False]
    assert escapes(stays, 3).tolist() == [[0, 2, 0], [1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(20))
def test_stays_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-2, 3, (rng.integers(1, 5), rng.integers(1, 40))).repeat(rng.integers(1, 4), axis=1)
    stays = stays_of(labels.astype(np.int16))
    assert [tuple(map(int, row)) for row in zip(*stays, strict=True)] == by_definition(labels)
    expected = np.zeros((3, 3), int)
    for _, label, _, to in by_definition(labels):
        if to >= 0:
            expected[label, to] += 1
    np.testing.assert_array_equal(escapes(stays, 3), expected)


def test_nothing_and_one_place_only():
    for labels in (np.full((2, 5), -1), np.empty((0, 5), int), np.full((3, 2), -2)):
        stays = stays_of(labels)
        assert all(each.size == 0 for each in stays)
        assert escapes(stays, 2).tolist() == [[0, 0], [0, 0]]
    assert stays_of(np.zeros((2, 1), int)).length.tolist() == [0, 0]


def test_rates_of_a_chain_that_is_known():
    """Each step in a state is one trial: the number of escapes out of all of them is binomial."""
    leave = [0.02, 0.1, 0.005]
    stays = stays_of(chain(np.random.default_rng(1), leave, 4000, 40))
    left = escapes(stays, 3)
    total = np.bincount(stays.label, stays.length)
    assert total.sum() == 40 * 3999, "every step of every run but the last"
    for a, p in enumerate(leave):
        low, high = binom.interval(0.9999, int(total[a]), p)
        assert low <= left[a].sum() <= high
        share = left[a][np.arange(3) != a]
        assert abs(share[0] - share[1]) < 4 * np.sqrt(share.sum())
    # The lengths of stays of which the end was seen, in runs long against them, are geometric.
    lengths = stays.length[(stays.label == 0) & stays.ended]
    smooth = lengths - np.random.default_rng(2).random(lengths.size)
    assert kstest(smooth, lambda t: 1 - (1 - 0.02) ** t).pvalue > 0.001


@pytest.mark.parametrize(("steps", "leave"), [(400, (0.02, 0.05)), (60, (0.01, 0.02))])
def test_intervals_hold_the_truth(steps, leave):
    """Runs so short that many stays are cut off, and some chains are never left."""
    rng = np.random.default_rng(3)
    repetitions = 1500
    missed = np.zeros((2, 2))
    for _ in range(repetitions):
        stays = stays_of(chain(rng, leave, steps, 5))
        total = np.bincount(stays.label, stays.length, minlength=2)
        rate = escape_rate(escapes(stays, 2).sum(axis=1), total)
        with np.errstate(invalid="ignore"):
            missed += [rate.low > leave, rate.high < leave]
    # At most 2.5 % on either side, with a margin of four standard errors; not much fewer, or they would be too wide.
    assert (missed / repetitions < 0.025 + 4 * np.sqrt(0.025 / repetitions)).all()
    assert (missed.sum(axis=0) / repetitions > 0.004).all()


def test_ends_of_the_intervals():
    ended, total = np.array([0, 1, 30, 0]), np.array([50.0, 10.0, 1e6, 0.0])
    rate = escape_rate(ended, total)
    np.testing.assert_allclose(rate.value[:3], [0, 0.1, 3e-5])
    assert rate.low[0] == 0
    # None in a time T has probability 2.5 % at the upper end.
    assert np.exp(-rate.high[0] * 50) == pytest.approx(0.025)
    assert 1 - np.exp(-rate.low[1] * 10) == pytest.approx(0.025)
    assert rate.high[2] == pytest.approx(chi2.ppf(0.975, 62) / 2e6)
    assert np.isnan([each[3] for each in rate]).all()


def test_without_memory_stays_that_were_cut_off_count_as_any_other():
    rng = np.random.default_rng(5)
    times, cut = rng.exponential(100, 20_000), rng.uniform(0, 150, 20_000)
    ended = times < cut
    rate = escape_rate(ended.sum(), np.minimum(times, cut).sum())
    assert rate.value == pytest.approx(0.01, rel=4 / np.sqrt(ended.sum()))
    assert times[ended].mean() < 60, "the mean of those that ended would be wrong"
    time, part = survival(np.minimum(times, cut), ended)
    known = time < 120
    assert np.abs(part - np.exp(-time / 100))[known].max() < 0.03


def test_survival_without_cuts_is_the_part_that_lasts():
    length = np.random.default_rng(0).integers(1, 30, 200).astype(float)
    time, part = survival(length, np.ones(200, bool))
    np.testing.assert_allclose(part, [(length > t).mean() for t in time], atol=1e-12)
    assert (time[0], part[0], part[-1]) == (0, 1, pytest.approx(0))


def test_survival_by_hand():
    # Out of 5, one ends at 2; one of the 3 that are left at 3 ends; what is cut off at 2 was still there at 2.
    time, part = survival(np.array([2.0, 2.0, 3.0, 4.0, 5.0]), np.array([1, 0, 1, 0, 0]))
    assert time.tolist() == [0, 2, 3, 5]
    assert part.tolist() == pytest.approx([1, 4 / 5, 4 / 5 * 2 / 3, 4 / 5 * 2 / 3])
    assert [each.tolist() for each in survival(np.array([3.0]), np.array([False]))] == [[0, 3], [1, 1]]
    assert [each.tolist() for each in survival(np.empty(0), np.empty(0, bool))] == [[0], [1]]
