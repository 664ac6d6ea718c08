import dask
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis.classify import classify
from dmfx.variables import KINDS

NET = dmfx.SelfAttention.paper()


def after(transient, beta, gamma=220.0, model=NET, **options):
    """Final states of runs of some steps."""
    ds = dmfx.simulate(model, beta=beta, gamma=gamma, steps=1, transient=transient, variables=["attention"], **options)
    return ds.compute()


def names(ds):
    return [KINDS[kind] for kind in ds.kind.values.ravel()]


def test_the_published_attractors():
    """The table of the design's physics: exponents of our own computation, periods counted from the orbits."""
    table = {
        0.5: ("fixed", 4, 0, -0.327),
        1.0: ("fixed", 4, 0, None),
        1.24: ("fixed", 4, 0, -0.0011),
        1.255: ("quasi_periodic", 0, 1, 0),
        1.26: ("quasi_periodic", 0, 1, 0),
        1.26405: ("quasi_periodic", 0, 1, 0),
        1.26451: ("periodic", 44, 0, -0.0051),
        1.28: ("chaotic", 0, 0, 0.145),
        1.3: ("chaotic", 0, 0, 0.14),
        1.4: ("chaotic", 0, 0, 0.076),
        2.0: ("chaotic", 0, 0, 0.053),
        3.0: ("periodic", 24, 0, -0.10),
    }
    found = classify(after(100_000, list(table)))
    for beta, (kind, period, frequencies, exponent) in table.items():
        point = found.sel(beta=beta, gamma=220).isel(seed=0)
        assert (KINDS[int(point.kind)], int(point.period), int(point.frequencies)) == (kind, period, frequencies), beta
        assert int(point.agree) == 1
        assert float(point.settled) == 0
        if exponent is not None:
            size = 1e-4 if kind == "quasi_periodic" else 5e-3 + 5 * float(point.lyapunov_error[0])
            assert abs(float(point.lyapunov[0]) - exponent) < (size if kind != "periodic" else 2e-3), beta


def test_the_window_of_coexistence():
    """Which attractor a run reaches depends on rounding: that of the table is among those of several starts."""
    found = classify(after(100_000, [1.266, 1.27], initial="random", starts=8))
    at = found.sel(beta=1.266)
    chaotic = at.lyapunov.isel(exponent=0).where(at.kind == KINDS.index("chaotic"))
    assert float(np.abs(chaotic - 0.08).min()) < 0.02
    assert 28 in found.period.sel(beta=1.27).values


def settled_by_definition(start, steps):
    """From where on no strobe of the orbit itself is farther than 0.001 from the last ones at the same phase."""
    where = {name: start[name].values for name in ("beta", "gamma")}
    ds = dmfx.simulate(NET, **where, steps=steps, variables=["attention"], initial=start)
    strobes = ds.attention.values.reshape(steps, 3)[3::4]
    period = next(k for k in range(1, 99) if np.abs(strobes[-k:] - strobes[-2 * k : -k]).max() < 1e-8)
    final = strobes[len(strobes) - period + (np.arange(len(strobes)) - len(strobes)) % period]
    return 4 * (np.flatnonzero((np.abs(strobes - final) > 1e-3).any(axis=1))[-1] + 2)


def test_short_transients_and_when_they_settled():
    start = after(200, 1.24)
    short, long = classify(start, steps=2000), classify(start, steps=40_000)
    assert names(short) == ["transient"]
    assert np.isnan(short.settled.item())
    assert names(long) == ["fixed"]
    assert long.lyapunov.values.ravel()[0] == pytest.approx(-0.0010728, abs=1e-6)
    assert long.agree.item() == 1
    assert long.settled.item() == settled_by_definition(start, 40_000)
    assert 500 < long.settled.item() < 20_000


