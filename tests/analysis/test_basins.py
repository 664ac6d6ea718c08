import dask
import numpy as np
import pytest
import xarray as xr
from scipy.stats import binomtest

import dmfx
from dmfx.analysis.basins import basins, wilson
from dmfx.analysis.classify import classify
from dmfx.variables import KINDS

PERIODIC, CHAOTIC, NONE = (KINDS.index(kind) for kind in ("periodic", "chaotic", "none"))
NET = dmfx.SelfAttention.paper()
STARTS, STEPS = 160, 8000


def start(beta, starts, transient=40_000, net=NET, **options):
    return dmfx.simulate(
        net, beta=beta, gamma=220.0, initial="random", starts=starts, steps=1, transient=transient, **options
    )


@pytest.fixture(scope="module")
def ds():
    """Final states in the window where several attractors coexist."""
    return start([1.27, 1.271], STARTS, chunks={"beta": 1}).compute()


@pytest.fixture(scope="module")
def found(ds):
    return basins(ds, steps=STEPS)


@pytest.fixture(scope="module")
def few(ds):
    """Few starts, quick."""
    return ds.isel(initial=slice(24))


@pytest.fixture(scope="module")
def few_found(few):
    return basins(few, steps=2000)


def test_the_window(ds, found):
    at = found.sel(beta=1.27).squeeze()
    main = at.isel(attractor=0)
    assert (int(main.attractor_kind), int(main.attractor_period)) == (PERIODIC, 28)
    assert float(main.attractor_lyapunov) == pytest.approx(-0.0478, abs=5e-4)
    assert 0.7 < float(main.basin_fraction) < 0.9
    periods = at.attractor_period.values[at.basin_count.values > 0]
    assert sorted(periods) == [28, 56]
    # The orbit itself, repeated.
    orbit = main.attractor_points.values
    np.testing.assert_array_equal(orbit[28:], orbit[:-28])
    assert len(np.unique(orbit[:, 0])) == 28


def test_labels_are_the_same_at_the_next_beta(found):
    # At 1.271 the two large ones are there still: both have period 28.
    by_label = found.attractor_period.squeeze().values
    large = (found.basin_count > 10).squeeze().values
    assert large[:, :2].all()
    assert not large[:, 2:].any()
    assert by_label[:, :2].tolist() == [[28, 56], [28, 28]]
    gap = found.attractor_points.mean("point").squeeze()
    moved = np.abs(gap.isel(beta=0) - gap.isel(beta=1)).max("pattern")
    apart = np.abs(gap.isel(attractor=0) - gap.isel(attractor=1)).max("pattern").min()
    assert (moved.values[:2] < apart.values / 2).all()


def test_what_is_counted_adds_up(ds, found):
    counts = found.basin_count.sum("attractor") + found.basin_other + found.basin_none
    assert (counts == STARTS).all()
    np.testing.assert_allclose(found.basin_fraction.sum("attractor") + found.basin_none / STARTS, 1)
    for label in found.attractor.values:
        np.testing.assert_array_equal(
            (found.attractor_of == label).sum("initial"), found.basin_count.sel(attractor=label)
        )
    np.testing.assert_array_equal((found.attractor_of == -1).sum("initial"), found.basin_none)
    absent = (found.basin_count == 0).values
    assert (found.attractor_kind.values[absent] == NONE).all()
    assert (found.attractor_period.values[absent] == 0).all()
    assert np.isnan(found.attractor_lyapunov.values[absent]).all()
    assert np.isnan(found.attractor_points.values[absent]).all()
    assert np.isfinite(found.attractor_points.values[~absent]).all()
    assert (found.basin_fraction_low.values[absent] == 0).all()
    total = found.basin_count.sum(["beta", "gamma", "seed"]).values
    assert (np.diff(total) <= 0).all()


def test_kinds_are_those_of_classify(few, few_found):
    kinds = classify(few, steps=2000)
    for name in ("kind", "period"):
        by_start = _of_start(few_found[f"attractor_{name}"], few_found)
        same = (by_start == kinds[name]).values[(few_found.attractor_of >= 0).values]
        assert same.mean() > 0.95


def test_intervals_are_those_of_scipy(found):
    for at in (0, 1):
        for count, low, high in zip(
            found.basin_count[at].values.ravel(),
            found.basin_fraction_low[at].values.ravel(),
            found.basin_fraction_high[at].values.ravel(),
            strict=True,
        ):
            interval = binomtest(int(count), STARTS).proportion_ci(method="wilson")
            assert (low, high) == (pytest.approx(interval.low, abs=1e-12), pytest.approx(interval.high, abs=1e-12))
    low, high = wilson(np.array([0, 7]), 7)
    assert low[0] == 0
    assert high[1] == 1
    assert 0 < low[1] < 1


