import inspect
import math

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx.analysis import recall
from dmfx.variables import FINAL_KINDS, FINAL_STATES
from tests.analysis.contract import chunks_do_not_matter, memory_is_only_read, nothing_is_computed

KIND = {name: number for number, name in enumerate(FINAL_KINDS)}
STATE = {name: number for number, name in enumerate(FINAL_STATES)}


def runs(values, dims=(), name="overlap", **coords):
    """A dataset of an array (..., step, pattern)."""
    return xr.Dataset({name: ((*dims, "step", "pattern"), np.asarray(values, float))}, coords)


def slow(run, threshold, window, tolerance):
    """The definitions, step by step, for one run of finite overlaps (step, pattern)."""
    steps, patterns = len(run), len(run[0])
    found = {"nearest": [], "nearest_overlap": [], "peak": [], "peak_step": []}
    for row in run:
        found["nearest"].append(row.index(max(row)))
        found["nearest_overlap"].append(max(row))
    found |= {"lifetime": [], "lifetime_start": [], "lifetime_ended": [], "recalled": [], "final_overlap": []}
    for pattern in range(patterns):
        series = [row[pattern] for row in run]
        found["peak"].append(max(series))
        found["peak_step"].append(series.index(max(series)))
        start, length, ended = -1, 0, 0
        for step, value in enumerate(series):
            if start < 0 and value >= threshold:
                start = step
            if start >= 0 and not ended:
                if value >= threshold:
                    length += 1
                else:
                    ended = 1
        found["lifetime"].append(length)
        found["lifetime_start"].append(start)
        found["lifetime_ended"].append(ended)
        found["recalled"].append(int(max(series) >= threshold))
        found["final_overlap"].append(sum(series[steps - window :]) / window)
    found["final_nearest"] = found["final_overlap"].index(max(found["final_overlap"]))
    high = sum(value >= threshold for value in found["final_overlap"])
    found["final_state"] = STATE["spurious" if high == 0 else "stored" if high == 1 else "mixture"]
    found["final_period"] = 0
    end = run[steps - window :]
    for lag in range(1, window // 2 + 1):
        pairs = zip(end[lag:], end[: window - lag], strict=True)
        if all(abs(a - b) <= tolerance for one, other in pairs for a, b in zip(one, other, strict=True)):
            found["final_period"] = lag
            break
    kinds = {0: "irregular", 1: "fixed_point"}
    found["final_kind"] = KIND[kinds.get(found["final_period"], "cycle") if window > 1 else "unknown"]
    return found


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_against_the_definitions(data):
    steps, patterns = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 5))
    window = data.draw(st.integers(1, steps))
    # Few values, so that there are equal ones, repeats, and overlaps at the threshold.
    values = st.sampled_from([-1.0, -0.5, 0.25, 0.5, 0.75, 1.0])
    if data.draw(st.booleans()):
        values = st.floats(-1, 1)
    run = [[data.draw(values) for _ in range(patterns)] for _ in range(steps)]
    threshold = data.draw(st.sampled_from([0.5, 0.8, -0.5]))
    found = recall(runs(run), threshold=threshold, window=window)
    for name, expected in slow(run, threshold, window, 1e-8).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-13, atol=1e-13, err_msg=name)
    signless = recall(runs(run), threshold=threshold, window=window, absolute=True)
    expected = recall(abs(runs(run)), threshold=threshold, window=window)
    by_sign = ["final_kind", "final_period"]  # a state and its negative are two states
    xr.testing.assert_identical(signless.drop_vars(by_sign), expected.drop_vars(by_sign))
    np.testing.assert_array_equal(signless.final_period, found.final_period)


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.97])
def test_decay(rate):
    """The overlap a·r^t is above θ for floor(log(θ/a)/log r) + 1 steps."""
    steps, amplitude = 200, 0.99
    run = amplitude * rate ** np.arange(steps)
    found = recall(runs(run[:, None]), threshold=0.3).isel(pattern=0)
    assert found.lifetime == math.floor(math.log(0.3 / amplitude) / math.log(rate)) + 1
    assert (found.lifetime_start, found.lifetime_ended, found.peak, found.peak_step) == (0, 1, amplitude, 0)
    kept = recall(runs(run[:, None]), threshold=1e-9)
    assert (kept.lifetime.item(), kept.lifetime_ended.item()) == ((200, 0) if rate > 0.9 else (197, 1))[
        :2
    ] or rate < 0.97