def test_long_chaotic_transients():
    """At β = 1.274 chaos lasts about 1e5 steps, then the orbit becomes periodic."""
    start = after(0, 1.274, initial="random", starts=16)
    found = classify(start, steps=200_000).squeeze()
    late = (found.settled > 20_000) & (found.settled < 180_000)
    assert late.sum() >= 3
    assert (found.period[late] == 64).all()
    assert (found.lyapunov[late] < -1e-2).all()
    one = int(np.flatnonzero(late)[0])
    start = start.isel(initial=one, drop=True)
    settled = int(found.settled[one])
    assert settled == settled_by_definition(start, 200_000)
    shorter = classify(start, steps=settled // 1000 * 1000 - 4000)
    assert names(shorter) == ["chaotic"]
    assert shorter.lyapunov.values.ravel()[0] > 0.05


def test_stationary_chaos_is_no_transient():
    """200 runs each: of those that are still chaotic later at most one is called transient."""
    start = after(50_000, [1.266, 1.28, 1.4, 2.0], initial="random", starts=200)
    first = classify(start)
    later = classify(first, steps=40_000)
    chaotic = later.kind == KINDS.index("chaotic")
    assert (chaotic.sum("initial") > 150).all()
    assert ((first.kind == KINDS.index("chaotic")) | ~chaotic).mean("initial").min() >= 0.995


def test_drive_of_each_point():
    """Without position the period counts single steps, in a sweep over ε as well as alone."""
    epsilon = [0.0, 0.02]
    both = classify(after(20_000, [0.5, 1.0], epsilon=epsilon), steps=4096)
    without = dmfx.SelfAttention(NET.weights, NET.context_size, 0.0)
    alone = classify(after(20_000, [0.5, 1.0], model=without), steps=4096)
    at = both.sel(epsilon=0)
    for name in ("kind", "period", "settled", "lyapunov", "agree", "verdict"):
        np.testing.assert_array_equal(at[name].values.ravel(), alone[name].values.ravel())
    assert (both.period.sel(epsilon=0.02) == 4).all()
    assert (at.period == 1).all()
    assert (both.kind == KINDS.index("fixed")).all()


def test_variables_and_attributes():
    ds = after(2000, [0.9, 1.3], [200.0, 220.0])
    found = classify(ds, steps=2048, n=2)
    sizes = {"beta": 2, "gamma": 2, "seed": 1}
    extra = {"verdict": {"criterion": 3}, "lyapunov": {"exponent": 2}, "lyapunov_error": {"exponent": 2}}
    extra |= {"final_attention": {"context": 4, "pattern": 3}}
    single = ("kind", "period", "frequencies", "settled", "agree", "spectral_floor", "final_phase", "status")
    assert set(found.data_vars) == {*single, *extra}
    for name in found.data_vars:
        assert dict(found[name].sizes) == sizes | extra.get(name, {}), name
        assert found[name].attrs["long_name"]
    assert found.criterion.values.tolist() == ["recurrence", "exponents", "spectrum"]
    assert found.kind.attrs["flag_meanings"].split() == list(KINDS)
    assert found.kind.dtype == found.verdict.dtype == found.agree.dtype == np.int8
    assert "classify(steps=2048" in found.attrs["history"]
    assert (np.diff(found.lyapunov.values, axis=-1) <= 0).all()
    np.testing.assert_array_equal(found.final_phase, (ds.final_phase + 2048) % 4)
    again = classify(found, steps=2048)
    assert (again.kind == found.kind).all()
    assert classify(ds, steps=512, n=100).sizes["exponent"] == 12


def test_default_steps():
    model = dmfx.SelfAttention(dmfx.weights.segments(1, 1), 32, 0.1)
    found = classify(after(100, 0.5, 10.0, model=model))
    assert "steps=32768" in found.attrs["history"]
    assert found.period.item() == 32
    # The same for a point without position, alone or beside others.
    start = after(100, 0.5, 10.0, model=model, epsilon=[0.0, 0.1])
    alone = classify(start.sel(epsilon=[0.0]))
    assert "steps=32768" in alone.attrs["history"]
    xr.testing.assert_equal(alone, classify(start).sel(epsilon=[0.0]))
    with pytest.raises(ValueError, match="steps must be a whole number of at least 2048, not 100"):
        classify(start.sel(epsilon=[0.0]), steps=100)


def test_the_largest_tolerance():
    """What is chaotic is so at the largest tolerance, too, and by all criteria."""
    start = after(20_000, [1.3, 1.4, 2.0])
    found = classify(start, steps=4000, tolerance=1e-4)
    assert names(found) == ["chaotic"] * 3
    assert (found.agree == 1).all()


def test_points_that_failed():
    ds = after(2000, [0.0, 1.0, 1.3, 3.0])
    ds.final_attention[1] = np.nan
    ds.status[2] = 1  # diverged before, whatever the state
    found = classify(ds, steps=1024)
    assert names(found) == ["fixed", "diverged", "diverged", "periodic"]
    assert found.status.values.ravel().tolist() == [3, 2, 1, 0]  # at β = 0 the tangent map is 0
    failed = found.isel(beta=[1, 2])
    for name in ("settled", "lyapunov", "lyapunov_error", "spectral_floor", "final_attention"):
        assert np.isnan(failed[name]).all()
    assert (failed.verdict == KINDS.index("none")).all()
    assert (failed.period == 0).all()
    assert np.isnan(found.lyapunov[0]).all()
    assert found.period.values.ravel().tolist() == [4, 0, 0, 24]


def test_any_chunks_give_the_same_bits():
    ds = after(500, np.linspace(1.2, 1.4, 20), [150.0, 220.0], epsilon=[0.0, 0.02])
    whole = classify(ds, steps=1024)
    for chunks in ({"beta": 7, "gamma": 1}, {"beta": 20, "epsilon": 1}, {"beta": 3}):
        xr.testing.assert_identical(classify(ds, steps=1024, chunks=chunks).drop_attrs(), whole.drop_attrs())
    few = classify(ds.isel(beta=[3, 11]), steps=1024)
    xr.testing.assert_identical(few.drop_attrs(), whole.isel(beta=[3, 11]).drop_attrs())


def test_lazy_as_the_input():
    ds = after(100, [0.8, 1.3])
    with dask.config.set(scheduler=lambda *args, **kwargs: pytest.fail("computed")):
        lazy = classify(ds.chunk(), steps=512)
    assert all(variable.chunks is not None for variable in lazy.data_vars.values())
    xr.testing.assert_identical(lazy.compute().drop_attrs(), classify(ds, steps=512).drop_attrs())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 100}, ValueError, "classify: steps must be a whole number of at least 256, not 100"),
        ({"steps": "many"}, TypeError, "steps must be a whole number"),
        ({"n": 0}, ValueError, "n must be a whole number of at least 1, not 0"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be a finite number above 0"),
        ({"tolerance": 10}, ValueError, "tolerance must be at most 0.0001, as attention values are at most 1, not 10"),
        ({"tolerance": "small"}, TypeError, "tolerance must be a finite number above 0"),
        ({"every": 0}, ValueError, "every must be a whole number of at least 1"),
        ({"chunks": {"time": 3}}, ValueError, "chunks"),
        ({"n": 1.5, "every": -1, "chunks": {"beta": 0}}, ValueError, "3 problems: n .*; every .*; .*beta"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        classify(after(1, 1.0), **arguments)


def test_wrong_datasets():
    with pytest.raises(TypeError, match="classify: ds must be a Dataset"):
        classify(3)
    with pytest.raises(ValueError, match=r"2 problems: .*dmfx_model.*; n must be"):
        classify(xr.Dataset(), n=0)