def test_other_starts_give_fractions_within_the_intervals(ds):
    parts = [basins(ds.isel(beta=[0], initial=part), steps=STEPS) for part in (slice(48), slice(48, None))]
    few, many = (part.squeeze() for part in parts)
    for label in (0, 1):
        # Both intervals hold the true value but for chance: so they have values in common.
        assert few.attractor_period[label] == many.attractor_period[label]
        assert few.basin_fraction_low[label] < many.basin_fraction_high[label]
        assert many.basin_fraction_low[label] < few.basin_fraction_high[label]
    assert few.basin_fraction_low[0] < many.basin_fraction[0] < few.basin_fraction_high[0]


def test_another_phase_is_the_same_attractor(few, few_found):
    # Every start goes on along its orbit by another number of steps.
    moved = []
    for i in range(few.sizes["initial"]):
        one = few.isel(initial=[i])
        later = dmfx.simulate(NET, beta=few.beta.values, gamma=220.0, initial=one, steps=i % 8 + 1)
        moved.append(later[["final_attention", "final_phase", "status"]])
    moved = xr.concat(moved, "initial", coords="minimal", compat="override").compute()
    assert len(np.unique(moved.final_phase)) == 4
    again = basins(moved, steps=2000)
    same = (again.attractor_of == few_found.attractor_of).mean()
    assert same == 1
    np.testing.assert_array_equal(again.attractor_period, few_found.attractor_period)


def test_the_order_of_the_starts_does_not_matter(few, few_found):
    order = np.random.default_rng(0).permutation(few.sizes["initial"])
    again = basins(few.isel(initial=order), steps=2000)
    xr.testing.assert_equal(again.sortby("initial"), few_found)


@pytest.mark.parametrize("chunks", [1, {"beta": 1}, {"beta": 2}])
def test_lazy_and_the_same_for_any_chunks(few, few_found, chunks):
    lazy = basins(few.chunk({"beta": 1, "initial": 7}), steps=2000, chunks={"initial": -1} if chunks == 1 else chunks)
    assert all(array.chunks is not None for array in lazy.data_vars.values())
    xr.testing.assert_identical(_without_history(lazy.compute()), _without_history(few_found))


def test_nothing_is_computed_when_called(few):
    def never(*_, **__):
        raise AssertionError("computed")

    with dask.config.set(scheduler=never):
        lazy = basins(start([1.27, 1.271], 50), steps=2000)
        assert lazy.basin_count.dims == ("beta", "gamma", "seed", "attractor")


def test_dims_names_and_units(few, few_found):
    sweep = {"beta": 2, "gamma": 1, "seed": 1}
    inner = {
        "basin_count": {"attractor": 8},
        "basin_fraction": {"attractor": 8},
        "basin_fraction_low": {"attractor": 8},
        "basin_fraction_high": {"attractor": 8},
        "basin_other": {},
        "basin_none": {},
        "attractor_of": {"initial": 24},
        "attractor_kind": {"attractor": 8},
        "attractor_period": {"attractor": 8},
        "attractor_lyapunov": {"attractor": 8},
        "attractor_points": {"attractor": 8, "point": 256, "pattern": 3},
        "status": {"initial": 24},
    }
    assert {name: dict(array.sizes) for name, array in few_found.data_vars.items()} == {
        name: sweep | sizes for name, sizes in inner.items()
    }
    assert few_found.attractor_kind.attrs["flag_meanings"].split() == list(KINDS)
    assert few_found.attractor_kind.dtype == np.int8
    assert few_found.attrs["dmfx_model"] == few.attrs["dmfx_model"]
    assert "basins(" in few_found.attrs["history"]
    assert set(few_found.coords) >= {"beta", "gamma", "seed", "epsilon", "initial", "attractor", "point", "pattern"}


def test_what_is_beyond_the_labels_is_counted(few, few_found):
    short = basins(few, steps=2000, max_attractors=1, n_points=5)
    assert short.sizes["attractor"] == 1
    assert short.attractor_points.sizes["point"] == 5
    np.testing.assert_array_equal(short.basin_count, few_found.basin_count.isel(attractor=[0]))
    np.testing.assert_array_equal(
        short.basin_other, few_found.basin_count.isel(attractor=slice(1, None)).sum("attractor")
    )
    assert short.basin_other.values.any()
    np.testing.assert_array_equal((short.attractor_of == -2).sum("initial"), short.basin_other)


