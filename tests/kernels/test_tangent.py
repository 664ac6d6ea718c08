"""The tangent map against its equation and finite differences; exponents against a slow QR and exactly known cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.kernels.jacobian import jacobian
from dmfx.kernels.schedule import Schedule, schedule
from dmfx.kernels.self_attention import run
from dmfx.kernels.state import RECORDABLE
from dmfx.kernels.survey import new_sums, survey
from dmfx.kernels.tangent import advance
from tests import oracle
from tests.kernels.test_self_attention import draw

sizes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))


def at(points, i):
    """One point alone."""
    alone = {name: getattr(points, name)[i : i + 1] for name in ("beta", "gamma", "epsilon", "realisation", "phase")}
    return points._replace(attention=points.attention[i : i + 1], **alone)


def slow_jacobians(points, position, i, steps):
    """Derivative of every step along the orbit of one point, from the equation."""
    r = points.realisation[i]
    parameters = {"beta": points.beta[i], "gamma": points.gamma[i], "epsilon": points.epsilon[i]}
    weights = points.field[r].tolist(), points.overlap[r].tolist(), position[r].tolist()
    context, phase = points.attention[i].tolist(), int(points.phase[i])
    lags = len(context)
    found = []
    for _ in range(steps):
        found.append(np.array(oracle.step_jacobian(context, *weights, **parameters, phase=phase)))
        _, context, phase = oracle.run(*weights, **parameters, context_size=lags, steps=1, context=context, phase=phase)
    return found


@given(sizes)
@settings(deadline=None, max_examples=30)
def test_the_derivative_of_several_steps(size):
    n_patterns, context_size, n_columns, seed = size
    points, position = draw(np.random.default_rng(seed), 3, n_patterns, context_size, n_columns)
    steps = context_size + 2
    found = jacobian(points, steps=steps)
    recorded, final, phase = run(points, transient=0, steps=steps, record=("attention",))
    assert np.array_equal(found.orbit, recorded[0])
    assert np.array_equal(found.final_attention, final)
    assert np.array_equal(found.final_phase, phase)
    for i in range(3):
        product = np.eye(n_patterns * context_size)
        for one in slow_jacobians(points, position, i, steps):
            product = one @ product
        np.testing.assert_allclose(found.matrix[i], product, rtol=0, atol=1e-9 * max(1, np.abs(product).max()))


def test_the_equation_is_the_derivative_of_the_map():
    points, position = draw(np.random.default_rng(2), 1, 3, 4, 3)
    (matrix,) = slow_jacobians(points, position, 0, 1)
    for i in range(12):
        moved = []
        for sign in (1, -1):
            attention = points.attention.copy()
            attention.reshape(-1)[i] += sign * 1e-6
            moved.append(run(points._replace(attention=attention), transient=0, steps=1)[1].ravel())
        np.testing.assert_allclose((moved[0] - moved[1]) / 2e-6, matrix[:, i], rtol=0, atol=1e-7)


@given(sizes, st.integers(1, 4), st.integers(0, 3))
@settings(deadline=None, max_examples=25)
def test_exponents_are_those_of_a_slow_qr(size, every, transient):
    n_patterns, context_size, n_columns, seed = size
    points, position = draw(np.random.default_rng(seed), 2, n_patterns, context_size, n_columns)
    steps, windows, full = 12, 3, n_patterns * context_size
    found = survey(points, n=full, transient=transient, steps=steps, every=every, windows=windows)
    plan = schedule(transient, steps, every, windows)
    for i in range(2):
        frame = new_sums(1, full, context_size, n_patterns, windows).frame[0].reshape(full, full).T
        logs, determinant = np.zeros((windows + 3, full)), 0.0
        derivatives = slow_jacobians(points, position, i, transient + steps)
        if min(np.linalg.slogdet(one)[1] for one in derivatives) < -20:
            continue  # fewer column types than patterns: rounding decides the last exponents, see the next test
        for t, one in enumerate(derivatives):
            frame = one @ frame
            determinant += np.linalg.slogdet(one)[1] if t >= transient else 0.0
            if t in plan.ends:
                frame, r = np.linalg.qr(frame)
                logs[plan.window[plan.ends == t][0]] += np.log(np.maximum(np.abs(np.diag(r)), 1e-300))
        expected = logs[:windows] / plan.lengths[:, None]
        good = ~found.lost[i]
        np.testing.assert_allclose(found.finite_time[i][:, good], expected[:, good], rtol=0, atol=1e-4)
        if good.all():
            assert found.log_determinant[i] == pytest.approx(determinant / steps, abs=1e-7)
            assert found.finite_time[i].sum(axis=1) @ plan.lengths / steps == pytest.approx(
                determinant / steps, abs=1e-7
            )


def test_a_map_of_lower_rank_loses_its_last_exponents():
    # One column type and two patterns: each step forgets one direction altogether, after four steps four of eight.
    points, _ = draw(np.random.default_rng(1), 2, 2, 4, 1)
    found = survey(points, n=8, transient=0, steps=200, windows=4)
    assert found.lost[:, 4:].all()
    assert not found.lost[:, :4].any()
    assert np.isnan(found.log_determinant).all()


def test_lag_one_pattern_one_is_the_tanh_map():
    # M = L = 1: A' = (1-ε) Σ_j p_j w^v_j tanh(β w^o_j A) + ε P, with one multiplier.
    points, _ = draw(np.random.default_rng(4), 4, 1, 1, 2)
    points = points._replace(beta=np.array([0.3, 0.8, 1.5, 3.0]))
    found = survey(points, n=1, transient=500, steps=40, windows=2)
    _, fixed, _ = run(points, transient=2000, steps=1)
    for i in range(4):
        r = points.realisation[i]
        o, v = points.field[r, 0], points.overlap[r, 1, 0]
        slope = (
            (1 - points.epsilon[i])
            * points.beta[i]
            * (v * o * (1 - np.tanh(points.beta[i] * o * fixed[i, 0, 0]) ** 2)).sum()
        )
        if abs(slope) > 1e-11:
            assert found.finite_time[i].mean() == pytest.approx(np.log(abs(slope)), abs=1e-8)


def test_without_attention_the_smallest_exponents_solve_the_characteristic_equation():
    # γ = 0 and M = 1 at small β: A' = (b/L) Σ_d A_d with b = (1-ε) β Σ p w^v w^o (1 - s²), up to the small drive.
    rng = np.random.default_rng(6)
    points, _ = draw(rng, 1, 1, 4, 1)
    points = points._replace(gamma=np.zeros(1), beta=np.array([0.5]), epsilon=np.zeros(1))
    found = survey(points, n=4, transient=400, steps=4000, windows=2)
    b = 0.5 * (points.overlap[points.realisation[0], 1, 0] * points.field[points.realisation[0], 0]).sum()
    roots = np.abs(np.roots([1, *[-b / 4] * 4]))
    np.testing.assert_allclose(found.finite_time[0].mean(axis=0), np.log(np.sort(roots)[::-1]), rtol=0, atol=2e-3)
    assert found.log_determinant[0] == pytest.approx(np.log(abs(b) / 4), abs=1e-9)


def test_the_zero_map_underflows():
    points, _ = draw(np.random.default_rng(8), 2, 3, 4, 3)
    points = points._replace(beta=np.zeros(2))
    found = survey(points, n=12, transient=10, steps=20, windows=2)
    assert found.lost.all()
    assert np.isnan(found.finite_time).any(axis=1).all()
    assert np.isfinite(found.final_attention).all()


def test_a_measurement_goes_on_to_the_last_bit():
    points, _ = draw(np.random.default_rng(10), 19, 3, 4, 3)
    plan = schedule(7, 50, 4, 5)
    start = new_sums(19, 12, 4, 3, 5)
    whole, final, sums = advance(points, start, plan, first=0, steps=57, record=RECORDABLE)
    state, first, parts, now = points, 0, [], start
    for steps in (1, 2, 8, 13, 30, 3):
        out, attention, now = advance(state, now, plan, first=first, steps=steps, record=RECORDABLE)
        parts.append(out)
        first += steps
        state = state._replace(attention=attention, phase=(state.phase + steps) % 4)
    assert np.array_equal(np.concatenate(parts, axis=2), whole)
    assert np.array_equal(state.attention, final)
    for one, other in zip(now, sums, strict=True):
        assert np.array_equal(one, other, equal_nan=True)


def test_a_point_does_not_see_the_others():
    points, _ = draw(np.random.default_rng(12), 21, 3, 4, 3)
    attention = points.attention.copy()
    attention[5] = np.nan
    points = points._replace(attention=attention)
    together = survey(points, n=5, transient=3, steps=40, stride=4, windows=4)
    for i in (0, 4, 17, 20):
        alone = survey(at(points, i), n=5, transient=3, steps=40, stride=4, windows=4)
        for name in ("finite_time", "smooth", "lost", "strobes", "final_attention", "final_phase"):
            assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[i], equal_nan=True), name
    assert np.isnan(together.finite_time[5]).all()
    assert not together.lost[5].any()


def test_strobes_are_the_orbit():
    points, _ = draw(np.random.default_rng(14), 3, 2, 4, 3)
    found = survey(points, n=1, transient=5, steps=30, stride=4, windows=3)
    (orbit,), final, phase = run(points, transient=5, steps=30, record=("attention",))
    assert np.array_equal(found.strobes, orbit[:, 3:30:4])
    assert np.array_equal(found.final_attention, final)
    assert np.array_equal(found.final_phase, phase)


@given(st.integers(0, 9), st.integers(2, 60), st.integers(1, 7), st.integers(2, 9))
def test_the_schedule_covers_every_step_once(transient, steps, every, windows):
    windows = min(windows, steps)
    plan = schedule(transient, steps, every, windows)
    assert isinstance(plan, Schedule)
    assert (np.diff(plan.ends) > 0).all()
    assert (np.diff(plan.ends) <= every).all()
    assert plan.ends[-1] == transient + steps - 1
    lengths = np.diff([-1, *plan.ends])
    assert plan.lengths.sum() == steps
    for window in range(windows):
        assert lengths[plan.window == window].sum() == plan.lengths[window]
    assert lengths[plan.window == windows + 2].sum() == transient
    for half in (windows, windows + 1):
        assert plan.weight[plan.half == half] @ lengths[plan.half == half] == pytest.approx(1, abs=1e-12)
