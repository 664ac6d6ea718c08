"""Branches of periodic orbits of the network; the method itself is tested on textbook maps in test_pseudo_arclength."""

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis.continuation import continuation
from dmfx.analysis.doubling import doubled_orbits
from dmfx.analysis.orbits import periodic_orbits
from dmfx.variables import BIFURCATIONS, BRANCH_ENDS
from tests.analysis.test_orbits import companion_multipliers, one_pattern


@pytest.fixture(scope="module")
def net():
    return dmfx.SelfAttention.paper()


@pytest.fixture(scope="module")
def orbits(net):
    ds = dmfx.simulate(net, beta=[1.2, 1.26451, 1.27], gamma=220.0, steps=1, transient=20_000)
    return periodic_orbits(ds, max_period=44, steps=1000, max_orbits=4).compute()


@pytest.fixture(scope="module")
def branches(orbits):
    return continuation(orbits, along="beta", limits=(1.1, 1.4), max_points=150)


def points_of(branch):
    """The points of one branch, without what fills it up."""
    return branch.isel(branch_point=np.flatnonzero(branch["unstable"].values >= 0))


def specials(branch):
    branch = points_of(branch)
    found = np.flatnonzero(branch["special"].values)
    return [(BIFURCATIONS[branch["special"].values[i]], float(branch["parameter"][i])) for i in found]


def pick(ds, beta, period, unstable=0):
    own = ds.sel(beta=beta).squeeze()
    return own.isel(orbit=np.flatnonzero((own["period"] == period) & (own["unstable"] == unstable))[0])


def test_neimark_sacker_of_the_published_network(net, branches):
    """The orbit of period 4 loses its stability at β = 1.24344455, where a pair of multipliers has modulus 1."""
    branch = points_of(branches.sel(beta=1.2).isel(orbit=0).squeeze())
    ((name, value),) = specials(branch)
    assert name == "neimark_sacker"
    assert abs(value - 1.24344455) < 1e-8
    torus = branch.isel(branch_point=np.flatnonzero(branch["special"].values)[0])
    np.testing.assert_allclose(np.abs(torus["multipliers"].values[:2]), 1, atol=1e-12)
    assert abs(torus["multipliers"].values[2]) < 0.5
    np.testing.assert_allclose(float(torus["critical_angle"]), np.angle(torus["multipliers"].values[0]), rtol=1e-12)
    assert [BRANCH_ENDS[end] for end in branch["branch_end"].values] == ["limit", "limit"]
    parameter, unstable = branch["parameter"].values, branch["unstable"].values
    assert (np.diff(parameter) > 0).all()
    np.testing.assert_array_equal(unstable, np.where(parameter > value, 2, 0))
    # On both sides, by runs next to the orbit: they come back to it, or leave it.
    for beta, closer in [(1.242, True), (1.245, False)]:
        near = branch.isel(branch_point=int(np.abs(parameter - beta).argmin()))
        exact = continuation(
            dmfx.simulate(net, beta=float(near["parameter"]), gamma=220.0, initial=near, steps=4),
            limits=(1.1, 1.4),
            max_points=2,
        ).compute()
        assert int(exact["period"].squeeze()) == 4
        pushed = near[["final_attention", "final_phase"]].copy(deep=True)
        pushed["final_attention"] = pushed["final_attention"] + 1e-6
        run = dmfx.simulate(
            net, beta=float(near["parameter"]), gamma=220.0, initial=pushed, steps=4, transient=4000
        ).compute()
        away = np.abs(run["final_attention"].squeeze() - near["final_attention"]).max()
        assert (away < 1e-6) == closer


def test_the_same_point_from_every_start(branches):
    found = [specials(branches.sel(beta=beta).isel(orbit=0).squeeze()) for beta in (1.2, 1.26451, 1.27)]
    assert all(len(each) == 1 for each in found)
    np.testing.assert_allclose([each[0][1] for each in found], found[0][0][1], rtol=1e-12)


