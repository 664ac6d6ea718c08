"""What runs of vector spins start from: patterns, random states, arrays, other runs, and what is refused."""

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.variables import STATUS
from tests.vectors.networks import PATTERNS, D, M, N, assert_same_bits, network, sweep

NET = network()


def starts_of(initial, net=NET, **more):
    """First states of a run whose γ is so large that tokens stay where they are."""
    ds = dmfx.simulate(net, beta=1.0, gamma=1e18, steps=1, initial=initial, variables="tokens", **more)
    assert ds["tokens"].dims[:3] == ("beta", "gamma", "seed")
    return ds.squeeze(["beta", "gamma", "step"]).compute()


def assert_starts(ds, expected):
    np.testing.assert_allclose(ds["tokens"].squeeze("seed"), expected, atol=1e-15)


def test_patterns():
    assert_starts(starts_of(None), PATTERNS[0])
    assert_starts(starts_of(2), PATTERNS[2])
    assert_starts(starts_of(np.int8(1)), PATTERNS[1])
    assert_starts(starts_of([2, 0, 2]), PATTERNS[[2, 0, 2]])
    assert_starts(starts_of("patterns"), PATTERNS)


def test_labels_of_patterns():
    ds = starts_of([2, 0])
    np.testing.assert_array_equal(ds["initial"], [0, 1])
    np.testing.assert_array_equal(ds["target"], [2, 0])
    assert ds["target"].dims == ("initial",)
    assert ds["target"].attrs["long_name"]
    one = starts_of(2)
    assert "initial" not in one.dims
    assert one["target"].item() == 2
    assert "target" not in starts_of(PATTERNS)


def test_random_states():
    ds = starts_of("random", starts=4)
    np.testing.assert_allclose(ds["tokens"].squeeze("seed"), dmfx.tokens.random(4, N, D, seed=0), atol=1e-15)
    two = starts_of("random", network("random"), starts=2, seed=[5, 0])
    for seed in (0, 5):
        np.testing.assert_allclose(two["tokens"].sel(seed=seed), dmfx.tokens.random(2, N, D, seed=seed), atol=1e-15)
    assert_starts(starts_of(None, network(patterns=None)), dmfx.tokens.random(1, N, D, seed=0)[0])


def test_arrays():
    x = dmfx.tokens.random(5, N, D, seed=3)
    assert_starts(starts_of(x), x)
    assert_starts(starts_of(x[1]), x[1])
    assert_starts(starts_of(x.tolist()), x)
    np.testing.assert_allclose(starts_of(x.astype(np.float32))["tokens"].squeeze("seed"), x, atol=1e-6)
    assert starts_of(x[:1]).sizes["initial"] == 1
    assert "initial" not in starts_of(x[0]).dims


@pytest.mark.parametrize("chunks", ["auto", {"beta": 2, "step": 3}])
def test_goes_on_to_the_bit(chunks):
    first = sweep(steps=6, transient=0, chunks=chunks)
    longer = sweep(steps=6, transient=6).compute()
    for before in (first, first.compute()):
        rest = sweep(steps=6, transient=0, initial=before, chunks={"beta": 3, "step": 2})
        assert_same_bits(rest.compute().drop_vars("step"), longer.drop_vars("step"))
        np.testing.assert_array_equal(rest["target"], [0, 1, 2])


@pytest.mark.parametrize("name", ["run.nc", "run.zarr"])
@pytest.mark.parametrize("kind", ["full", "random"])
def test_goes_on_from_an_archive_to_the_bit(tmp_path, name, kind):
    net = network(kind)
    sweep(net, steps=6, transient=0).dmft.save(tmp_path / name)
    first = dmfx.open(tmp_path / name)
    assert first.dmft.model == net
    rest = sweep(first.dmft.model, steps=6, transient=0, initial=first).compute()
    longer = sweep(net, steps=6, transient=6).compute()
    assert_same_bits(rest.drop_vars("step"), longer.drop_vars("step"))


def test_points_are_matched_by_label():
    first = sweep(steps=6, transient=0).compute()
    some = sweep(steps=2, transient=0, beta=first.beta[[4, 1]], gamma=0.4, initial=first).compute()
    same = sweep(steps=2, transient=6).compute().isel(beta=[4, 1]).sel(gamma=[0.4])
    assert some["tokens"].to_numpy().tobytes() == same["tokens"].to_numpy().tobytes()
    with pytest.raises(ValueError, match=r"initial has no beta = 1\.5"):
        sweep(initial=first, beta=[1.0, 1.5])


def test_selected_points_start_every_run():
    first = sweep(steps=6, transient=0).compute()
    point = first.isel(beta=3, gamma=1, seed=0, initial=2)
    ds = starts_of(point)
    assert_starts(ds, point["final_tokens"])
    assert "initial" not in ds.dims
    assert ds["target"].item() == 2
    kept = starts_of(first.isel(beta=[3], gamma=[1]))
    np.testing.assert_allclose(kept["tokens"].squeeze(), first["final_tokens"][3, 1].squeeze(), atol=1e-15)
    every = sweep(initial=point, steps=1, transient=0)
    assert every["overlap"].sizes["beta"] == 7