def test_labels_are_cut_after_they_were_linked():
    """Of two attractors that swap the majority between two values, one label stays the first at both."""
    ds = start([1.27, 1.271], STARTS, chunks={"beta": 1}).compute()
    every = basins(ds, steps=1000).basin_count.squeeze().values
    # Starts that make the second attractor the larger one at the second value of beta.
    of = basins(ds, steps=1000).attractor_of.squeeze().values
    chosen = []
    for at, n in enumerate(((14, 6), (8, 12))):
        assert (every[at, :2] >= n).all()
        chosen.append(np.concatenate([np.flatnonzero(of[at] == label)[: n[label]] for label in (0, 1)]))
    swapped = xr.concat(
        [ds.isel(beta=[at], initial=each).assign_coords(initial=np.arange(20)) for at, each in enumerate(chosen)],
        "beta",
        data_vars="minimal",
        coords="minimal",
        compat="override",
    )
    two = basins(swapped, steps=1000, max_attractors=2).squeeze()
    assert two.basin_count.values.tolist() == [[14, 6], [8, 12]]
    one = basins(swapped, steps=1000, max_attractors=1).squeeze(["gamma", "seed"])
    assert one.basin_count.values.ravel().tolist() == [14, 8]
    assert one.basin_other.values.tolist() == [6, 12]
    np.testing.assert_array_equal((one.attractor_of == -2).values, (two.attractor_of == 1).values)
    for name in ("attractor_period", "attractor_lyapunov", "attractor_points"):
        np.testing.assert_array_equal(one[name].isel(attractor=0), two[name].isel(attractor=0))
    assert one.attractor_period.values.ravel().tolist() == [28, 28]
    alone = basins(swapped, steps=1000, max_attractors=1, along=None).squeeze()
    assert alone.basin_count.values.ravel().tolist() == [14, 12]


@pytest.mark.parametrize("lazy", [False, True])
def test_one_point_without_dims(few, few_found, lazy):
    one = few.sel(beta=1.27).squeeze()
    found = basins(one.chunk() if lazy else one, steps=2000, along=None)
    assert (found.basin_count.chunks is not None) == lazy
    assert found.basin_count.dims == ("attractor",)
    alone = basins(few.sel(beta=[1.27]), steps=2000).squeeze()
    xr.testing.assert_equal(found.compute().drop_vars("step", errors="ignore"), alone)
    assert found.attractor.values.tolist() == list(range(8))


def test_without_the_dim_beta(few):
    """Only an argument that was given is named in an error."""
    found = basins(few.sel(beta=1.27), steps=2000)
    xr.testing.assert_identical(
        _without_history(found), _without_history(basins(few.sel(beta=1.27), steps=2000, along=None))
    )
    with pytest.raises(ValueError, match="along must be 'gamma' or 'seed' or None, not 'epsilon'"):
        basins(few.sel(beta=1.27), steps=2000, along="epsilon")


@pytest.mark.parametrize("lazy", [False, True])
def test_stacked_dims_and_any_name(few, few_found, lazy):
    """Warnings are errors."""
    stacked = few.stack(where=("beta", "gamma"))
    found = basins(stacked.chunk() if lazy else stacked, steps=2000).compute()
    assert found.indexes["where"].equals(stacked.indexes["where"])
    assert found.basin_count.dims == ("seed", "where", "attractor")
    each = basins(few, steps=2000, along=None)
    np.testing.assert_array_equal(found.basin_count.squeeze(), each.basin_count.squeeze())
    named = basins(few.expand_dims(state=[3], coordinate=[4]), steps=2000)
    np.testing.assert_array_equal(named.basin_count.squeeze(), few_found.basin_count.squeeze())
    assert named.state.values.tolist() == [3]


@pytest.mark.parametrize("dim", ["point", "attractor"])
def test_a_dim_with_a_name_of_the_result(few, dim):
    with pytest.raises(ValueError, match=f"ds has the dim {dim}, which means something else"):
        basins(few.stack({dim: ("beta", "gamma")}), steps=2000)
    # Of a scalar coordinate with that name nothing is left.
    assert basins(few.assign_coords({dim: 7}), steps=2000)[dim].dims == (dim,)


def test_at_least_one_start(few):
    with pytest.raises(ValueError, match="basins: ds has no points: its dim initial is empty"):
        basins(few.isel(initial=[]))


def test_the_steps_do_not_depend_on_the_other_points():
    net = dmfx.SelfAttention(dmfx.weights.segments(1, 1), 32, 0.1)
    ds = start(0.5, 2, 100, net, epsilon=[0.0, 0.1]).compute()
    both = basins(ds, along=None)
    assert "steps=32768" in both.attrs["history"]
    alone = basins(ds.sel(epsilon=[0.0]), along=None)
    assert "steps=32768" in alone.attrs["history"]
    xr.testing.assert_equal(alone, both.sel(epsilon=[0.0]))
    with pytest.raises(ValueError, match="steps must be a whole number of at least 2048, not 100"):
        basins(ds.sel(epsilon=[0.0]), steps=100)


