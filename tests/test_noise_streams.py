"""The noise of a point depends on its own coordinates alone: to the bit, however and wherever it is computed."""

import dask
import numpy as np
import pytest
from scipy import stats

import dmfx
from dmfx.finite_size import noise_keys
from dmfx.variables import OVERLAPS

NET = dmfx.SelfAttention.paper()
DRAWN = dmfx.SelfAttention(dmfx.weights.random(2, 30), context_size=6)
SWEPT = {
    "beta": [0.7, 1.27, 2.0],
    "gamma": [100.0, 220.0],
    "seed": [0, 5],
    "size": [7, 1000, 1e9, np.inf],
    "replica": [0, 3, 4],
}
OPTIONS = SWEPT | {"steps": 21, "transient": 8, "variables": OVERLAPS}


def sweep(net=DRAWN, **changes):
    return dmfx.simulate(net, **(OPTIONS | changes))


def assert_same_bits(a, b):
    assert set(a.data_vars) == set(b.data_vars)
    for name in a.data_vars:
        assert a[name].dims == b[name].dims, name
        assert a[name].to_numpy().tobytes() == b[name].to_numpy().tobytes(), name


@pytest.fixture(scope="module")
def whole():
    return sweep(chunks=-1).compute()


@pytest.mark.parametrize(
    "chunks",
    [
        "auto",
        1,
        {"beta": 2, "replica": 1},
        {"size": 3, "step": 4},
        {"size": 1, "step": (1, 15, 5)},
        {"seed": 1, "size": (1, 3), "replica": (2, 1), "step": 20},
    ],
)
def test_chunks_change_nothing(whole, chunks):
    # From a token the first chunk along step needs L - 1 steps, with the transient: 8 + 1.
    assert_same_bits(whole, sweep(chunks=chunks).compute(scheduler="synchronous"))


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", pytest.param("processes", marks=pytest.mark.slow)])
def test_schedulers_change_nothing(whole, scheduler):
    with dask.config.set(scheduler=scheduler, num_workers=2):
        assert_same_bits(whole, sweep(chunks={"beta": 1, "size": 2}).compute())


def test_order_and_company_change_nothing(whole):
    order = {"beta": [2, 0, 1], "size": [3, 1, 0, 2], "replica": [2, 1, 0], "seed": [1, 0]}
    turned = sweep(**{dim: np.asarray(SWEPT[dim])[at] for dim, at in order.items()}).compute()
    assert_same_bits(whole.isel(order), turned)
    for point in ({"beta": 1, "size": 0, "replica": 2, "seed": 1, "gamma": 0}, {"size": 2, "replica": 1}):
        alone = sweep(**{dim: [SWEPT[dim][at]] for dim, at in point.items()}).compute()
        assert_same_bits(whole.isel({dim: [at] for dim, at in point.items()}), alone)


def test_scalars_are_the_same_points(whole):
    one = sweep(size=1000, replica=3).compute()
    assert float(one["size"]) == 1000
    assert int(one["replica"]) == 3
    assert_same_bits(whole.sel(size=1000, replica=3), one)
    assert_same_bits(sweep(size=1000, replica=0).compute(), sweep(size=1000, replica=None).compute())
    assert_same_bits(sweep(epsilon=0.02).compute(), sweep(epsilon=[0.02]).compute().isel(epsilon=0))


@pytest.mark.parametrize("first", [1, 2, 3, 20])
@pytest.mark.parametrize("net", [NET, DRAWN], ids=["context", "token"])
def test_runs_go_on_exactly_from_any_step(net, first):
    seed = {"seed": 0}  # weights of the published configuration are given
    straight = sweep(net, **seed).compute()
    part = sweep(net, steps=first, **seed).compute()
    assert (part["noise_step"] == 8 + first).all()
    rest = sweep(net, steps=21 - first, transient=0, initial=part, **seed).compute()
    assert (rest["noise_step"] == straight["noise_step"]).all()
    for name in (*OVERLAPS, "final_attention"):
        shared = straight[name].isel(step=slice(first, None)) if name in OVERLAPS else straight[name]
        assert shared.to_numpy().tobytes() == rest[name].to_numpy().tobytes(), name
    # Some of the points, one by one, in another order.
    few = {"beta": [2.0, 0.7], "size": [1000], "replica": [4], "seed": 0}
    rest = sweep(net, steps=21 - first, transient=0, initial=part, **few).compute()
    expected = straight["attention"].sel(beta=[2.0, 0.7], size=[1000.0], replica=[4]).isel(step=slice(first, None))
    assert np.array_equal(expected, rest["attention"])


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
@pytest.mark.parametrize("extra", [{}, {"initial": "random_token", "starts": 2, "replica": 1}])
def test_runs_go_on_exactly_from_a_file(tmp_path, suffix, extra):
    straight = sweep(**extra).compute()
    dmfx.save(sweep(steps=6, **extra), tmp_path / f"part.{suffix}")
    part = dmfx.open(tmp_path / f"part.{suffix}")
    more = {"replica": extra["replica"]} if extra else {}
    rest = sweep(steps=15, transient=0, initial=part, **more).compute()
    assert np.array_equal(straight["attention"].isel(step=slice(6, None)), rest["attention"])
    assert np.array_equal(straight["final_attention"], rest["final_attention"])
    exponents = dmfx.lyapunov(part, 2, steps=10, transient=0).compute()
    again = dmfx.lyapunov(sweep(steps=6, **extra).compute(), 2, steps=10, transient=0)
    assert exponents["lyapunov"].to_numpy().tobytes() == again["lyapunov"].to_numpy().tobytes()