def test_multipliers_are_those_of_orbits_found_there(net, branches):
    branch = points_of(branches.sel(beta=1.2).isel(orbit=0).squeeze())
    for k in (3, len(branch["branch_point"]) // 2):
        point = branch.isel(branch_point=k)
        beta = float(point["parameter"])
        ds = dmfx.simulate(net, beta=beta, gamma=220.0, initial=point, steps=1)
        found = periodic_orbits(ds, max_period=4, steps=100, max_orbits=1).compute().squeeze()
        orbit = found["orbit_attention"]
        np.testing.assert_allclose(found["multipliers"], point["multipliers"], atol=1e-9)
        np.testing.assert_allclose(orbit.mean("orbit_step"), point["orbit_mean"], atol=1e-12)
        np.testing.assert_allclose(orbit.min("orbit_step"), point["orbit_min"], atol=1e-12)
        np.testing.assert_allclose(orbit.max("orbit_step"), point["orbit_max"], atol=1e-12)


def test_period_44_lives_between_two_folds(orbits):
    own = pick(orbits, 1.26451, 44)
    branch = continuation(own.expand_dims("beta"), limits=(1.26, 1.27)).squeeze()
    assert [BRANCH_ENDS[end] for end in branch["branch_end"].values] == ["none", "closed"]
    (first, low), (second, high) = sorted(specials(branch), key=lambda pair: pair[1])
    assert first == second == "fold"
    assert low < 1.26451 < high
    assert set(points_of(branch)["unstable"].values.tolist()) == {0, 1}
    finer = continuation(own.expand_dims("beta"), limits=(1.26, 1.27), step=0.003).squeeze()
    np.testing.assert_allclose(sorted(value for _, value in specials(finer)), [low, high], rtol=1e-12)


def test_period_28_doubles_its_period(orbits):
    own = pick(orbits, 1.27, 28)
    branch = continuation(own.expand_dims("beta"), limits=(1.266, 1.272), max_points=1500).squeeze()
    found = specials(branch)
    names = {name for name, value in found if 1.2669 < value < 1.269}
    assert names == {"fold", "period_doubling"}
    for k in np.flatnonzero(branch["special"].values):
        values = branch["multipliers"].values[k]
        expected = {"fold": 1, "period_doubling": -1}.get(BIFURCATIONS[branch["special"].values[k]])
        if expected is not None:
            assert np.abs(values - expected).min() < 1e-7


def test_doubled_orbits(net, orbits):
    own = pick(orbits, 1.27, 28)
    branch = continuation(own.expand_dims("beta"), limits=(1.266, 1.272), max_points=40)
    doublings = [value for name, value in specials(branch.squeeze()) if name == "period_doubling"]
    doubled = doubled_orbits(branch)
    assert doubled.sizes["orbit"] == len(doublings) > 0
    assert (doubled["period"] == 56).all()
    assert np.abs(doubled["beta"].values[:, None] - doublings).min(axis=1).max() < 1e-3
    assert (doubled["residual"] < 1e-9).all()
    # They are orbits: runs repeat after 56 steps, and not after 28.
    for k in range(len(doublings)):
        start = doubled.isel(orbit=k)
        run = dmfx.simulate(net, beta=float(start["beta"]), gamma=220.0, initial=start, steps=56, variables="attention")
        attention = run["attention"].values.reshape(56, 3)
        np.testing.assert_allclose(attention, start["orbit_attention"].values, atol=1e-8)
        assert np.abs(attention[:28] - attention[28:]).max() > 1e-4
    # Followed back, each ends where it was born.
    followed = continuation(doubled, along="beta", limits=(1.266, 1.272), step=0.05, max_points=200)
    for k in range(len(doublings)):
        assert "half_period" in [BRANCH_ENDS[end] for end in followed["branch_end"].isel(orbit=k).values]
        born = [value for name, value in specials(followed.isel(orbit=k)) if name == "period_doubling"]
        assert np.abs(np.subtract.outer(born, doublings)).min() < 1e-9
    again = doubled_orbits(xr.concat([branch, branch], "initial"))
    xr.testing.assert_identical(again.drop_attrs(), doubled.drop_attrs())


def test_no_doubled_orbits(branches):
    none = doubled_orbits(branches.sel(beta=[1.2]).isel(orbit=[0]))
    assert none.sizes["orbit"] == 0
    followed = continuation(none, limits=(1.1, 1.4), max_points=150)
    assert dict(followed.sizes) == {"orbit": 0} | {
        dim: size for dim, size in branches.sizes.items() if dim not in ("beta", "gamma", "seed", "orbit")
    }
    assert doubled_orbits(followed).sizes["orbit"] == 0
    assert continuation(none.chunk(), limits=(1.1, 1.4))["parameter"].chunks is not None


def test_branches_of_no_orbits_look_like_others(orbits, branches):
    none = continuation(orbits.isel(orbit=slice(0)), limits=(1.1, 1.4), max_points=150)
    xr.testing.assert_identical(none.drop_attrs(), branches.isel(orbit=slice(0)).drop_attrs())
    for name, variable in branches.variables.items():
        assert none[name].dtype == variable.dtype


@pytest.fixture(scope="module")
def cascade(net):
    """The orbits of period 16, which a run carried down from large chaos comes to, and of 32, 64, ... next to them."""
    ds = dmfx.simulate(
        net,
        beta=np.linspace(1.27, 1.278, 161),
        gamma=220.0,
        steps=1,
        transient=10_000,
        carry="beta",
        direction="down",
    ).compute()
    branches = [continuation(ds.sel(beta=1.27), limits=(1.268, 1.276)).compute()]
    while len(branches) < 4:
        branches.append(continuation(doubled_orbits(branches[-1]), limits=(1.268, 1.276)))
    return ds, branches


def ends_of(branch):
    return [BRANCH_ENDS[end] for end in branch["branch_end"].values.ravel()]


def test_sharp_fold_of_period_16_is_passed(cascade):
    _, (branch, *_) = cascade
    assert branch["period"].item() == 16
    assert ends_of(branch) == ["limit", "limit"]
    (fold, low), (doubling, high) = specials(branch.squeeze())
    assert (fold, doubling) == ("fold", "period_doubling")
    assert abs(low - 1.2684127) < 1e-7
    assert abs(high - 1.2711298) < 1e-7


def test_cascade(cascade):
    _, branches = cascade
    previous = specials(branches[0].squeeze())[-1]
    for k, branch in enumerate(branches[1:]):
        assert branch["period"].values.tolist() == [32 * 2**k]
        assert ends_of(branch) == ["half_period", "limit"]
        born, gone = specials(branch.isel(orbit=0))
        assert born[0] == gone[0] == "period_doubling"
        assert abs(born[1] - previous[1]) < 1e-9
        assert born[1] < branch["beta"].item() < born[1] + 1e-2 * 0.008
        previous = gone
    for amplitude in (0.01, 1e-4):
        again = doubled_orbits(branches[0], amplitude=amplitude)
        assert again["period"].values.tolist() == [32]
        assert abs(again["beta"].item() - specials(branches[0].squeeze())[-1][1]) < 1e-2 * 0.008
    whole = xr.concat([branches[0].squeeze(), *(each.drop_vars("orbit") for each in branches[1:])], "orbit")
    assert whole["period"].values.tolist() == [16, 32, 64, 128]
    np.testing.assert_array_equal(whole["parameter"].isel(orbit=1), branches[1]["parameter"].isel(orbit=0))


def test_branch_never_goes_on_as_the_orbit_of_half_the_period(net, cascade):
    ds, (_, longer, *_) = cascade
    settled = ds.sel(beta=1.273, method="nearest")
    for step in (0.01, 0.003):
        branch = continuation(settled, limits=(1.268, 1.276), step=step).squeeze()
        assert int(branch["period"]) == 32
        assert ends_of(branch) == ["half_period", "limit"]
        np.testing.assert_allclose(
            [value for _, value in specials(branch)], [v for _, v in specials(longer.squeeze())], rtol=0, atol=1e-10
        )
        # Next to its birth, where the two orbits are closest.
        for k in (1, 2, 3, 10, 30):
            start = branch.isel(branch_point=k)
            run = dmfx.simulate(net, beta=float(start["parameter"]), gamma=220.0, initial=start, steps=16)
            assert np.abs(run["final_attention"].values.ravel() - start["final_attention"].values.ravel()).max() > 1e-8


@pytest.mark.parametrize(("along", "limits"), [("gamma", (150.0, 300.0)), ("epsilon", (0.0, 0.1))])
def test_other_parameters(net, orbits, along, limits):
    own = pick(orbits, 1.2, 4).expand_dims("beta")
    branch = continuation(own, along=along, limits=limits).squeeze()
    assert [BRANCH_ENDS[end] for end in branch["branch_end"].values] == ["limit", "limit"]
    branch = points_of(branch)
    np.testing.assert_array_equal(branch["parameter"].values[[0, -1]], limits)
    names = [name for name, _ in specials(branch)]
    assert names == ([] if along == "gamma" else ["neimark_sacker"])
    for k in (0, 30, -1):
        point = branch.isel(branch_point=k)
        changed = {"beta": 1.2, "gamma": 220.0, "epsilon": net.epsilon} | {along: float(point["parameter"])}
        run = dmfx.simulate(net, **changed, initial=point, steps=4)
        np.testing.assert_allclose(run["final_attention"].squeeze(), point["final_attention"], atol=1e-10)


def test_orbit_without_drive_followed_to_one_with_drive(net):
    ds = dmfx.simulate(net.with_epsilon(0.0), beta=2.5, gamma=220.0, steps=1, transient=5000)
    found = periodic_orbits(ds, max_period=10, steps=1000).compute()
    odd = found.isel(orbit=np.flatnonzero(found["period"].squeeze() % 4 != 0)[:1])
    period = int(odd["period"].squeeze())
    branch = continuation(odd, along="epsilon", limits=(0.0, 0.001), max_points=60).squeeze()
    assert int(branch["period"]) == np.lcm(period, 4)
    point = points_of(branch).isel(branch_point=-1)
    assert float(point["parameter"]) > 0
    run = dmfx.simulate(
        net,
        beta=2.5,
        gamma=220.0,
        epsilon=float(point["parameter"]),
        initial=point,
        steps=int(branch["period"]),
    )
    np.testing.assert_allclose(run["final_attention"].squeeze(), point["final_attention"], atol=1e-8)


def test_one_pattern_has_a_branch_point_at_1():
    # A = tanh(β A): the origin meets the pair of other fixed points at β = 1, whatever γ.
    net = one_pattern()
    ds = dmfx.simulate(net, beta=[0.5, 1.5], gamma=3.0, steps=1, transient=500).compute()
    branch = continuation(ds, limits=(0.0, 2.0)).squeeze()
    assert branch["period"].values.tolist() == [1, 1]
    ((name, value),) = specials(branch.isel(beta=0))
    assert name == "branch_point"
    assert abs(value - 1) < 1e-12
    for k, point in points_of(branch.isel(beta=0)).groupby("branch_point"):
        slope = float(point["parameter"].squeeze())
        own = point["multipliers"].values.ravel()
        expected = companion_multipliers(slope, 4)
        assert np.abs(own[:, None] - expected).min(axis=1).max() < 1e-5, k
    other = points_of(branch.isel(beta=1))
    attention, beta = other["orbit_mean"].values.ravel(), other["parameter"].values
    np.testing.assert_allclose(attention, np.tanh(beta * attention), atol=1e-12)
    ((name, value),) = specials(other)
    assert name == "branch_point"
    assert abs(value - 1) < 1e-6
    assert attention.min() < -0.5  # through the pitchfork to the other side
    assert attention.max() > 0.5


def test_temperature_0_is_reached(net, orbits):
    branch = continuation(pick(orbits, 1.2, 4).expand_dims("beta"), limits=(0.0, 1.25)).squeeze()
    branch = points_of(branch)
    assert float(branch["parameter"][0]) == 0.0
    assert (branch["multipliers"][0] == 0).all()


def test_what_is_filled_up(branches, orbits):
    exists = orbits["period"].values > 0
    np.testing.assert_array_equal(branches["period"].values, orbits["period"].values)
    ends = branches["branch_end"].values
    assert (ends[~exists] == 0).all()
    assert ends[exists].any(axis=-1).all()
    unstable = branches["unstable"].values
    assert (unstable[~exists] == -1).all()
    beyond = unstable < 0
    assert (np.diff(beyond.astype(int), axis=-1) >= 0).all()
    for name in ("parameter", "multipliers", "orbit_mean", "orbit_min", "orbit_max", "final_attention"):
        missing = np.isnan(branches[name].values).reshape(*beyond.shape, -1)
        assert (missing == beyond[..., None]).all()
    assert (branches["special"].values[beyond] == 0).all()
    assert (np.isnan(branches["critical_angle"].values) == (branches["special"].values == 0)).all()
    np.testing.assert_array_equal(branches["status"].values, np.where(exists, 0, 2))


def test_labels(branches):
    assert branches["parameter"].dims == ("beta", "gamma", "seed", "orbit", "branch_point")
    assert branches["multipliers"].dims == ("beta", "gamma", "seed", "orbit", "branch_point", "multiplier")
    assert branches["final_attention"].dims == ("beta", "gamma", "seed", "orbit", "branch_point", "context", "pattern")
    assert branches["side"].values.tolist() == ["backward", "forward"]
    assert branches["parameter"].attrs["along"] == "beta"
    assert branches["branch_end"].attrs["flag_meanings"].split() == list(BRANCH_ENDS)
    assert "continuation(along='beta'" in branches.attrs["history"]


def test_results_do_not_depend_on_chunks_or_other_points(orbits, branches):
    own = orbits.isel(beta=[0, 2], orbit=[0, 1])
    expected = branches.isel(beta=[0, 2], orbit=[0, 1])
    found = continuation(own.chunk(), limits=(1.1, 1.4), max_points=150, chunks=1, max_period=44)
    assert all(found[name].chunks is not None for name in found.data_vars)
    assert all(variable.chunks is None for variable in branches.variables.values())
    xr.testing.assert_identical(found.compute().drop_attrs(), expected.drop_attrs())


def test_states_that_are_on_no_periodic_orbit(net):
    ds = dmfx.simulate(net, beta=1.26, gamma=220.0, steps=1, transient=20_000)
    branch = continuation(ds, limits=(1.2, 1.3), max_points=5, max_period=40).compute().squeeze()
    assert int(branch["period"]) == 0
    assert (branch["unstable"] == -1).all()
    assert (branch["branch_end"] == 0).all()
    assert int(branch["status"]) == 0


def test_wrong_arguments(orbits, branches):
    with pytest.raises(TypeError, match=r"continuation: orbits must be a Dataset from dmfx.periodic_orbits, not 3"):
        continuation(3, limits=(0, 1))
    with pytest.raises(ValueError, match="along must be one of 'beta', 'gamma', 'epsilon', not 'seed'"):
        continuation(orbits, along="seed", limits=(1, 2))
    with pytest.raises(TypeError, match="limits must be the lowest and the highest beta"):
        continuation(orbits, limits=3)
    with pytest.raises(ValueError, match="limits must be the lowest and the highest beta"):
        continuation(orbits, limits=(2, 1))
    with pytest.raises(ValueError, match=r"limits\[0\] must be a finite number of at least 0, not -1"):
        continuation(orbits, limits=(-1, 2))
    with pytest.raises(ValueError, match=r"limits\[1\] must be a finite number from 0 to 1, not 2"):
        continuation(orbits, along="epsilon", limits=(0, 2))
    with pytest.raises(
        ValueError, match=r"limits must contain the beta of every orbit, but 1.2 is not from 1.25 to 1.3"
    ):
        continuation(orbits, limits=(1.25, 1.3))
    with pytest.raises(ValueError, match=r"3 problems: step .*max_points .*max_period"):
        continuation(orbits, limits=(1, 2), step=0, max_points=1, max_period=0)
    with pytest.raises(ValueError, match="has no points: its dim beta is empty"):
        continuation(orbits.isel(beta=slice(0)), limits=(1, 2))
    with pytest.raises(ValueError, match="must have the coordinate gamma"):
        continuation(orbits.isel(gamma=0, orbit=slice(0)).drop_vars("gamma"), limits=(1, 2))
    with pytest.raises(ValueError, match="orbits is a branch"):
        continuation(branches, limits=(1, 2))
    with pytest.raises(ValueError, match="orbits has the dim multiplier"):
        continuation(orbits.drop_dims("multiplier").expand_dims(multiplier=2), limits=(1, 2))
    with pytest.raises(ValueError, match="there is no dim 'theta'"):
        continuation(orbits, limits=(1, 2), chunks={"theta": 1})


def test_wrong_arguments_of_doubled_orbits(orbits, branches):
    with pytest.raises(TypeError, match=r"doubled_orbits: branch must be a Dataset from dmfx.continuation"):
        doubled_orbits(3)
    with pytest.raises(ValueError, match=r"2 problems: amplitude .*has no parameter, special"):
        doubled_orbits(orbits, amplitude=0)
    with pytest.raises(ValueError, match="branch must have the dim branch_point"):
        doubled_orbits(branches.isel(branch_point=0))
    with pytest.raises(ValueError, match="branch must have the coordinate gamma"):
        doubled_orbits(branches.isel(gamma=0, drop=True))
