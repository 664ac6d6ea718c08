"""Where finite networks start: from other runs, whole or in part, from random tokens; and with which noise."""

import numpy as np
import pytest
import xarray as xr

import dmfx

NET = dmfx.SelfAttention.paper()
POINT = {"beta": 1.27, "gamma": 220.0}


@pytest.fixture(scope="module")
def run():
    """Three random starts, 20 steps."""
    return dmfx.simulate(NET, size=[100], initial="random", starts=3, steps=20, **POINT).compute()


@pytest.fixture(scope="module")
def half():
    return dmfx.simulate(NET, size=[100], initial="random", starts=3, steps=10, **POINT).compute()


@pytest.mark.parametrize(
    "select",
    [lambda ds: ds, lambda ds: ds.isel(initial=[1]), lambda ds: ds.isel(initial=1), lambda ds: ds.sel(initial=[2, 0])],
    ids=["all", "list of one", "one", "some"],
)
def test_a_part_of_a_run_goes_on_with_its_own_noise(run, half, select):
    on = dmfx.simulate(NET, size=[100], initial=select(half), steps=10, **POINT).compute()
    whole = select(run)
    assert on["attention"].dims == whole["attention"].dims
    np.testing.assert_array_equal(on["attention"], whole["attention"].isel(step=slice(10, None)))
    np.testing.assert_array_equal(on["initial"], whole["initial"])
    np.testing.assert_array_equal(on["noise_step"], whole["noise_step"])


def test_the_label_of_a_selected_start_outlives_two_continuations(run, half):
    once = dmfx.simulate(NET, size=[100], initial=half.isel(initial=2), steps=4, **POINT).compute()
    twice = dmfx.simulate(NET, size=[100], initial=once, steps=6, **POINT).compute()
    np.testing.assert_array_equal(twice["final_attention"], run["final_attention"].isel(initial=2))


def test_exponents_of_a_part_are_those_of_the_whole(run):
    options = {"n": 2, "steps": 30, "transient": 5}
    whole = dmfx.lyapunov(run, **options).isel(initial=1)
    part = dmfx.lyapunov(run.isel(initial=1), **options)
    for name in ("lyapunov", "final_attention", "noise_step"):
        np.testing.assert_array_equal(part[name], whole[name])


def test_exponents_under_noise_that_starts_share():
    options = {"size": [100], "initial": "random", "starts": 3, "common_noise": "initial"} | POINT
    run = dmfx.simulate(NET, steps=20, **options).compute()
    exponents = dmfx.lyapunov(run, n=1, steps=25, transient=5)
    on = dmfx.simulate(NET, **(options | {"initial": run, "starts": None}), steps=30).compute()
    np.testing.assert_array_equal(exponents["final_attention"], on["final_attention"])


@pytest.mark.parametrize("options", [{}, {"size": 500}, {"size": 500, "replica": 2}, {"size": [10, 20]}])
def test_sizes_and_replicas_of_the_start_do_not_run_in_secret(options):
    start = dmfx.simulate(NET, size=[100, 1000], replica=range(3), steps=4, **POINT).compute()
    with pytest.raises(ValueError, match=r"initial has .*(give (size|replica)= as an array, select one value|no size)"):
        dmfx.simulate(NET, initial=start, steps=3, **(POINT | options))


def test_the_mean_field_goes_on_from_every_network_under_other_names():
    start = dmfx.simulate(NET, size=[100, 1000], replica=range(3), steps=4, **POINT).compute()
    renamed = start.rename(size="start_size", replica="start_replica")
    on = dmfx.simulate(NET, initial=renamed, steps=3, **POINT).compute()
    assert on["attention"].dims == ("beta", "gamma", "seed", "start_size", "start_replica", "step", "pattern")
    one = dmfx.simulate(NET, initial=start.isel(size=1, replica=2), steps=3, **POINT).compute()
    np.testing.assert_array_equal(one["attention"], on["attention"].isel(start_size=1, start_replica=2))
    assert "noise_step" not in on
    assert "mean field" in on.attrs["source"]


def test_a_network_of_one_size_may_start_from_another():
    start = dmfx.simulate(NET, size=[100], steps=10, **POINT).compute()
    on = dmfx.simulate(NET, size=500, initial=start, steps=3, **POINT).compute()
    assert on["size"].item() == 500
    assert on["noise_step"].item() == 13


@pytest.mark.parametrize("size", [1000, [1000], [1000, np.inf]])
def test_random_tokens_need_one_finite_size(size):
    ds = dmfx.simulate(NET, size=size, initial="random_token", starts=4, steps=1, variables="attention", **POINT)
    attention = ds["attention"].compute()
    finite = attention if np.ndim(size) == 0 else attention.isel(size=0)
    assert float(finite.std("initial").min()) > 0
    if np.ndim(size) and len(size) == 2:
        assert float(attention.sel(size=np.inf).std("initial").max()) == 0
    with pytest.raises(ValueError, match="random_token' needs a finite size"):
        dmfx.simulate(NET, size=np.inf, initial="random_token", starts=4, steps=1, **POINT)


def test_one_infinite_size_is_the_mean_field_in_name_too():
    ds = dmfx.simulate(NET, size=np.inf, steps=3, **POINT).compute()
    assert ds["size"].item() == np.inf
    assert "noise_step" not in ds
    assert ds.attrs["title"].startswith("Mean-field")