def test_other_dims_come_along():
    first = sweep(steps=6, transient=0).compute().isel(beta=[1, 2], gamma=0)
    ds = starts_of(first.rename(beta="start_beta"))
    assert set(ds["tokens"].dims) == {"seed", "start_beta", "initial", "token", "component"}
    np.testing.assert_array_equal(ds["start_beta"], first["beta"])
    expected = first["final_tokens"].rename(beta="start_beta").transpose(*ds["tokens"].dims)
    np.testing.assert_allclose(ds["tokens"], expected, atol=1e-15)
    renamed = starts_of(first.isel(beta=0, drop=True).rename(initial="example"))
    assert renamed.sizes["example"] == M


def test_a_point_that_failed_keeps_its_reason():
    net = dmfx.VectorAttention(dmfx.couplings.zeros(N, D), PATTERNS)
    options = {"beta": 1.0, "gamma": [0.0, 1.0], "steps": 2}
    first = dmfx.simulate(net, **options)
    for again in (dmfx.simulate(net, **options, initial=first), dmfx.simulate(net, **options, chunks={"step": 1})):
        assert [STATUS[value] for value in again["status"].squeeze().values] == ["no_field", "ok"]


def test_order_of_dims_and_missing_status_do_not_matter():
    first = sweep(steps=6, transient=0).compute()
    turned = first[["final_tokens"]].transpose("component", "initial", "token", "gamma", "beta", "seed")
    a, b = (sweep(steps=2, transient=0, initial=ds).compute() for ds in (first, turned))
    assert_same_bits(a, b)


def test_states_that_are_none_are_bad_starts():
    first = sweep(steps=6, transient=0, beta=[1.0, 2.0, 3.0]).compute()
    first["final_tokens"][0, 0, 0, 1, 2, 3] = np.nan
    first["final_tokens"][1, 1, 0, 2] *= 0.9
    good = sweep(steps=2, transient=0, beta=[1.0, 2.0, 3.0], initial=sweep(steps=6, transient=0, beta=[1.0, 2.0, 3.0]))
    ds, good = (each.compute() for each in (sweep(steps=2, transient=0, beta=[1.0, 2.0, 3.0], initial=first), good))
    bad = np.zeros(ds["status"].shape, dtype=bool)
    bad[0, 0, 0, 1] = bad[1, 1, 0, 2] = True
    np.testing.assert_array_equal(ds["status"] == STATUS.index("bad_start"), bad)
    assert np.isnan(ds["overlap"].values[bad]).all()
    assert np.isnan(ds["final_tokens"].values[bad]).all()
    assert ds["overlap"].values[~bad].tobytes() == good["overlap"].values[~bad].tobytes()
    again = sweep(steps=2, transient=0, beta=[1.0, 2.0, 3.0], initial=ds).compute()
    np.testing.assert_array_equal(again["status"], ds["status"])


RUN = sweep(steps=1, transient=0)
BAD = [
    ({"initial": 3}, ValueError, r"initial must be numbers of stored patterns from 0 to 2, not 3"),
    ({"initial": [0, -1]}, ValueError, r"from 0 to 2, not \[0, -1\]"),
    ({"initial": True}, TypeError, r"initial must be unit vectors of shape \(n, 6, 4\)"),
    ({"initial": []}, ValueError, "initial must be unit vectors"),
    ({"initial": 0.5}, ValueError, "initial must be unit vectors"),
    ({"initial": np.ones((N, D))}, ValueError, "initial must be unit vectors, but has others"),
    ({"initial": np.zeros((N, D))}, ValueError, "zero vectors"),
    ({"initial": np.full((N, D), np.nan)}, ValueError, "initial must be finite"),
    ({"initial": dmfx.tokens.random(2, N, D + 1)}, ValueError, r"shape \(n, 6, 4\).*not an array of shape \(2, 6, 5\)"),
    ({"initial": "pattern"}, ValueError, "initial must be one of 'random', 'patterns', not 'pattern'"),
    ({"initial": "random"}, ValueError, "initial='random' needs starts="),
    ({"initial": "random", "starts": 0}, ValueError, "starts must be a whole number of at least 1"),
    ({"initial": 0, "starts": 3}, ValueError, "starts goes with initial='random' only"),
    ({"initial": xr.Dataset()}, ValueError, "must be a Dataset with final_tokens"),
    ({"initial": xr.Dataset({"final_tokens": ("token", np.ones(N))})}, ValueError, r"dims \(..., token, component\)"),
    (
        {"initial": RUN.isel(component=[0, 1])},
        ValueError,
        "must have 6 tokens of 4 components, .* not 6 of 2",
    ),
    ({"initial": RUN.rename(initial="offset")}, ValueError, "initial has the dim offset, which means something else"),
    ({"initial": RUN.assign_coords(beta=[0, 1, 2, 3, 4, 5, 5])}, ValueError, "repeated labels along beta"),
    ({"initial": object()}, TypeError, "initial must be unit vectors"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=lambda each: str(each)[:30])
def test_wrong_starts(change, error, message):
    with pytest.raises(error, match=message):
        sweep(**change)


@pytest.mark.parametrize("initial", [0, "patterns", [0]])
def test_there_must_be_patterns_to_start_from(initial):
    with pytest.raises(ValueError, match=r"no stored patterns to start from; model.with_patterns"):
        sweep(network(patterns=None), initial=initial, variables="energy")