def test_the_noise_of_the_context_is_remembered():
    """Without the clock the same attention values come with other tokens, so that a run goes on otherwise."""
    part = sweep(steps=6).compute()
    with_clock = sweep(steps=3, transient=0, initial=part).compute()
    without = sweep(steps=3, transient=0, initial=part.drop_vars("noise_step")).compute()
    finite = np.isfinite(part["size"].to_numpy())
    same = (with_clock["attention"] == without["attention"]).all(["step", "pattern"])
    assert same.isel(size=~finite).all()
    assert not same.isel(size=finite).any()


def test_seed_and_replica_are_separate(whole):
    """Another seed has other weights and other noise; given weights show the noise alone."""
    finite = whole.isel(size=slice(3))
    with pytest.warns(UserWarning, match="every seed has the same"):
        ds = dmfx.simulate(NET, **(OPTIONS | {"seed": [0, 1], "size": [100, np.inf]})).compute()
    attention = ds["attention"].sel(size=100.0)
    for dim in ("seed", "replica"):
        a, b = attention.isel({dim: 0}), attention.isel({dim: 1})
        assert not (a == b).all(["step", "pattern"]).any(), dim
    assert (ds["attention"].sel(size=np.inf) == ds["attention"].sel(size=np.inf).isel(seed=0, replica=0)).all()
    assert (whole["overlap_weights"].isel(seed=0) != whole["overlap_weights"].isel(seed=1)).any()
    assert (
        not (finite["attention"].isel(replica=0) == finite["attention"].isel(replica=1)).all(["step", "pattern"]).any()
    )


@pytest.mark.parametrize("dim", ["beta", "gamma", "seed", "size", "initial"])
def test_common_noise(dim):
    """Points that share their noise have the same key; to the bit the same run, if nothing else differs."""
    label = {"beta": [0.5, 0.7], "gamma": [1.0, 2.0], "seed": [0, 1], "size": [10.0, 20.0], "initial": [0, 1]}
    constant = {name: np.array([values[0]] * 2) for name, values in label.items()}
    constant |= {"epsilon": np.array([0.02, 0.02]), "replica": np.array([0, 0])}
    points = constant | {dim: np.array(label[dim])}
    assert (noise_keys(points)[0] != noise_keys(points)[1]).all()
    assert (noise_keys(points, (dim,))[0] == noise_keys(points, (dim,))[1]).all()


@pytest.mark.parametrize("asked", [{}, {"size": 1000.0}, {"size": 1000.0, "replica": 3}], ids=str)
def test_sizes_of_starts_that_are_not_asked_for_are_refused(asked):
    """A run that says it is of the mean field, or of one size, is: starts of several sizes are no further points."""
    part = sweep(steps=6)
    options = {"size": None, "replica": None} | asked
    with pytest.raises(ValueError, match="size"):
        sweep(initial=part, **options)
    one = part.isel(size=1, replica=1) if asked else part.isel(size=1, replica=[0])
    assert sweep(initial=one, **options)["attention"].sizes.get("size", 1) == 1


def test_runs_with_common_noise_meet():
    """Small β: the noise drives all starts to one orbit, and only if they share it."""
    options = {"beta": 0.8, "gamma": 50.0, "size": 1e6, "steps": 1, "transient": 400, "initial": "random", "starts": 4}
    common = dmfx.simulate(NET, common_noise="initial", **options).compute()["attention"]
    own = dmfx.simulate(NET, **options).compute()["attention"]
    assert float(common.std("initial").max()) < 1e-6
    assert float(own.std("initial").max()) > 1e-5
    # The other dims keep their own: replicas differ.
    more = dmfx.simulate(NET, common_noise=["initial"], replica=[0, 1], **options).compute()["attention"]
    assert np.array_equal(more.isel(replica=0), common)
    assert not np.array_equal(more.isel(replica=1), common)