def test_noise_does_not_depend_on_the_type_of_the_labels(run):
    whole = dmfx.lyapunov(run, n=1, steps=10, transient=0)
    as_float = run.assign_coords(seed=run["seed"].astype(float), replica=0.0)
    np.testing.assert_array_equal(dmfx.lyapunov(as_float, n=1, steps=10, transient=0)["lyapunov"], whole["lyapunov"])


def test_spins_with_given_correlations():
    """Three correlated patterns by their exact correlations: N Var(m_o) = 1 at β = 0, as of any ±1 weights."""
    rng = np.random.default_rng(0)
    common = rng.choice([-1, 1], 1000)
    patterns = np.where(rng.random((3, 1000)) < 0.9, common, -common)
    pairs = np.stack([patterns @ patterns.T / 1000] * 4)
    third = np.stack([(patterns * patterns.prod(axis=0)).mean(axis=1)] * 4)
    net = dmfx.SelfAttention(dmfx.weights.correlated(pairs, higher={(0, 1, 2): third}), epsilon=0.0)
    ds = dmfx.simulate(net, beta=0.0, gamma=0.0, size=1000, replica=range(4000), steps=2, variables="m_o")
    variance = 1000 * ds["m_o"].isel(step=1).var("replica").compute()
    assert float(abs(variance - 1).max()) < 4 * np.sqrt(2 / 4000)
    same = dmfx.SelfAttention(dict.fromkeys("ovqk", patterns), epsilon=0.0).realisation(0).fraction
    of_correlations = net.realisation(0).fraction
    np.testing.assert_allclose(np.sort(of_correlations[of_correlations > 1e-12]), np.sort(same), atol=1e-12)


def test_correlations_that_no_spins_have():
    gaussian = dmfx.SelfAttention(dmfx.weights.correlated(n_patterns=3, distribution="gaussian"))
    dmfx.simulate(gaussian, size=np.inf, steps=1, **POINT)
    with pytest.raises(ValueError, match=r"size: no spins have these correlations .*seed 4"):
        dmfx.simulate(gaussian, seed=[4, 5], size=[10, np.inf], steps=1, **POINT)
    beyond = np.stack([np.eye(2), np.full((2, 2), 0.9), np.eye(2), np.eye(2)])
    with pytest.raises(ValueError, match="weights would have to be beyond ±1"):
        dmfx.simulate(dmfx.SelfAttention(dmfx.weights.correlated(beyond)), size=10, steps=1, **POINT)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_overlaps_of_uniform_means_stay_in_range(size):
    net = dmfx.SelfAttention(dmfx.weights.correlated(n_patterns=3, distribution="uniform"))
    names = ("m_o", "m_v", "m_q", "m_k", "attention")
    ds = dmfx.simulate(net, size=size, seed=range(5), replica=range(20), steps=20, variables=names, **POINT).compute()
    assert all(float(abs(ds[name]).max()) <= 1 for name in names)


def test_an_opened_part_of_a_run_goes_on(run, half, tmp_path):
    for suffix in (".nc", ".zarr"):
        half.isel(initial=1).dmft.save(tmp_path / f"half{suffix}")
        opened = dmfx.open(tmp_path / f"half{suffix}")
        assert opened.coords["initial"].item() == 1
        on = dmfx.simulate(NET, size=[100], initial=opened, steps=10, **POINT).compute()
        np.testing.assert_array_equal(on["final_attention"], run["final_attention"].isel(initial=1))


def test_runs_of_different_models_are_not_analysed_as_one():
    rng = np.random.default_rng(0)
    nets = [dmfx.SelfAttention({name: rng.choice([-1, 1], (2, 5)) for name in "ovqk"}) for _ in range(2)]
    runs = [dmfx.simulate(net, size=[n], steps=2, **POINT).compute() for net, n in zip(nets, (10, 20), strict=True)]
    with pytest.raises(ValueError, match="joins runs of different models, whose field_weights differ"):
        dmfx.lyapunov(xr.concat(runs, "size", data_vars="all", combine_attrs="override"), n=1, steps=10)
    same = [dmfx.simulate(nets[0], size=[n], steps=2, **POINT).compute() for n in (10, 20)]
    joined = dmfx.lyapunov(xr.concat(same, "size", data_vars="all", combine_attrs="override"), n=1, steps=10)
    np.testing.assert_array_equal(joined["lyapunov"].sel(size=[20]), dmfx.lyapunov(same[1], n=1, steps=10)["lyapunov"])


def test_the_number_of_an_exponent_is_no_coordinate_of_the_noise(run):
    exponents = dmfx.lyapunov(run, n=2, steps=10, transient=0)
    whole = dmfx.lyapunov(exponents, n=1, steps=10, transient=0)
    part = dmfx.lyapunov(exponents.isel(exponent=0), n=1, steps=10, transient=0)
    np.testing.assert_array_equal(part["final_attention"], whole["final_attention"])


def test_the_limit_of_overlaps_is_that_of_each_realisation():
    """Weights of 3 are not limited to 1, also beside others in the same lanes."""
    weights = {name: np.array([[3.0, -3.0]]) for name in "ovqk"}
    net = dmfx.SelfAttention(weights, epsilon=0.0)
    ds = dmfx.simulate(net, size=10, replica=range(20), steps=20, variables="m_o", **POINT).compute()
    assert float(abs(ds["m_o"]).max()) > 1.5