def test_constant():
    found = recall(runs(np.tile([0.9, 0.2, -0.9], (40, 1))))
    assert found.final_kind == KIND["fixed_point"]
    assert found.final_period == 1
    assert found.final_state == STATE["stored"]
    assert found.lifetime.values.tolist() == [40, 0, 0]
    assert found.lifetime_ended.values.tolist() == [0, 0, 0]
    assert found.lifetime_start.values.tolist() == [0, -1, -1]
    np.testing.assert_allclose(found.final_overlap, [0.9, 0.2, -0.9], rtol=1e-15)
    assert recall(runs(np.tile([0.9, 0.2, -0.9], (40, 1))), absolute=True).final_state == STATE["mixture"]
    assert recall(runs(np.tile([0.1, 0.2], (40, 1)))).final_state == STATE["spurious"]


def test_a_cycle_of_patterns():
    """Each of three patterns in turn, after a transient."""
    run = np.full((60, 3), 0.5)
    run[12:] = np.resize(np.eye(3), (48, 3))
    found = recall(runs(run))
    assert (found.final_kind, found.final_period) == (KIND["cycle"], 3)
    assert found.nearest.values[12:].tolist() == [0, 1, 2] * 16
    assert found.lifetime.values.tolist() == [1, 1, 1]
    assert found.lifetime_start.values.tolist() == [12, 13, 14]
    assert found.final_state == STATE["spurious"]
    # Twice a period must be seen.
    assert recall(runs(run), window=6).final_period == 3
    assert recall(runs(run), window=5).final_kind == KIND["irregular"]
    assert recall(runs(run), window=1).final_kind == KIND["unknown"]


def test_tolerance():
    run = 0.9 + 1e-6 * (-1.0) ** np.arange(20)[:, None]
    assert recall(runs(run)).final_period == 2
    assert recall(runs(run), tolerance=1e-5).final_period == 1
    assert recall(runs(run + np.arange(20)[:, None] * 1e-7), tolerance=1e-8).final_kind == KIND["irregular"]


def test_a_second_rise_is_another_memory():
    run = np.array([0.1, 0.9, 0.95, 0.5, 0.9, 0.99])[:, None]
    found = recall(runs(run)).isel(pattern=0)
    assert (found.lifetime, found.lifetime_start, found.lifetime_ended) == (2, 1, 1)
    assert (found.peak, found.peak_step) == (0.99, 5)


def test_labels_of_steps_and_patterns():
    run = [[0.1, 0.9], [0.85, 0.9], [0.9, 0.1]]
    found = recall(runs(run, step=[100, 110, 120], pattern=[7, 3]), window=1)
    assert found.nearest.values.tolist() == [3, 3, 7]
    assert found.peak_step.values.tolist() == [120, 100]
    assert found.lifetime_start.values.tolist() == [110, 100]
    assert found.lifetime.values.tolist() == [20, 20], "in steps of the run, not rows"
    assert found.step.values.tolist() == [100, 110, 120]
    assert found.final_nearest == 7
    names = recall(runs(run, pattern=["cat", "dog"]), window=1)
    assert names.nearest.values.tolist() == ["dog", "dog", "cat"]
    parts = recall(runs(run, step=[0.0, 0.5, 1.0]), threshold=0.95)
    assert np.isnan(parts.lifetime_start).all()
    below = recall(runs(run, pattern=[-1, 2]), window=1)
    assert below.nearest.values.tolist() == [2, 2, -1]


