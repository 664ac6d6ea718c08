import numpy as np
import pytest
import xarray as xr
from scipy import stats

import dmfx
from dmfx.analysis import interference, recall
from tests.analysis.contract import chunks_do_not_matter, memory_is_only_read, nothing_is_computed

DIMS = ("pattern", "token", "component")


@pytest.fixture(scope="module")
def ds():
    """Patterns of which some are alike, and runs that lose those sooner."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(30, 8, 5))
    patterns[:15] += 1.2
    patterns /= np.linalg.norm(patterns, axis=-1, keepdims=True)
    gram = np.einsum("mnd,knd->mk", patterns, patterns) / 8 - 2 * np.eye(30)
    starts = rng.permutation(np.r_[np.arange(30), np.arange(10), [-1]])
    rate = 0.5 * np.maximum(gram.max(axis=1), 0)[starts] + 0.1 * rng.random((2, 3, 41))
    values = rng.uniform(-0.2, 0.2, (2, 3, 41, 20, 30))
    own = np.exp(-rate[..., None] * np.arange(20))
    for place, target in enumerate(starts):
        values[:, :, place, :, target] = own[:, :, place] if target >= 0 else 0.0
    values[1, 2, 5, 7:] = np.nan
    return xr.Dataset(
        {"overlap": (("beta", "replica", "initial", "step", "pattern"), values), "patterns": (DIMS, patterns)},
        {"target": ("initial", np.where(starts >= 0, starts + 100, -1)), "pattern": np.arange(100, 130)},
    ).assign(status=("beta", np.zeros(2, np.int8)))


def slow(ds, threshold, beta):
    """Similarities and mean measures of each pattern, one after another."""
    runs = recall(ds, threshold=threshold).isel(beta=beta)
    largest, mean, most, recalled = [], [], [], []
    for label in ds.pattern.values:
        others = [other for other in ds.pattern.values if other != label]
        own = ds.patterns.sel(pattern=label)
        overlaps = [float((own * ds.patterns.sel(pattern=other)).sum()) / ds.sizes["token"] for other in others]
        largest.append(max(overlaps))
        mean.append(sum(overlaps) / len(overlaps))
        most.append(others[overlaps.index(max(overlaps))])
        sums, count = np.zeros(4), 0
        for start in np.flatnonzero(ds.target.values == label):
            for replica in range(ds.sizes["replica"]):
                run = runs.isel(initial=start, replica=replica)
                if np.isfinite(run.target_final):
                    count += 1
                    final = float(run.target_final)
                    sums += [final, float(run.target_peak), float(run.target_lifetime), final >= threshold]
        recalled.append(sums / count)
    return np.array(largest), np.array(mean), most, np.array(recalled).T


def test_against_the_definition(ds):
    found = interference(ds, 0.3, bins=4)
    assert found.measure.values.tolist() == ["final", "peak", "lifetime", "fraction"]
    assert found.recall_measure.dims == ("beta", "measure", "pattern")
    for beta in range(2):
        largest, mean, most, recalled = slow(ds, 0.3, beta)
        np.testing.assert_allclose(found.similarity_value, [largest, mean], rtol=1e-12)
        assert found.most_similar.values.tolist() == most
        here = found.isel(beta=beta)
        np.testing.assert_allclose(here.recall_measure, recalled, rtol=1e-12)
        for kind, like in enumerate((largest, mean)):
            for place, measured in enumerate(recalled):
                if np.ptp(measured) == 0:
                    assert np.isnan(here.spearman[kind, place])
                    continue
                one, other = here.spearman[kind, place], here.pearson[kind, place]
                assert one == pytest.approx(stats.spearmanr(like, measured).statistic)
                assert other == pytest.approx(stats.pearsonr(like, measured).statistic)
            order = np.argsort(like, kind="stable")
            for place, members in enumerate(np.array_split(order, 4)):
                assert here.binned_similarity[kind, place] == pytest.approx(like[members].mean())
                part = recalled[:, members]
                np.testing.assert_allclose(here.binned_recall[kind, :, place], part.mean(axis=1))
                error = part.std(axis=1, ddof=1) / np.sqrt(len(members))
                np.testing.assert_allclose(here.binned_recall_error[kind, :, place], error, atol=1e-15)
        assert here.binned_count.values.tolist() == [8, 8, 7, 7]
    assert (found.spearman.sel(similarity="largest", measure="final") < -0.6).all()
    assert (found.pairs == 30).all()


def test_given_correlations(ds):
    expected = interference(ds)
    gram = np.einsum("mnd,knd->mk", ds.patterns, ds.patterns) / 8
    bare = ds.drop_vars("patterns")
    found = interference(bare, correlation=gram)
    for name in expected:
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], atol=1e-12, err_msg=name)
    assert found.most_similar.values.tolist() == expected.most_similar.values.tolist()
    one = interference(bare, correlation=expected.similarity_value.sel(similarity="largest", drop=True))
    assert one.similarity.values.tolist() == ["given"]
    np.testing.assert_array_equal(one.spearman[:, 0], expected.spearman[:, 0])
    assert "most_similar" not in one
    # By label: in another order, and with patterns that nobody starts from.
    labelled = xr.DataArray(gram, {"pattern": ds.pattern.values}, dims=("pattern", "other"))
    moved = labelled[::-1, ::-1]
    np.testing.assert_allclose(interference(bare, correlation=moved).spearman, expected.spearman, atol=1e-12)
    both = labelled.assign_coords(other=ds.pattern.values)
    for rows in (both[::-1], both[:, ::-1], both[::-1].transpose()):
        again = interference(bare, correlation=rows)
        np.testing.assert_allclose(again.similarity_value, found.similarity_value, rtol=1e-12)
        np.testing.assert_array_equal(again.most_similar, found.most_similar)
    few = interference(ds.isel(initial=np.flatnonzero(ds.target < 110)))
    np.testing.assert_array_equal(few.similarity_value, expected.similarity_value[:, :10])


def test_without_targets():
    """As for systems A and B: each pattern in the runs from all starts."""
    ds = dmfx.simulate(
        dmfx.SelfAttention.paper(), beta=[1.0, 1.28], gamma=220.0, steps=64, initial="random", starts=5
    ).compute()
    correlation = np.array([[1, 0.2, 0.1], [0.2, 1, -0.3], [0.1, -0.3, 1]])
    found = interference(ds, 0.2, correlation=correlation)
    runs = recall(ds, threshold=0.2)
    mean = runs.final_overlap.mean("initial").transpose(..., "pattern")
    np.testing.assert_allclose(found.recall_measure.sel(measure="final"), mean, atol=1e-14)
    np.testing.assert_allclose(found.similarity_value, [[0.2, 0.2, 0.1], [0.15, -0.05, -0.1]])
    assert (found.recall_measure_trials == 5).all()
    one = interference(ds.isel(initial=0), 0.2, correlation=correlation)
    assert one.recall_measure.dims == ("beta", "gamma", "seed", "measure", "pattern")
    chunks_do_not_matter(ds, lambda data: interference(data, correlation=correlation), {"beta": 1, "step": 10})


def test_own_overlaps(ds):
    places = np.maximum(ds.target.values - 100, 0)
    own = ds.overlap.isel(pattern=xr.DataArray(places, dims="initial"), drop=True).drop_vars("pattern")
    tasks = ds.drop_vars("overlap").assign(target_overlap=own)
    found, expected = interference(tasks), interference(ds)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_few_patterns(ds):
    two = interference(ds.isel(initial=np.flatnonzero(ds.target.isin([100, 101]))), bins=3)
    assert np.isnan(two.spearman).all()
    assert two.binned_count.values.tolist() == [[1, 1, 0]] * 2
    assert np.isnan(two.binned_recall[..., 2]).all()
    assert np.isnan(two.binned_recall_error).all()
    with pytest.raises(ValueError, match="at least two patterns"):
        interference(ds.isel(pattern=[0], initial=np.flatnonzero(ds.target == 100)))


@pytest.mark.parametrize("chunks", [{"beta": 1}, {"replica": 2, "initial": 10}, {"step": 7, "pattern": 9}])
def test_chunks_do_not_matter(ds, chunks):
    chunks_do_not_matter(ds, interference, chunks)


def test_laziness(ds):
    correlation = np.random.default_rng(1).normal(size=30)
    bare = ds.drop_vars(["patterns", "target"])
    nothing_is_computed(bare, lambda data: interference(data, correlation=correlation))
    memory_is_only_read(ds, interference)
    assert interference(ds.isel(beta=slice(0))).sizes["beta"] == 0
    xr.testing.assert_identical(ds.dmft.interference(0.4, bins=3), dmfx.interference(ds, 0.4, bins=3))


def test_wrong_arguments(ds):
    with pytest.raises(TypeError, match="interference: ds must be a Dataset"):
        interference(ds.overlap)
    with pytest.raises(ValueError, match=r"'patterns' .*, or correlation be given"):
        interference(ds.drop_vars("patterns"))
    with pytest.raises(ValueError, match="correlation must be an array"):
        interference(ds, correlation=np.zeros((30, 29)))
    with pytest.raises(TypeError, match="correlation must be an array"):
        interference(ds, correlation="much")
    with pytest.raises(ValueError, match="not finite"):
        interference(ds, correlation=np.full(30, np.nan))
    with pytest.raises(ValueError, match="each of the 30 patterns, but has 7"):
        interference(ds, correlation=np.zeros(7))
    with pytest.raises(ValueError, match=r"3 problems: threshold .*; bins .*; window must be at most"):
        interference(ds, np.inf, bins=0, window=21)
    with pytest.raises(ValueError, match="the dim bin, which means something else"):
        interference(ds.rename(beta="bin"))
    with pytest.raises(ValueError, match="variable must be one of"):
        interference(ds, variable="m_o")
    with pytest.raises(TypeError, match="interference: variable must be one of"):
        interference(ds, variable=["overlap"])
    with pytest.raises(ValueError, match="interference: ds must have evenly spaced"):
        interference(ds.assign_coords(step=np.arange(20) ** 2))
    gram = xr.DataArray(np.eye(30), dims=("pattern", "other"), coords={"pattern": ds.pattern.values})
    with pytest.raises(ValueError, match="the same labels along pattern and other"):
        interference(ds, correlation=gram.assign_coords(other=np.arange(30)))


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_archives(ds, suffix, tmp_path):
    found = interference(ds, bins=3)
    xr.testing.assert_equal(dmfx.open(dmfx.save(found, tmp_path / f"found{suffix}")).load(), found)
