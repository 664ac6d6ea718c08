"""The kernel against the equations in plain Python, exactly known cases and published trajectories."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx.kernels.lanes import WIDTH
from dmfx.kernels.self_attention import run
from dmfx.kernels.state import RECORDABLE, Points
from dmfx.models.self_attention import position_drive
from tests import oracle

PUBLISHED = Path(__file__).parents[3] / "shared" / "reference" / "published"


def draw(rng, n_points, n_patterns, context_size, n_columns, n_realisations=2):
    """Random points: signs, fractions, parameters and starts."""
    bits = (context_size - 1).bit_length()
    fraction = rng.dirichlet(np.ones(n_columns), n_realisations)
    weights = rng.choice([-1.0, 1.0], (n_realisations, 4, n_patterns, n_columns))
    position = rng.choice([-1.0, 1.0], (n_realisations, 4, n_patterns, bits))
    points = Points(
        beta=rng.uniform(0, 4, n_points),
        gamma=rng.uniform(-20, 20, n_points),
        epsilon=rng.uniform(0, 1, n_points),
        realisation=rng.integers(0, n_realisations, n_points),
        field=weights[:, 0],
        overlap=weights * fraction[:, None, None, :],
        drive=np.stack([position_drive(p, context_size) for p in position]),
        attention=rng.uniform(-1, 1, (n_points, context_size, n_patterns)),
        phase=rng.integers(0, context_size, n_points),
        token=None,
    )
    return points, position


def expected(points, position, i, steps, **start):
    r = points.realisation[i]
    return oracle.run(
        points.field[r].tolist(),
        points.overlap[r].tolist(),
        position[r].tolist(),
        beta=points.beta[i],
        gamma=points.gamma[i],
        epsilon=points.epsilon[i],
        context_size=points.attention.shape[1],
        steps=steps,
        **start,
    )


sizes = st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 6), st.integers(0, 2**32 - 1))


@given(sizes)
@settings(deadline=None, max_examples=40)
def test_matches_the_equations(size):
    n_patterns, context_size, n_columns, seed = size
    points, position = draw(np.random.default_rng(seed), 3, n_patterns, context_size, n_columns)
    steps = 2 * context_size + 1
    recorded, final_attention, final_phase = run(points, transient=0, steps=steps, record=RECORDABLE)
    for i in range(3):
        trajectory, context, phase = expected(
            points, position, i, steps, context=points.attention[i].tolist(), phase=int(points.phase[i])
        )
        for v, name in enumerate(RECORDABLE):
            # γ up to 20 multiplies rounding from step to step; a wrong formula is off by far more.
            np.testing.assert_allclose(recorded[v, i], [t[name] for t in trajectory], rtol=0, atol=1e-8)
            np.testing.assert_allclose(recorded[v, i, 0], trajectory[0][name], rtol=0, atol=1e-13)
        np.testing.assert_allclose(final_attention[i], context, rtol=0, atol=1e-8)
        assert final_phase[i] == phase


@given(sizes)
@settings(deadline=None, max_examples=25)
def test_grows_its_context_from_a_token(size):
    n_patterns, context_size, n_columns, seed = size
    rng = np.random.default_rng(seed)
    points, position = draw(rng, 2, n_patterns, context_size, n_columns)
    spins = rng.choice([-1.0, 1.0], (2, n_columns))
    token = np.array(
        [
            oracle.token_overlaps(
                spins[i],
                points.overlap[points.realisation[i]],
                position[points.realisation[i]].tolist(),
                points.epsilon[i],
                0,
            )[0]
            for i in range(2)
        ]
    )
    attention = np.full_like(points.attention, np.nan)
    attention[:, 0] = token[:, 1]
    started = points._replace(token=token, attention=attention, phase=np.ones(2, dtype=int))
    steps = context_size + 3
    recorded, final_attention, final_phase = run(started, transient=0, steps=steps, record=RECORDABLE)
    for i in range(2):
        trajectory, context, phase = expected(points, position, i, steps, spins=spins[i].tolist())
        for v, name in enumerate(RECORDABLE):
            np.testing.assert_allclose(recorded[v, i], [t[name] for t in trajectory], rtol=0, atol=1e-9)
        np.testing.assert_allclose(final_attention[i], context, rtol=0, atol=1e-9)
        assert final_phase[i] == phase


@given(sizes, st.integers(0, 70), st.integers(1, 140))
@settings(deadline=None, max_examples=25)
def test_a_run_goes_on_from_its_final_state_to_the_bit(size, first, second):
    n_patterns, context_size, n_columns, seed = size
    points, _ = draw(np.random.default_rng(seed), WIDTH + 1, n_patterns, context_size, n_columns)
    whole, final, phase = run(points, transient=first, steps=second, record=("m_k", "attention"))
    _, middle, middle_phase = run(points, transient=first, steps=0)
    rest, final_of_rest, phase_of_rest = run(
        points._replace(attention=middle, phase=middle_phase), transient=0, steps=second, record=("m_k", "attention")
    )
    assert whole.tobytes() == rest.tobytes()
    assert final.tobytes() == final_of_rest.tobytes()
    np.testing.assert_array_equal(phase, phase_of_rest)


@given(sizes)
@settings(deadline=None, max_examples=25)
def test_bounded(size):
    n_patterns, context_size, n_columns, seed = size
    points, _ = draw(np.random.default_rng(seed), 20, n_patterns, context_size, n_columns)
    recorded, *_ = run(points, transient=0, steps=100, record=RECORDABLE)
    assert np.abs(recorded).max() <= 1 + 1e-14


def test_infinite_temperature_leaves_the_position_alone():
    points, position = draw(np.random.default_rng(1), 8, 3, 4, 5)
    points = points._replace(beta=np.zeros(8))
    recorded, *_ = run(points, transient=8, steps=12, record=("m_o_semantic", "m_k"))
    np.testing.assert_array_equal(recorded[0], 0.0)
    np.testing.assert_array_equal(recorded[1, :, 4:8], recorded[1, :, :4])
    i = 3
    phase = (points.phase[i] + 8) % 4
    drive = oracle.position_term(position[points.realisation[i]][3].tolist(), int(phase))
    np.testing.assert_allclose(recorded[1, i, 0], points.epsilon[i] * np.array(drive), rtol=1e-15)


def test_no_attention_strength_averages_the_values():
    points, _ = draw(np.random.default_rng(2), 8, 3, 5, 4)
    points = points._replace(gamma=np.zeros(8))
    values, attention = run(points, transient=0, steps=30, record=("m_v", "attention"))[0]
    mean = np.stack([values[:, t - 4 : t + 1].mean(axis=1) for t in range(4, 30)], axis=1)
    np.testing.assert_allclose(attention[:, 4:], mean, rtol=0, atol=1e-15)


def test_linear_response_at_small_beta():
    points, _ = draw(np.random.default_rng(3), 4, 3, 1, 6)
    points = points._replace(beta=np.full(4, 1e-6), epsilon=np.zeros(4))
    (semantic,), *_ = run(points, transient=0, steps=1, record=("m_o_semantic",))
    for i in range(4):
        r = points.realisation[i]
        linear = 1e-6 * points.overlap[r, 0] @ (points.field[r].T @ points.attention[i, 0])
        np.testing.assert_allclose(semantic[i, 0], linear, rtol=1e-11, atol=0)


@pytest.mark.parametrize("beta", [0.3, 0.9, 1.0, 1.7])
def test_one_pattern_is_the_curie_weiss_map(beta):
    net = dmfx.SelfAttention({name: [[1.0]] for name in "ovqk"}, context_size=1, epsilon=0.0)
    ds = dmfx.simulate(net, beta=beta, gamma=3.0, steps=40).compute()
    m = 1.0
    for got in ds["m_o_semantic"].to_numpy().ravel():
        m = np.tanh(beta * m)
        assert got == pytest.approx(m, rel=1e-14)


def published_start(values, s):
    return values[[s, s - 1, s - 2, s - 3]]


@pytest.mark.skipif(
    not PUBLISHED.exists(), reason="the published raw outputs (shared/reference/published) are not here"
)
@pytest.mark.parametrize("index", [658, 659, 664, 673])
def test_follows_the_published_program(index):
    with np.load(PUBLISHED / f"beta_idx-{index}.npz") as published:
        attention = published["att_results_beta"]
        semantic = published["mo_se_results_beta"]
    attention, semantic = (a if a.shape[1] == 3 else a.T for a in (attention, semantic))
    starts = np.random.default_rng(index).integers(3, len(attention) - 21, 200)
    real = dmfx.SelfAttention.paper().realisation(0)
    n = len(starts)
    points = Points(
        beta=np.full(n, np.linspace(1.273, 1.278, 4001)[index]),
        gamma=np.full(n, 220.0),
        epsilon=np.full(n, 0.02),
        realisation=np.zeros(n, dtype=int),
        field=real.field[None],
        overlap=real.overlap[None],
        drive=real.drive[None],
        attention=np.stack([published_start(attention, s) for s in starts]),
        phase=starts % 4,
        token=None,
    )
    recorded, *_ = run(points, transient=0, steps=20, record=("m_o_semantic", "attention"))
    following = starts[:, None] + 1 + np.arange(20)
    assert np.abs(recorded[1] - attention[following]).max() < 1e-11
    assert np.abs(recorded[0] - semantic[following]).max() < 1e-11