def test_some_patterns():
    rng = np.random.default_rng(0)
    ds = runs(rng.uniform(-1, 1, (4, 30, 6)), ("beta",), pattern=np.arange(10, 16), beta=np.arange(4.0))
    some = recall(ds, [14, 11])
    xr.testing.assert_identical(some, recall(ds.isel(pattern=[4, 1])))
    xr.testing.assert_identical(recall(ds, 12), recall(ds.sel(pattern=[12])))
    xr.testing.assert_identical(recall(ds, np.arange(10, 16)), recall(ds))


def unit(rng, *shape):
    states = rng.normal(size=shape)
    return states / np.linalg.norm(states, axis=-1, keepdims=True)


def test_configurations():
    """Overlaps of the states with other patterns, computed anew."""
    rng = np.random.default_rng(1)
    states, patterns = unit(rng, 3, 20, 5, 4), unit(rng, 37, 5, 4)
    states[1, 7] = patterns[30]
    ds = xr.Dataset({"tokens": (("beta", "step", "token", "component"), states)}, {"beta": [1.0, 2.0, 3.0]})
    overlaps = np.einsum("bsnd,mnd->bsm", states, patterns) / 5
    found, expected = recall(ds, patterns), recall(runs(overlaps, ("beta",), beta=[1.0, 2.0, 3.0]))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-14, err_msg=name)
    assert found.peak.sel(beta=2.0)[30] == pytest.approx(1, abs=1e-15)
    for chunks in ({"beta": 2, "step": 7}, {"token": 2, "component": 1}):
        xr.testing.assert_identical(recall(ds.chunk(chunks), patterns).compute(), found)
    labelled = xr.DataArray(patterns, {"pattern": np.arange(100, 137)}, dims=("pattern", "token", "component"))
    assert recall(ds, labelled).nearest[1, 7] == 130
    xr.testing.assert_equal(
        recall(ds, labelled.transpose()).drop_vars("pattern"), recall(ds, labelled).drop_vars("pattern")
    )
    assert (found.final_kind == KIND["irregular"]).all()
    still = recall(ds.isel(step=[3] * 20), patterns)
    assert (still.final_kind == KIND["fixed_point"]).all()


@pytest.mark.parametrize("runs_at_once", [1, 3])
def test_configurations_a_few_runs_at_a_time(monkeypatch, runs_at_once):
    rng = np.random.default_rng(2)
    ds = xr.Dataset({"tokens": (("seed", "step", "token", "component"), unit(rng, 8, 10, 3, 4))})
    patterns = unit(rng, 5, 3, 4)
    expected = recall(ds, patterns)
    monkeypatch.setattr("dmfx.analysis._following.AT_ONCE", runs_at_once * 50)
    xr.testing.assert_identical(recall(ds, patterns), expected)


def test_the_same_overlaps_are_not_the_same_states():
    ds = runs(np.full((20, 2), 0.9))
    change = np.array([np.nan, *np.full(19, 0.1)])
    assert recall(ds).final_kind == KIND["fixed_point"]
    assert recall(ds.assign(change=("step", change))).final_kind == KIND["moving"]
    assert recall(ds.assign(change=("step", change * 1e-10)), window=20).final_kind == KIND["fixed_point"]
    assert recall(ds.assign(change=("step", np.resize([0.1, 0.2], 20)))).final_period == 2
    rng = np.random.default_rng(3)
    two = np.resize(unit(rng, 2, 3, 4), (20, 3, 4))
    tokens = ("step", "token", "component")
    found = recall(ds.assign(tokens=(tokens, two)))
    assert (found.final_kind, found.final_period) == (KIND["cycle"], 2)
    assert found.final_kind.attrs["compared"] == "overlap and tokens"
    assert recall(ds.assign(tokens=(tokens, unit(rng, 20, 3, 4)))).final_kind == KIND["irregular"]
    assert recall(ds.assign(tokens=(tokens, two[[0] * 20]), change=("step", change))).final_period == 1


