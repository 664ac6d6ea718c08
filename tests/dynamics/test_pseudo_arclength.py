import numpy as np
import pytest

from dmfx.dynamics.pseudo_arclength import trace
from dmfx.dynamics.shooting import Curve
from tests.dynamics.textbook import (
    CIRCLE,
    DELAYED,
    HENON,
    LOGISTIC,
    PITCHFORK,
    RESONANCE,
    B,
    sharp_doubling,
    sharp_fold,
)


def follow(family, state, parameter, period, limits, *, step=0.01, max_points=3000):
    curve = Curve(family, 0, period, limits)
    return trace(curve, np.atleast_1d(np.asarray(state, dtype=float)), parameter, step=step, max_points=max_points)


def specials(branch):
    return [(visit.special, visit.parameter) for visit in branch.visits if visit.special != "none"]


def assert_specials(branch, expected, atol=1e-11):
    found = specials(branch)
    assert [name for name, _ in found] == [name for name, _ in expected]
    np.testing.assert_allclose([value for _, value in found], [value for _, value in expected], rtol=0, atol=atol)


def settled(family, start, parameter, steps=3000):
    return family.orbit(start, parameter, steps)[-1]


def test_fixed_points_of_the_logistic_map():
    branch = follow(LOGISTIC, 1 - 1 / 2.5, 2.5, 1, (1.5, 3.9))
    assert branch.ends == ("limit", "limit")
    parameters = np.array([visit.parameter for visit in branch.visits])
    assert (np.diff(parameters) > 0).all()
    assert parameters[[0, -1]].tolist() == [1.5, 3.9]
    np.testing.assert_allclose([visit.state[0] for visit in branch.visits], 1 - 1 / parameters, atol=1e-14)
    np.testing.assert_allclose([visit.multipliers[0] for visit in branch.visits], 2 - parameters, atol=1e-13)
    assert [visit.unstable for visit in branch.visits] == (parameters > 3 + 1e-9).tolist()
    assert_specials(branch, [("period_doubling", 3.0)])
    (doubling,) = (visit for visit in branch.visits if visit.special != "none")
    assert doubling.angle == np.pi


def test_transcritical_point_of_the_logistic_map():
    branch = follow(LOGISTIC, 1 - 1 / 2.5, 2.5, 1, (0.5, 2.9))
    assert_specials(branch, [("branch_point", 1.0)], atol=1e-7)


def test_window_of_period_3():
    branch = follow(LOGISTIC, settled(LOGISTIC, 0.5, 3.832), 3.832, 3, (3.8, 3.85))
    assert branch.ends == ("limit", "limit")  # the unstable orbit comes back from the fold
    # The doubling is the root of r^6 - 6 r^5 + 4 r^4 + 24 r^3 - 14 r^2 - 36 r - 81.
    doubling = max(root.real for root in np.roots([1, -6, 4, 24, -14, -36, -81]) if abs(root.imag) < 1e-9)
    found = specials(branch)
    names = [name for name, _ in found]
    assert sorted(names) == ["fold", "period_doubling"]
    values = dict(found)
    assert abs(values["fold"] - (1 + np.sqrt(8))) < 1e-12
    assert abs(values["period_doubling"] - doubling) < 1e-9
    sides = {visit.unstable for visit in branch.visits if visit.special == "none" and visit.parameter < 3.84}
    assert sides == {0, 1}
    assert branch.visits[[visit.special for visit in branch.visits].index("fold")].unstable == 0


def test_branch_of_doubled_orbits_ends_where_they_were_born():
    branch = follow(LOGISTIC, settled(LOGISTIC, 0.5, 3.3), 3.3, 2, (2.5, 3.5))
    assert branch.ends == ("half_period", "limit")
    assert_specials(branch, [("period_doubling", 3.0), ("period_doubling", 1 + np.sqrt(6))], atol=1e-9)
    for visit in branch.visits:
        if visit.parameter < 3.001:
            continue
        r, x = visit.parameter, visit.state[0]
        root = np.sqrt((r - 3) * (r + 1))
        assert min(abs(x - (r + 1 + root) / (2 * r)), abs(x - (r + 1 - root) / (2 * r))) < 1e-12
        np.testing.assert_allclose(visit.multipliers, 4 + 2 * r - r**2, atol=1e-12)


