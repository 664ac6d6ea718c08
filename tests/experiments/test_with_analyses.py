"""What tasks return is what the analyses of recall take."""

import numpy as np
import pytest

import dmfx


@pytest.fixture(scope="module")
def runs():
    """Networks of 20 tokens in 30 dimensions that store few patterns well and many badly."""
    patterns = dmfx.tokens.random(24, 20, 30, seed=3)
    nets = {n: dmfx.VectorAttention(dmfx.couplings.hebbian(patterns[:n]), patterns[:n]) for n in (2, 24)}
    return dmfx.free_running(nets, beta=1.0, gamma=0.0, noise=[0.0, 0.3, 30.0], replica=range(4), steps=6)


def test_recall(runs):
    found = dmfx.recall(runs).compute()
    assert found.target_final.dims == ("beta", "gamma", "seed", "stored", "noise", "replica", "initial")
    right = found.sel(stored=2, noise=[0.0, 0.3], initial=[0, 1])
    assert (right.correct == 1).all()
    assert float(right.target_final.min()) > 0.9
    assert float(found.target_peak.sel(noise=0.0).min()) == pytest.approx(1.0)  # the start counts


def test_basin_size(runs):
    found = dmfx.basin_size(runs).squeeze(drop=True).compute()
    assert found.sizes["pattern"] == 24
    shares = (runs.target_overlap.isel(step=-1).squeeze(drop=True) >= 0.8).mean("replica")
    shares = shares.rename(initial="pattern").where(runs.pattern < runs.stored)  # others are no memories
    np.testing.assert_allclose(found.recall_fraction.transpose("stored", "noise", "pattern"), shares)
    assert found.pooled_trials.isel(noise=0).values.tolist() == [8, 96]
    assert (found.basin_size.sel(stored=2, pattern=[0, 1]) > 0.3).all()


def test_basin_size_of_examples_that_are_not_stored(runs):
    net = dmfx.VectorAttention(dmfx.couplings.hebbian(runs.patterns.values[:2]), runs.patterns.values[:2])
    test = runs.patterns.values[10:12]
    found = dmfx.basin_size(dmfx.denoising(net, test, beta=1.0, gamma=0.0, noise=[0.1, 1.0], replica=range(2)))
    assert found.sizes["pattern"] == 2


def test_capacity_counts_what_is_stored(runs):
    found = dmfx.capacity(runs.sel(noise=0.0), variable="overlap").squeeze(drop=True).compute()
    assert found.recall_trials.values.tolist() == [2, 24]
    assert found.recall_fraction.values.tolist()[0] == 1.0
    final = dmfx.recall(runs.sel(noise=0.0, stored=24), window=1).target_final
    expected = (final >= 0.8).mean("replica").mean()
    assert float(found.recall_fraction[1]) == pytest.approx(float(expected))


def test_interference(runs):
    found = dmfx.interference(runs.sel(noise=0.3)).compute()
    assert np.isfinite(found.similarity_value).all()
    assert found.pairs.squeeze().values.tolist() == [2, 24]  # patterns that a network does not store are no memories
    assert dmfx.interference(runs.sel(noise=0.3, stored=2), variable="overlap").pairs.values.item() == 2
    few = dmfx.interference(runs.sel(noise=0.3, stored=2, replica=0)).recall_measure.squeeze()
    np.testing.assert_array_equal(np.isfinite(few.sel(measure="final")), np.arange(24) < 2)