def test_diverged_runs():
    rng = np.random.default_rng(4)
    values = rng.uniform(0, 0.7, (4, 12, 3))
    values[:, 2:6, 1] = 0.9
    good = recall(runs(values, ("beta",)))
    broken = values.copy()
    broken[1, 4:], broken[2, 4, 0], broken[3, 0, 2] = np.nan, np.inf, np.nan
    found = recall(runs(broken, ("beta",), target=("beta", [1, 1, 1, 1])))
    xr.testing.assert_identical(found.isel(beta=0)[list(good)].drop_vars("target"), good.isel(beta=0))
    for point in (1, 2):
        here = found.isel(beta=point)
        assert here.final_kind == KIND["diverged"]
        assert here.final_state == STATE["diverged"]
        assert here.final_nearest == -1
        assert (here.nearest[4:] == -1).all()
        assert np.isnan(here.nearest_overlap[4:]).all()
        np.testing.assert_array_equal(here.nearest[:4], good.nearest[point, :4])
        np.testing.assert_array_equal(here.peak, values[point, :4].max(axis=0))
        assert here.lifetime.values.tolist() == [0, 2, 0]
        assert here.lifetime_ended.values.tolist() == [0, 0, 0], "cut off, not ended"
        assert np.isnan(here.final_overlap).all()
        assert (here.correct, here.final_period) == (0, 0)
        assert here.recalled.values.tolist() == [0, 1, 0]
    assert np.isnan(found.peak[3]).all()
    assert (found.peak_step[3] == -1).all()


@pytest.fixture(scope="module")
def swept():
    rng = np.random.default_rng(5)
    values = rng.uniform(-1, 1, (3, 2, 4, 33, 7))
    values[1, 0, 2, 20:] = np.nan
    values[0, 1] = values[0, 1, :, :1]
    ds = runs(values, ("beta", "seed", "initial"), beta=[1.0, 2.0, 3.0], seed=[0, 1], pattern=np.arange(7))
    ds = ds.assign_coords(target=("initial", [0, 3, -1, 6]), step=np.arange(33))
    ds["change"] = ("beta", "seed", "initial", "step"), rng.uniform(size=(3, 2, 4, 33))
    return ds.assign(status=(("beta", "seed", "initial"), np.zeros((3, 2, 4), np.int8)))


@pytest.mark.parametrize("chunks", [{"beta": 1}, {"step": 5, "pattern": 2}, {"beta": 2, "initial": 3, "step": 32}, {}])
def test_chunks_do_not_matter(swept, chunks):
    chunks_do_not_matter(swept, recall, chunks)


def test_laziness(swept):
    nothing_is_computed(swept, recall)
    memory_is_only_read(swept, recall)
    one = recall(swept.isel(beta=1, seed=1, initial=3))
    xr.testing.assert_identical(one, recall(swept).isel(beta=1, seed=1, initial=3))
    assert recall(swept.isel(beta=slice(0))).sizes["beta"] == 0
    assert recall(swept.isel(beta=slice(0)).chunk(seed=1)).compute().sizes["beta"] == 0
    single = recall(swept.astype(np.float32))
    assert single.peak.dtype == float


def test_system_a():
    """The paper's network: a period 4 orbit of the mean field, by the drive, and the same through the accessor."""
    ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[0.9, 1.266], gamma=220.0, steps=200, transient=2000)
    found = recall(ds).compute()
    assert found.peak.attrs["variable"] == "m_o_semantic"
    assert found.final_period.values.ravel().tolist() == [4, 0]
    np.testing.assert_array_equal(found.nearest, ds.m_o_semantic.argmax("pattern").values)
    np.testing.assert_array_equal(found.peak, ds.m_o_semantic.max("step"))
    xr.testing.assert_identical(
        ds.dmft.recall([0, 2], 0.1, absolute=True).compute(), recall(ds, [0, 2], 0.1, absolute=True).compute()
    )