@pytest.mark.parametrize("bend", [1.0, 1e4, 1e5, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("step", [0.1, 0.01])
def test_doubled_orbits_end_where_they_were_born_however_sharp_the_branch(bend, step):
    branch = follow(sharp_doubling(bend), np.sqrt(0.5 / bend), 0.5, 2, (-0.5, 0.8), step=step)
    assert branch.ends == ("half_period", "limit")
    assert_specials(branch, [("period_doubling", 0.0)], atol=1e-9)
    assert branch.visits[0].special == "period_doubling"
    # It never goes on as the orbit of half the period, which is 0 at every p.
    for visit in branch.visits[1:]:
        np.testing.assert_allclose(abs(visit.state[0]), np.sqrt(visit.parameter / bend), atol=1e-9)
        assert abs(visit.state[0]) > 1e-8


@pytest.mark.parametrize("bend", [1.0, 1e3, 1e6])
def test_sharp_fold_is_passed(bend):
    branch = follow(sharp_fold(bend), np.sqrt(0.5 / bend), 0.5, 1, (-0.5, 0.8))
    assert branch.ends == ("limit", "limit")
    assert ("fold", 0.0) in [(name, round(value, 9) + 0.0) for name, value in specials(branch)]
    assert branch.visits[0].state[0] * branch.visits[-1].state[0] < 0


def test_fixed_points_of_the_henon_map():
    branch = follow(HENON, [0.6, 0.2], 0.2, 1, (-0.5, 1.5))
    assert branch.ends[1] == "limit"
    assert_specials(branch, [("fold", -((1 - B) ** 2) / 4), ("period_doubling", 3 * (1 - B) ** 2 / 4)])
    for visit in branch.visits:
        x = visit.state[0]
        assert abs(visit.parameter * x**2 + (1 - B) * x - 1) < 1e-10 * max(1, x**2)


def test_neimark_sacker_of_the_delayed_logistic_map():
    branch = follow(DELAYED, [0.4, 0.4], 1.8, 1, (1.2, 2.4))
    assert_specials(branch, [("neimark_sacker", 2.0)])
    (torus,) = (visit for visit in branch.visits if visit.special != "none")
    assert abs(torus.angle - np.pi / 3) < 1e-12
    np.testing.assert_allclose(np.abs(torus.multipliers), 1, atol=1e-12)
    assert torus.unstable == 0
    assert {visit.unstable for visit in branch.visits} == {0, 2}


def test_closed_branch():
    branch = follow(CIRCLE, -0.8, 0.6, 1, (-2.0, 2.0))
    assert branch.ends == ("none", "closed")
    assert_specials(branch, [("fold", 1.0), ("fold", -1.0)])
    places = np.array([(visit.state[0], visit.parameter) for visit in branch.visits])
    np.testing.assert_allclose(np.hypot(*places.T), 1, atol=1e-13)
    np.testing.assert_allclose(places[0], places[-1], atol=1e-9)
    turned = np.unwrap(np.arctan2(*places.T))
    np.testing.assert_allclose(abs(turned[-1] - turned[0]), 2 * np.pi, atol=1e-9)
    assert (np.diff(turned)[[0, -1]] != 0).all()


def test_closed_branch_meets_itself_at_another_shift():
    # Near a rotation by a third of a circle, three stable and three unstable points meet at the folds that end the
    # locking. The curve goes through all of them; each third of it has the same orbits.
    branch = follow(RESONANCE, settled(RESONANCE, [0.4, 0.2], 0.0), 0.0, 3, (-0.2, 0.2))
    assert branch.ends == ("none", "closed")
    assert [name for name, _ in specials(branch)] == ["fold", "fold"]
    first, last = branch.visits[0].state, branch.visits[-1].state
    assert np.abs(first - last).max() > 0.1
    cycle = RESONANCE.orbit(first, 0.0, 3)
    assert np.abs(cycle - last).max(axis=1).min() < 1e-9


def test_pitchfork_from_both_branches():
    assert_specials(follow(PITCHFORK, 0.0, -0.5, 1, (-1.0, 1.0)), [("branch_point", 0.0)])
    branch = follow(PITCHFORK, np.sqrt(0.5), 0.5, 1, (-1.0, 2.0))
    expected = [("period_doubling", 1.0), ("branch_point", 0.0), ("period_doubling", 1.0)]
    assert_specials(branch, expected)
    assert branch.ends == ("limit", "limit")


@pytest.mark.parametrize(("repeats", "ends"), [(5, ("limit", "limit")), (8, ("too_unstable", "limit"))])
def test_long_unstable_orbit(repeats, ends):
    # x = sin²(π θ) with θ = k / (2^T - 1): the binary digits of k repeat. In one piece, no Newton step would survive.
    digits = "0011" * repeats + "01"
    period = len(digits)
    start = np.sin(np.pi * int(digits, 2) / (2**period - 1)) ** 2
    branch = follow(LOGISTIC, start, 4.0, period, (3.9, 4.0))
    assert branch.ends == ends
    assert abs(branch.visits[-1].multipliers[0] / 2**period - 1) < 1e-6
    assert {visit.unstable for visit in branch.visits} == {1}


@pytest.mark.parametrize("max_points", [2, 3, 10, 57, 113, 114])
def test_max_points_keeps_those_next_to_the_start(max_points):
    whole = follow(LOGISTIC, 1 - 1 / 2.5, 2.5, 1, (1.5, 3.9))
    branch = follow(LOGISTIC, 1 - 1 / 2.5, 2.5, 1, (1.5, 3.9), max_points=max_points)
    assert len(branch.visits) == min(max_points, len(whole.visits))
    values = [visit.parameter for visit in whole.visits]
    first = values.index(branch.visits[0].parameter)
    assert [visit.parameter for visit in branch.visits] == values[first : first + len(branch.visits)]
    assert 2.5 in [visit.parameter for visit in branch.visits]
    expected = ("max_points" if first else "limit", "max_points" if branch.visits[-1].parameter < 3.9 else "limit")
    assert branch.ends == expected


def test_start_at_a_limit():
    branch = follow(LOGISTIC, 0.5, 2.0, 1, (2.0, 2.5))
    assert branch.ends == ("limit", "limit")
    assert branch.visits[0].parameter == 2.0


@pytest.mark.parametrize(
    ("family", "state", "parameter"), [(CIRCLE, 0.0, 1.5), (LOGISTIC, np.nan, 3.9), (LOGISTIC, 1e200, 3.9)]
)
def test_no_orbit(family, state, parameter):
    assert follow(family, state, parameter, 2, (0.0, 4.0)) is None
