"""Periodic orbits of the network: exactly known ones, published ones, what must hold for any, wrong input."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis.orbits import periodic_orbits
from tests import oracle

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "poc_lopez_2024.json").read_text())["lyapunov"]


@pytest.fixture(scope="module")
def net():
    return dmfx.SelfAttention.paper()


@pytest.fixture(scope="module")
def ds(net):
    return dmfx.simulate(net, beta=[1.2, 1.266], gamma=[200.0, 220.0], steps=1, transient=3000).compute()


@pytest.fixture(scope="module")
def orbits(ds):
    return periodic_orbits(ds, max_period=24, steps=2000, max_orbits=6)


def one_pattern(epsilon=0.0):
    one = [[1.0]]
    position = {name: [[1.0, -1.0]] for name in "ovqk"}
    weights = {name: one for name in "ovqk"}
    return dmfx.SelfAttention(weights, context_size=4, epsilon=epsilon, position_weights=position)


def companion_multipliers(slope, lags):
    """Roots of μ^L = slope / L Σ_d μ^(L-1-d): the attention value is a mean over the context, times slope."""
    return np.roots([1.0] + [-slope / lags] * lags)


def sorted_multipliers(values):
    return np.sort_complex(np.round(np.asarray(values), 9))


def test_without_temperature_the_drive_alone_makes_the_orbit(net):
    ds = dmfx.simulate(net, beta=0.0, gamma=[0.0, 220.0], steps=1, transient=50)
    found = periodic_orbits(ds, max_period=12, steps=100, max_orbits=2).compute().squeeze()
    real = net.realisation(0)
    assert found["orbit_count"].values.tolist() == [1, 1]
    assert found["period"].values.tolist() == [[4, 0], [4, 0]]
    assert (found["multipliers"].isel(orbit=0) == 0).all()
    start = np.zeros((4, 3))
    for i, gamma in enumerate((0.0, 220.0)):
        trajectory, _, _ = oracle.run(
            *(part.tolist() for part in (real.field, real.overlap, real.position)),
            beta=0.0,
            gamma=gamma,
            epsilon=net.epsilon,
            context_size=4,
            steps=12,
            context=start.tolist(),
            phase=0,
        )
        expected = [step["attention"] for step in trajectory[8:]]
        own = found["orbit_attention"].isel(gamma=i, orbit=0).values
        shift = next(k for k in range(4) if np.allclose(np.roll(own[:4], k, axis=0), expected, atol=1e-15))
        assert shift == 0  # both begin with phase 0
        assert np.isnan(own[4:]).all()


@pytest.mark.parametrize("gamma", [0.0, 3.0])
@pytest.mark.parametrize("beta", [0.5, 1.0 + 1e-3, 1.7])
def test_one_pattern_without_drive(beta, gamma):
    # Fixed points solve A = tanh(β A); there all tokens are alike, so that γ does not matter.
    net = one_pattern()
    ds = dmfx.simulate(net, beta=beta, gamma=gamma, steps=1, transient=20, initial="random", starts=12)
    found = periodic_orbits(ds, max_period=1, steps=50).compute().isel(beta=0, gamma=0, seed=0)
    values = found["orbit_attention"].values[..., 0, 0]
    for i in range(12):
        count = int(found["orbit_count"][i])
        assert 1 <= count <= 3
        for k in range(count):
            value = values[i, k]
            assert abs(value - np.tanh(beta * value)) < 1e-14
            slope = beta * (1 - value**2)
            np.testing.assert_allclose(
                sorted_multipliers(found["multipliers"].values[i, k]),
                sorted_multipliers(companion_multipliers(slope, 4)),
                atol=1e-7,
            )
            assert found["unstable"].values[i, k] == (slope > 1)
    settled = np.abs(values[:, 0])
    assert (settled < 1e-9).all() if beta < 1 else settled.max() > 0.05


def test_uniform_attention_is_linear_at_the_origin():
    # γ = 0, ε = 0: δA' = (1/L) Σ_d V δA_d with V = β Σ_j p_j w^v_j (w^o_j)^T.
    rng = np.random.default_rng(5)
    weights = {name: rng.choice([-1.0, 1.0], (2, 7)) for name in "ovqk"}
    net = dmfx.SelfAttention(weights, context_size=3, epsilon=0.0)
    ds = dmfx.simulate(net, beta=0.4, gamma=0.0, steps=1, transient=200)
    found = periodic_orbits(ds, max_period=2, steps=20).compute().squeeze()
    assert int(found["orbit_count"]) == 1
    real = net.realisation(0)
    matrix = 0.4 * real.overlap[1] @ real.field.T
    expected = np.concatenate([companion_multipliers(slope, 3) for slope in np.linalg.eigvals(matrix)])
    own = found["multipliers"].values[0]
    for value in own:
        assert np.abs(expected - value).min() < 1e-8
    assert abs(np.prod(own) - np.prod(expected)) < 1e-12


def test_published_orbits(net):
    """Period 4 at 1.2, 44 at 1.26451, 28 at 1.27, 24 at 3.0: reached by runs, stable, with the published exponents."""
    expected = {0.5: 4, 1.2: 4, 1.24: 4, 1.26451: 44, 1.27: 28, 3.0: 24}
    ds = dmfx.simulate(net, beta=list(expected), gamma=220.0, steps=1, transient=50_000)
    found = periodic_orbits(ds, max_period=44, steps=2000).compute().isel(gamma=0, seed=0)
    for beta, period in expected.items():
        own = found.sel(beta=beta)
        stable = np.flatnonzero(own["unstable"].values == 0)
        assert len(stable) == 1
        own = own.isel(orbit=stable[0])
        assert int(own["period"]) == period
        exponents = np.log(np.abs(own["multipliers"].values)) / period
        # The last ones are hidden by rounding, at β = 3 in the reference too.
        known = 3 if beta == 3.0 else 9
        np.testing.assert_allclose(exponents[:known], REFERENCE[str(beta)][:known], atol=5e-4)


def test_unstable_orbit_within_a_torus(net):
    ds = dmfx.simulate(net, beta=[1.25, 1.26], gamma=220.0, steps=1, transient=20_000)
    found = periodic_orbits(ds, max_period=4, steps=1000, max_orbits=1).compute().squeeze()
    assert found["period"].values.tolist() == [4, 4]
    assert found["unstable"].values.tolist() == [2, 2]
    moduli = np.abs(found["multipliers"].values)
    np.testing.assert_allclose(moduli[:, 0], moduli[:, 1], rtol=1e-12)


def test_multipliers_are_those_of_finite_differences(net, ds, orbits):
    real = net.realisation(0)
    arrays = [part.tolist() for part in (real.field, real.overlap, real.position)]
    for beta, orbit in [(1.2, 0), (1.266, 0), (1.266, 1)]:
        own = orbits.sel(beta=beta, gamma=220.0, seed=0).isel(orbit=orbit)
        period = int(own["period"])

        def image(state, beta=beta, period=period):
            _, context, phase = oracle.run(
                *arrays,
                beta=beta,
                gamma=220.0,
                epsilon=net.epsilon,
                context_size=4,
                steps=period,
                context=state.reshape(4, 3).tolist(),
                phase=0,
            )
            assert phase == 0
            return np.ravel(context)

        state = own["final_attention"].values.ravel()
        np.testing.assert_allclose(image(state), state, atol=1e-11)
        apart = 1e-6
        matrix = [(image(state + apart * e) - image(state - apart * e)) / (2 * apart) for e in np.eye(12)]
        expected = np.linalg.eigvals(np.array(matrix).T)
        expected = expected[np.argsort(-np.abs(expected))]
        np.testing.assert_allclose(np.abs(own["multipliers"].values[:3]), np.abs(expected[:3]), rtol=1e-4)


def test_what_holds_for_every_orbit(net, orbits):
    period, unstable = orbits["period"].values, orbits["unstable"].values
    exists = period > 0
    assert exists.any(axis=-1).all()
    assert (period % 4 == 0).all()
    assert orbits["period"].max() > 4
    for name in ("orbit_attention", "multipliers", "residual", "final_attention"):
        missing = np.isnan(orbits[name].values)
        missing = missing.reshape(*exists.shape, -1)
        assert (missing.any(axis=-1) == ~exists).all() or name == "orbit_attention"
        assert (missing.all(axis=-1) == ~exists).all()
    assert (unstable[~exists] == -1).all()
    assert (orbits["final_phase"] == 0).all()
    moduli = np.abs(orbits["multipliers"].values)
    assert (np.diff(moduli[exists], axis=-1) <= 0).all()
    assert (unstable[exists] == (moduli[exists] > 1).sum(axis=-1)).all()
    counts = orbits["orbit_count"].values
    assert (exists.sum(axis=-1) == np.minimum(counts, 6)).all()
    assert (orbits["residual"].values[exists] < 1e-9).all()
    for index in np.ndindex(*exists.shape[:-1]):
        keys = [(p, u) for p, u in zip(period[index], unstable[index], strict=True) if p]
        assert keys == sorted(keys)
        for k in range(len(keys)):
            orbit = orbits["orbit_attention"].values[index][k]
            assert np.isnan(orbit[keys[k][0] :]).all()
            orbit = orbit[: keys[k][0]]
            for divisor in range(4, len(orbit), 4):
                if len(orbit) % divisor == 0:
                    assert np.abs(np.roll(orbit, divisor, axis=0) - orbit).max() > 1e-6
            # The state before step 0 is the end of the orbit, with the smallest value of pattern 0 at phase 0.
            context = orbits["final_attention"].values[index][k]
            np.testing.assert_allclose(context, orbit[-1 - np.arange(4) % len(orbit)], atol=1e-9)
            assert context[0, 0] <= orbit[3::4, 0].min() + 1e-7


def test_runs_start_on_the_orbits(net, orbits):
    run = dmfx.simulate(net, beta=[1.2, 1.266], gamma=[200.0, 220.0], initial=orbits, steps=24, variables="attention")
    attention = run["attention"].transpose(..., "orbit", "step", "pattern").values
    status = run["status"].transpose(..., "orbit").values
    assert (status == np.where(orbits["period"] > 0, 0, 2)).all()
    for index in zip(*np.nonzero(orbits["period"].values), strict=True):
        orbit = orbits["orbit_attention"].values[index][: orbits["period"].values[index]]
        np.testing.assert_allclose(attention[index][: len(orbit)], orbit, atol=1e-9)


def test_a_stable_orbit_stays(net, orbits):
    stable = orbits.sel(beta=[1.2]).isel(orbit=0)
    run = dmfx.simulate(
        net, beta=1.2, gamma=[200.0, 220.0], initial=stable, steps=4, transient=40_000, variables="attention"
    )
    orbit = stable["orbit_attention"].isel(orbit_step=slice(4)).values
    np.testing.assert_allclose(run["attention"].values, orbit, atol=1e-13)


def test_the_same_orbit_has_the_same_numbers_from_any_start(net):
    starts = [dmfx.simulate(net, beta=1.26451, gamma=220.0, steps=1, transient=20_000 + k) for k in (0, 1, 10)]
    found = [periodic_orbits(each, max_period=44, steps=500).compute().squeeze() for each in starts]
    for each in found:
        own = each.isel(orbit=np.flatnonzero(each["unstable"].values == 0))
        first = found[0].isel(orbit=np.flatnonzero(found[0]["unstable"].values == 0))
        assert own["period"].values.tolist() == [44]
        np.testing.assert_allclose(own["orbit_attention"], first["orbit_attention"], atol=1e-13)
        np.testing.assert_allclose(own["final_attention"], first["final_attention"], atol=1e-13)
        np.testing.assert_allclose(np.abs(own["multipliers"])[:, :6], np.abs(first["multipliers"])[:, :6], rtol=1e-6)


def test_without_drive_any_period(net):
    net = net.with_epsilon(0.0)
    ds = dmfx.simulate(net, beta=[1.2, 1.6, 2.5], gamma=220.0, steps=1, transient=5000)
    found = periodic_orbits(ds, max_period=13, steps=1000).compute().isel(gamma=0, seed=0)
    assert (found["period"] % 4 != 0).any()
    for index in zip(*np.nonzero(found["period"].values), strict=True):
        orbit = found["orbit_attention"].values[index][: found["period"].values[index]]
        for divisor in range(1, len(orbit)):
            if len(orbit) % divisor == 0:
                assert np.abs(np.roll(orbit, divisor, axis=0) - orbit).max() > 1e-6


def test_results_do_not_depend_on_chunks_or_other_points(ds, orbits):
    options = {"max_period": 24, "steps": 2000, "max_orbits": 6}
    for chunks in (1, {"beta": 1}, {"gamma": 1}):
        xr.testing.assert_identical(
            periodic_orbits(ds.chunk(), chunks=chunks, **options).compute().drop_attrs(), orbits.drop_attrs()
        )
    alone = periodic_orbits(ds.isel(beta=[1], gamma=[0]), **options)
    xr.testing.assert_identical(alone.drop_attrs(), orbits.isel(beta=[1], gamma=[0]).drop_attrs())


def test_lazy_if_and_only_if_the_input_is(ds, orbits):
    assert all(variable.chunks is None for variable in orbits.variables.values())
    lazy = periodic_orbits(ds.chunk(), max_period=4, steps=100)
    assert all(lazy[name].chunks is not None for name in lazy.data_vars)


def test_labels(orbits, net):
    assert orbits["orbit_attention"].dims == ("beta", "gamma", "seed", "orbit", "orbit_step", "pattern")
    assert orbits["multipliers"].dims == ("beta", "gamma", "seed", "orbit", "multiplier")
    assert orbits["multipliers"].dtype == np.complex128
    assert orbits["orbit_count"].dims == ("beta", "gamma", "seed")
    assert orbits.sizes["orbit"] == 6
    assert orbits.sizes["orbit_step"] == 24
    assert "periodic_orbits(max_period=24" in orbits.attrs["history"]
    assert orbits["period"].attrs["units"] == "step"


def test_points_without_a_state_have_no_orbits(ds):
    broken = ds.copy(deep=True)
    broken["final_attention"][0, 0] = np.nan
    found = periodic_orbits(broken, max_period=4, steps=100).squeeze("seed")
    assert found["orbit_count"].values.tolist() == [[0, 1], [1, 1]]
    assert found["status"].values.tolist() == [[2, 0], [0, 0]]
    assert (found["period"][0, 0] == 0).all()


def test_wrong_arguments(ds):
    with pytest.raises(TypeError, match=r"periodic_orbits: ds must be a Dataset from dmfx.simulate"):
        periodic_orbits(3)
    with pytest.raises(ValueError, match=r"4 problems: .*max_period.*guesses.*max_orbits.*tolerance"):
        periodic_orbits(ds, max_period=0, guesses=0, max_orbits=-1, tolerance=0.0)
    with pytest.raises(TypeError, match="steps must be a whole number"):
        periodic_orbits(ds, steps="many")
    with pytest.raises(ValueError, match="steps must be at least twice max_period, 200, not 100"):
        periodic_orbits(ds, steps=100)
    with pytest.raises(ValueError, match="max_period must be at least 4, the period of the position drive, not 3"):
        periodic_orbits(ds, max_period=3)
    with pytest.raises(ValueError, match="there is no dim 'theta'"):
        periodic_orbits(ds, chunks={"theta": 1})
    with pytest.raises(ValueError, match="ds has the dim orbit"):
        periodic_orbits(ds.expand_dims(orbit=2))