@pytest.mark.slow
def test_other_processes_give_the_same_bits(few):
    from distributed import Client, LocalCluster

    lazy = few.chunk({"beta": 1})
    calls = {"basins": {}, "classify": {"chunks": {"initial": 10}}}
    local = {
        name: getattr(dmfx, name)(lazy, steps=2000, **options).compute(scheduler="synchronous")
        for name, options in calls.items()
    }
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        for name, options in calls.items():
            there = getattr(dmfx, name)(lazy, steps=2000, **options).compute()
            xr.testing.assert_identical(_without_history(there), _without_history(local[name]))


def test_points_without_matching_are_numbered_on_their_own(few):
    alone = basins(few, steps=2000, along=None)
    assert (np.diff(alone.basin_count.squeeze().values, axis=1) <= 0).all()
    for beta in few.beta.values:
        one = basins(few.sel(beta=[beta]), steps=2000)
        xr.testing.assert_equal(one, alone.sel(beta=[beta]))


def test_failed_starts_reach_none(few):
    attention = few.final_attention.copy(deep=True)
    attention[dict(beta=0, initial=[0, 3])] = np.nan
    status = few.status.copy(deep=True)
    status[dict(beta=0, initial=5)] = 1
    broken = basins(few.assign(final_attention=attention, status=status), steps=2000)
    of = broken.attractor_of.isel(beta=0).values.ravel()
    assert (of[[0, 3, 5]] == -1).all()
    assert broken.basin_none.values.ravel()[0] >= 3
    assert broken.status.isel(beta=0).values.ravel()[[0, 3, 5, 6]].tolist() == [2, 2, 1, 0]
    xr.testing.assert_equal(broken.attractor_of.isel(beta=1), basins(few, steps=2000).attractor_of.isel(beta=1))


def test_without_drive_and_along_another_dim():
    ds = start([1.0, 1.5], 12, transient=3000, epsilon=[0.0, 0.02]).compute()
    found = basins(ds, steps=1000, along="epsilon")
    assert found.basin_count.dims == ("beta", "gamma", "seed", "epsilon", "attractor")
    # The rest at zero and the small orbit that the drive makes of it are not close for their size.
    assert found.attractor_period.sel(beta=1.0).isel(attractor=slice(3)).values.tolist() == [[[[1, 0, 0], [0, 4, 0]]]]
    together = basins(ds, steps=1000, along=None)
    for i in range(2):
        xr.testing.assert_equal(basins(ds.isel(epsilon=[i]), steps=1000, along=None), together.isel(epsilon=[i]))


def test_two_chaotic_attractors_at_one_beta():
    ds = start(1.275, 24, transient=60_000).compute()
    found = basins(ds, steps=STEPS).squeeze()
    large = found.basin_count.values > 4
    assert large.sum() == 2
    assert (found.attractor_kind.values[large] == CHAOTIC).all()
    # A large set with one exponent, a small one with a tenth of it.
    exponents = np.sort(found.attractor_lyapunov.values[large])
    assert exponents[0] < 0.03 < 0.12 < exponents[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 1.5}, ValueError, "steps must be a whole number of at least 256, not 1.5"),
        ({"along": "size"}, ValueError, "along must be 'beta' or 'gamma' or 'seed' or None, not 'size'"),
        ({"along": "initial"}, ValueError, "along must be 'beta' or 'gamma' or 'seed' or None, not 'initial'"),
        ({"along": ["beta"]}, ValueError, r"along must be .*, not \['beta'\] \(list\)"),
        ({"max_attractors": 0}, ValueError, "max_attractors must be a whole number of at least 1"),
        ({"n_points": "many"}, TypeError, "n_points must be a whole number of at least 1"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be a finite number above 0"),
        ({"tolerance": 10}, ValueError, "tolerance must be at most 0.0001, as attention values are at most 1, not 10"),
        ({"link": np.nan}, ValueError, "link must be a finite number above 0"),
        ({"chunks": {"initial": 1}}, ValueError, "chunks: initial must be in one chunk"),
        ({"link": 0, "n_points": 0}, ValueError, "2 problems: n_points .*; link"),
    ],
)
def test_wrong_input(few, arguments, error, message):
    with pytest.raises(error, match=message):
        basins(few, **arguments)


def test_no_starts(few):
    with pytest.raises(
        ValueError, match=r"ds must have the dim initial, .*simulate\(..., initial='random', starts=100"
    ):
        basins(few.isel(initial=0))
    with pytest.raises(TypeError, match=r"ds must be a Dataset from dmfx\.simulate"):
        basins(3)


def _of_start(array, found):
    """A variable of the attractors, for each start."""
    return array.isel(attractor=found.attractor_of.clip(min=0))


def _without_history(ds):
    return ds.drop_attrs(deep=False)
