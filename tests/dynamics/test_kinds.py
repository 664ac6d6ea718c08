"""Kinds of attractor on maps of known kind: recurrence, exponents and spectrum, alone and together."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.dynamics.criteria import last_change
from dmfx.dynamics.kinds import CRITERIA
from dmfx.variables import KINDS
from tests.dynamics.known_maps import (
    CIRCLES,
    GOLDEN,
    HENON,
    LOGISTIC,
    SPIRAL,
    STEPS,
    TRANSIENT,
    WINDOWS,
    Map,
    circle_maps,
    driven_maps,
    exponent,
    henon_maps,
    kinds_of,
    logistic_maps,
    survey,
    winding,
)


def judge(case, steps=STEPS, transient=TRANSIENT, stride=None):
    """What is found for one map, with the name of its kind."""
    drive = len(np.atleast_2d(case.parameters)) if stride is None else stride
    return first_of(kinds_of(survey(case, steps, transient, stride), drive_period=drive, steps=steps))


def first_of(found):
    values = {name: value[0] for name, value in found._asdict().items()}
    return SimpleNamespace(**values, name=KINDS[values["kind"]], says=[KINDS[flag] for flag in values["verdict"]])


def test_maps_of_known_kind():
    cases = [*logistic_maps(), *circle_maps(), *henon_maps(), *driven_maps()]
    assert len(cases) >= 100
    wrong, disagree = [], []
    for case in cases:
        found = judge(case)
        if (found.name, found.period, found.frequencies) != (case.kind, case.period, case.frequencies):
            wrong.append((case, found.name, found.period, found.frequencies))
        if not found.agree:
            disagree.append((case, found.says))
    assert len(wrong) <= len(cases) // 100, wrong
    assert len(disagree) <= len(cases) // 50, disagree


@pytest.mark.parametrize("steps", [2_000, 5_000, 100_000])
def test_other_lengths(steps):
    cases = [
        Map(LOGISTIC, (3.55,), "periodic", 8),
        Map(LOGISTIC, (3.9,), "chaotic"),
        Map(CIRCLES, (winding(GOLDEN, 0.6), 0.6), "quasi_periodic", frequencies=1),
        Map(HENON, (1.4, 0.3), "chaotic", start=(0.1, 0.1)),
        Map(LOGISTIC, ((2.5,), (2.7,)), "fixed", 2),
    ]
    for case in cases:
        found = judge(case, steps)
        assert (found.name, found.period, found.frequencies) == (case.kind, case.period, case.frequencies)
        assert found.agree
        assert found.settled == 0


def test_exponents_are_those_known():
    found = judge(Map(LOGISTIC, (4.0,), "chaotic"))
    assert abs(found.lyapunov[0] - math.log(2)) < 5 * found.lyapunov_error[0] < 0.02
    found = judge(Map(LOGISTIC, (2.8,), "fixed"))
    assert found.lyapunov[0] == pytest.approx(math.log(0.8), abs=1e-12)
    found = judge(Map(HENON, (1.4, 0.3), "chaotic", start=(0.1, 0.1)))
    np.testing.assert_allclose(found.lyapunov, [0.4192, -1.6232], atol=0.02)
    found = judge(Map(CIRCLES, (winding(GOLDEN, 0.9), 0.9), "quasi_periodic"))
    assert abs(found.lyapunov[0]) < 1e-7


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.002), (0.5, 0.01), (0.8, 0.03)])
def test_windows_that_are_correlated_are_no_change(correlation, most):
    """Long episodes of stationary chaos are no transient."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1000, WINDOWS))
    for i in range(1, WINDOWS):
        values[:, i] = correlation * values[:, i - 1] + math.sqrt(1 - correlation**2) * values[:, i]
    late = [2 * last_change(each[:, None], 0.0) > WINDOWS for each in values]
    assert np.mean(late) <= most


@pytest.mark.parametrize("at", [1, 4, 10, 16, 19])
def test_a_change_of_the_windows_is_seen(at):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(100, WINDOWS, 1))
    values[:, at:] += 15
    assert all(last_change(each, 3.0) == at for each in values)


def spliced(family, first, second, at):
    """A map whose parameters change after some steps: a transient of known length."""
    rows = np.empty((STEPS, len(second)))
    rows[:at], rows[at:] = first, second
    return judge(Map(family, rows, ""), transient=0, stride=1)


@settings(max_examples=20, deadline=None)
@given(at=st.integers(0, 19_000), r=st.sampled_from([(2.8, 1), (3.2, 2), (3.5, 4), (3.832, 3), (3.739, 5)]))
def test_periodic_after_a_chaotic_transient(at, r):
    found = spliced(LOGISTIC, (3.95,), (r[0],), at)
    assert found.period == r[1]
    # The stable orbits of period 3 and 5 have chaotic transients of their own.
    assert at <= found.settled <= at + (100 if r[0] < 3.6 else 700)
    later = exponent(LOGISTIC, (r[0],))
    assert found.lyapunov[0] == pytest.approx(later, abs=0.01) or (
        found.settled > 18_000 and np.isnan(found.lyapunov[0])
    )