def test_system_b():
    ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=1.0, gamma=220.0, steps=64, size=[100, 1000], replica=[0, 1])
    found = recall(ds, threshold=0.1).compute()
    assert found.lifetime.dims == ("beta", "gamma", "seed", "size", "replica", "pattern")
    assert (found.final_kind == KIND["irregular"]).all()


def test_wrong_arguments(swept):
    with pytest.raises(TypeError, match=r"recall: ds must be a Dataset from dmfx\.simulate, not"):
        recall(swept.overlap)
    with pytest.raises(ValueError, match="variable must be one of 'overlap'"):
        recall(swept, variable="m_o")
    with pytest.raises(ValueError, match="must have a variable with dims step and pattern"):
        recall(swept[["change"]])
    for patterns in ([0, 9], [0, 0], [], True, "x", {}, [{}]):
        with pytest.raises(ValueError, match="patterns must be None, labels of the pattern coordinate"):
            recall(swept, patterns)
    with pytest.raises(ValueError, match=r"2 problems.*threshold must be a finite number.*window must be at most"):
        recall(swept, threshold=np.inf, window=34)
    with pytest.raises(TypeError, match="absolute must be True or False"):
        recall(swept, absolute=1)
    with pytest.raises(ValueError, match="tolerance must be a finite number of at least 0"):
        recall(swept, tolerance=-1.0)
    with pytest.raises(ValueError, match="labels of the patterns that differ"):
        recall(swept.assign_coords(pattern=[0, 0, 1, 2, 3, 4, 5]))
    with pytest.raises(ValueError, match="evenly spaced"):
        recall(swept.isel(step=[0, 1, 5]))
    with pytest.raises(ValueError, match="target along dims of the runs"):
        recall(swept.drop_vars("target").assign_coords(target=("other", [0])))
    with pytest.raises(ValueError, match="'change' along dims of the runs"):
        recall(swept.assign(change=swept.change.expand_dims(other=2)))
    with pytest.raises(ValueError, match="the dim token, which means something else"):
        recall(swept.rename(seed="token").drop_vars("change"))
    with pytest.raises(ValueError, match="at least one step"):
        recall(swept.isel(step=slice(0)))
    with pytest.raises(ValueError, match="at least one pattern"):
        recall(swept.isel(pattern=slice(0)))


def test_wrong_configurations(swept):
    rng = np.random.default_rng(6)
    ds = swept.isel(initial=0, seed=0).assign(
        tokens=(("beta", "step", "token", "component"), da.from_array(unit(rng, 3, 33, 4, 2), chunks=2))
    )
    good = unit(rng, 5, 4, 2)
    with pytest.raises(ValueError, match="must have the states, 'tokens'"):
        recall(swept, good)
    with pytest.raises(ValueError, match=r"configurations .* of 4 tokens in 2 dimensions"):
        recall(ds, good[:, :3])
    with pytest.raises(ValueError, match="must be unit vectors"):
        recall(ds, 2 * good)
    with pytest.raises(ValueError, match="variable must be left out"):
        recall(ds, good, variable="overlap")
    with pytest.raises(ValueError, match="must have the dims pattern, token and component"):
        recall(ds, xr.DataArray(good))
    found = recall(ds, good)
    assert found.peak.chunks is not None
    assert "correct" not in found, "targets are labels of other patterns"


@pytest.mark.parametrize("name", ["recall", "basin_size", "interference", "capacity"])
def test_methods_have_the_signature_of_their_function(name):
    method, function = (inspect.signature(getattr(each, name)).parameters for each in (dmfx.DmftAccessor, dmfx))
    assert list(method.values())[1:] == list(function.values())[1:]


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_archives(swept, suffix, tmp_path):
    found = recall(swept.assign_coords(pattern=list("abcdefg")))
    kept = dmfx.open(dmfx.save(found, tmp_path / f"recall{suffix}")).load()
    xr.testing.assert_equal(kept, found)