@pytest.mark.parametrize("chunks", ["auto", 1, {"beta": 1, "size": 1, "step": (2, 3)}])
@pytest.mark.parametrize("direction", ["up", "both"])
def test_carried_sweeps_of_finite_networks(chunks, direction):
    beta = [1.2, 1.25, 1.3]
    options = {"gamma": 220.0, "size": [50, np.inf], "replica": [0, 1], "steps": 5, "transient": 10}
    ds = dmfx.simulate(NET, beta=beta, carry="beta", direction=direction, chunks=chunks, **options).compute()
    start = None
    for value in beta:
        one = dmfx.simulate(NET, beta=value, initial=start, **options).compute()
        start = one
        if direction == "up":
            for name in ("attention", "final_attention", "noise_step"):
                assert np.array_equal(ds[name].sel(beta=value), one[name].isel(beta=0)), (name, value)
    assert int(ds["noise_step"].max()) == 45
    if direction == "both":
        up = ds.sel(direction="up")
        mean_field = dmfx.simulate(NET, beta=beta, carry="beta", **options).compute()
        assert np.array_equal(up["attention"].sel(size=np.inf), mean_field["attention"].sel(size=np.inf))
        # Up and down are different points, with noise of their own, also where both begin at the same value.
        single = dmfx.simulate(NET, beta=[1.2], carry="beta", direction="both", **options).compute()["attention"]
        finite = single.sel(size=50.0)
        assert not (finite.sel(direction="up") == finite.sel(direction="down")).all(["step", "pattern"]).any()


def test_points_are_statistically_independent():
    """Correlations between all pairs of points are those of independent noise: of order n^(-1/2), normal."""
    points = {"beta": [0.3, 0.3 * (1 + 1e-12), 0.30001], "size": [1000, 1001], "replica": range(8), "seed": [0, 1]}
    with pytest.warns(UserWarning, match="every seed has the same"):
        ds = dmfx.simulate(NET, gamma=[0.0, 1e-9], steps=4000, transient=40, variables="attention", **points)
    # γ = 0 at small β forgets its past within a few steps: each phase of the drive on its own, every fourth step.
    attention = ds["attention"].isel(pattern=0, step=slice(0, None, 8)).compute()
    series = attention.stack(point=("beta", "gamma", "seed", "size", "replica")).transpose("point", "step").to_numpy()
    n_points, n = series.shape
    z = np.corrcoef(series)[np.triu_indices(n_points, 1)] * np.sqrt(n)
    # The z of pairs are uncorrelated among each other, of variance 1: twelve thousand of them.
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)
    assert np.abs(z).max() < stats.norm.isf(1e-6 / z.size)
    # In time: one step after the other, at a lag where the dynamics has forgotten.
    z = np.array([np.corrcoef(each[:-1], each[1:])[0, 1] for each in series]) * np.sqrt(n - 1)
    assert np.abs(z).max() < stats.norm.isf(1e-6 / z.size)


def test_keys_differ():
    """No two of many points have the same key, nor do those that a sweep along another dim brings."""
    n = 20_000
    rng = np.random.default_rng(1)
    label = {name: np.zeros(n) for name in ("beta", "gamma", "epsilon")} | {"size": np.full(n, 10.0)}
    label |= {"seed": np.zeros(n, int), "replica": np.arange(n)}
    keys = [noise_keys(label), noise_keys(label | {"seed": np.arange(n), "replica": np.zeros(n, int)})]
    keys.append(noise_keys(label | {"initial": rng.permutation(n)}))
    keys.append(noise_keys(label | {"direction": np.array(["up", "down"] * (n // 2))}))
    keys.append(noise_keys(label | {"attractor": np.arange(n)}))
    flat = np.concatenate(keys)
    # Seed 0 and replica 0 is in the first two.
    assert len(np.unique(flat, axis=0)) == len(flat) - 1
    assert len(np.unique(flat)) == flat.size - 2
    assert (noise_keys(label | {"beta": -np.zeros(n)}) == keys[0]).all()
    text = noise_keys(label | {"direction": np.array(["up", "down"] * (n // 2), dtype=object)})
    assert (text == keys[3]).all()