@settings(max_examples=20, deadline=None)
@given(at=st.integers(0, 19_000), to=st.sampled_from(["torus", "chaos", "other chaos"]))
def test_torus_and_chaos_after_a_transient(at, to):
    torus = winding(GOLDEN, 0.6), 0.6
    family, first, second, kind = {
        "torus": (CIRCLES, (0.1, 4.0), torus, "quasi_periodic"),
        "chaos": (CIRCLES, torus, (0.1, 4.0), "chaotic"),
        "other chaos": (LOGISTIC, (3.62,), (3.95,), "chaotic"),
    }[to]
    found = spliced(family, first, second, at)
    window = STEPS // WINDOWS
    if at < STEPS // 2 - window:
        assert found.name == kind
        assert at - window / 2 <= found.settled <= at + window  # a short transient is seen if it fills half of a window
        assert found.agree
        if kind == "chaotic":
            assert abs(found.lyapunov[0] - exponent(family, second)) < 6 * found.lyapunov_error[0]
    elif at > STEPS // 2 + window:
        assert found.name == ("transient" if at < STEPS - 2 * window else found.name)


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(-2e-2, -1e-5), angle=st.floats(0.05, 3.0))
def test_spirals(rate, angle):
    found = judge(Map(SPIRAL, (rate, angle), "fixed", start=(1.0, 0.0)), transient=0)
    if -rate * STEPS > 28:
        assert found.name == "fixed"
        assert found.settled == pytest.approx(math.log(1e-3) / rate, abs=0.35 / -rate + 3)
        assert found.agree
    elif -rate * STEPS < 16:  # amplitude 1e-7
        assert found.name == "transient"
        assert np.isnan(found.settled)
    assert found.says[1] == "periodic"
    assert found.lyapunov[0] == pytest.approx(rate, abs=1e-9)


@pytest.mark.parametrize("q", [1, 2, 7, 50])
@pytest.mark.parametrize("off", [1e-3, 1e-5, 1e-6, 1e-7])
def test_near_returns_are_not_periods(q, off):
    found = judge(Map(CIRCLES, (math.floor(q * GOLDEN) / q + off * GOLDEN, 0.0), ""))
    assert found.says[:2] == ["none", "quasi_periodic"]
    assert found.period == 0


def test_a_period_longer_than_can_be_seen():
    rows = (2.5 + 0.1 * np.cos(2 * np.pi * np.arange(STEPS) / 15_000))[:, None]
    found = judge(Map(LOGISTIC, rows, ""), transient=0, stride=1)
    assert (found.name, found.period, found.says[1]) == ("periodic", 0, "periodic")


def test_criteria_that_disagree():
    unstable = judge(Map(LOGISTIC, (4.0,), "", start=(0.75, 0.0)))
    assert (unstable.name, unstable.says[:2], unstable.agree) == ("fixed", ["fixed", "chaotic"], 0)
    neutral = judge(Map(CIRCLES, (0.25, 0.0), ""))
    assert (neutral.period, neutral.says, neutral.agree) == (4, ["periodic", "quasi_periodic", "periodic"], 0)


def test_close_to_a_bifurcation():
    """Weakly stable orbits are not taken for tori, nor narrow bands of chaos for periodic orbits."""
    found = judge(Map(LOGISTIC, (3.0 - 5e-4,), ""), transient=50_000)
    assert (found.name, found.says[1]) == ("fixed", "periodic")
    assert -6e-4 < found.lyapunov[0] < -4e-4
    found = judge(Map(LOGISTIC, (3.570,), ""))
    assert exponent(LOGISTIC, (3.570,)) > 3e-3
    assert (found.name, found.says[1]) == ("chaotic", "chaotic")


def test_failed_and_lost_points():
    good = survey(Map(LOGISTIC, (3.2,), ""))
    strobes, finite, smooth = (array.copy() for array in good)
    strobes[-3:] = np.nan
    lost = good[0], np.full_like(finite, np.nan), np.full_like(smooth, np.nan)
    endless = good[0], np.full_like(finite, -np.inf), np.full_like(smooth, -np.inf)
    found = kinds_of((strobes, finite, smooth), lost, endless, good)
    assert [KINDS[kind] for kind in found.kind] == ["diverged", "periodic", "periodic", "periodic"]
    assert [[KINDS[flag] for flag in row] for row in found.verdict[:2]] == [
        ["none"] * 3,
        ["periodic", "none", "periodic"],
    ]
    assert found.agree.all()
    assert np.isnan(found.settled[0])
    assert np.isnan(found.spectral_floor[0])
    np.testing.assert_array_equal(np.isnan(found.lyapunov[:, 0]), [True, True, True, False])
    assert found.verdict.shape == (4, len(CRITERIA))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(6)))
def test_a_point_does_not_depend_on_the_others(order):
    surveys = [
        survey(Map(HENON, (a, 0.3), "", start=(0.1, 0.1)), steps=2000, transient=100)
        for a in (0.2, 0.5, 0.95, 1.2, 1.3, 1.4)
    ]
    alone = [kinds_of(each, steps=2000) for each in surveys]
    together = kinds_of(*(surveys[i] for i in order), steps=2000)
    for at, i in enumerate(order):
        for one, many in zip(alone[i], together, strict=True):
            np.testing.assert_array_equal(one[0], many[at])
