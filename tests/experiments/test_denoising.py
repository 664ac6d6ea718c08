"""Denoising against the equations, its noise, and what may not change a result."""

import dask
import distributed
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx.tokens import corrupt
from tests import mnist
from tests import oracle_vectors as oracle

CLOSE = {"rtol": 0, "atol": 1e-12}


def test_two_tokens_in_the_plane_by_hand():
    """J_12 turns by 90°, J_21 does not: each token has one other, so that attention is 1."""
    J = np.zeros((2, 2, 2, 2))
    J[0, 1], J[1, 0] = [[0, -1], [1, 0]], np.eye(2)
    clean = np.array([[1.0, 0.0], [0.0, 1.0]])
    ds = dmfx.denoising(dmfx.VectorAttention(J), clean, beta=3.0, gamma=0.0, noise=0.0, steps=2).squeeze().compute()
    # x_1' = turned x_2 = (-1, 0), x_2' = x_1 = (1, 0); then (0, 1) and (-1, 0).
    np.testing.assert_allclose(ds.target_overlap, [1.0, -0.5, 0.0], **CLOSE)
    np.testing.assert_allclose(ds.final_tokens, [[0.0, 1.0], [-1.0, 0.0]], **CLOSE)


def test_every_point_is_that_of_the_equations(net, matrices, patterns):
    axes = {"beta": [0.0, 2.0], "gamma": [0.0, 0.7], "noise": [0.0, 0.5], "replica": [0, 3]}
    names = ["target_overlap", "overlap", "tokens", "energy", "change"]
    ds = dmfx.denoising(net, patterns[:3], **axes, steps=4, variables=names).isel(seed=0).compute()
    assert ds.target_overlap.dims == ("beta", "gamma", "noise", "replica", "initial", "step")
    for beta, gamma, noise, replica in np.ndindex(2, 2, 2, 2):
        point = ds.isel(beta=beta, gamma=gamma, noise=noise, replica=replica)
        starts = corrupt(patterns[:3], axes["noise"][noise], axes["replica"][replica])
        for number, start in enumerate(starts):
            found = point.isel(initial=number)
            states = oracle.run(matrices, start, axes["beta"][beta], axes["gamma"][gamma], 4)
            clean = [float((state * patterns[number]).sum()) / len(start) for state in states]
            np.testing.assert_allclose(found.tokens, states, **CLOSE)
            np.testing.assert_allclose(found.final_tokens, states[-1], **CLOSE)
            np.testing.assert_allclose(found.target_overlap, clean, **CLOSE)
            np.testing.assert_allclose(found.overlap, [oracle.overlaps(x, patterns) for x in states], **CLOSE)
            moved = np.sqrt(((states[1:] - states[:-1]) ** 2).sum(axis=-1).mean(axis=-1))
            np.testing.assert_allclose(found.change, [np.nan, *moved], **CLOSE)
            if axes["beta"][beta] > 0:
                energies = [oracle.local_energies(matrices, x, 2.0, axes["gamma"][gamma]).mean() for x in states]
                np.testing.assert_allclose(found.energy, energies, **CLOSE)


def test_starts_are_those_of_corrupt(net, patterns):
    noises, replicas = [0.0, 0.2, 1.5], [4, 0]
    ds = dmfx.denoising(
        net, patterns, beta=[1.0, 2.0], gamma=0.0, noise=noises, replica=replicas, steps=1, variables="tokens"
    ).compute()
    for noise, replica in np.ndindex(3, 2):
        expected = corrupt(patterns, noises[noise], replicas[replica])
        found = ds.tokens.isel(step=0, noise=noise, replica=replica).values
        assert (found == expected).all()  # bit by bit, whatever β


def test_noise_depends_on_replica_and_number_alone(net, patterns):
    options = {"gamma": 0.0, "steps": 2, "variables": "tokens"}
    one = dmfx.denoising(net, patterns, beta=1.0, noise=0.4, replica=2, **options)
    several = dmfx.denoising(net, patterns, beta=[3.0, 1.0], noise=[0.1, 0.4], replica=[1, 2], **options)
    same = several.tokens.sel(beta=[1.0], noise=0.4, replica=2)
    assert (same.values == one.tokens.values).all()
    assert not np.allclose(several.tokens.isel(step=0, replica=0), several.tokens.isel(step=0, replica=1))


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_chunks_give_the_same_bits(stored, patterns, data):
    def denoised(chunks):
        sweep = {"beta": [0.5, 1.0, 2.0], "gamma": [0.0, 0.5], "noise": [0.0, 0.3], "replica": [0, 1]}
        names = ["target_overlap", "overlap", "tokens", "energy", "change"]
        return dmfx.denoising(stored, patterns, **sweep, steps=4, variables=names, chunks=chunks)

    whole = denoised(-1).compute()
    sizes = {"beta": 3, "gamma": 2, "stored": 2, "noise": 2, "replica": 2, "initial": 4, "step": 5}
    chunks = {dim: data.draw(st.integers(1, size), label=dim) for dim, size in sizes.items()}
    assert denoised(chunks).compute().drop_attrs().identical(whole.drop_attrs())


def test_chunks_are_as_asked_for(net, patterns):
    ds = dmfx.denoising(net, patterns, beta=[1.0, 2.0], gamma=0.0, steps=7, chunks={"beta": 1, "step": 3})
    assert ds.target_overlap.chunksizes["step"] == (3, 3, 2)
    assert ds.target_overlap.chunksizes["beta"] == (1, 1)
    assert ds.chunksizes["initial"] == (4,)


def test_is_lazy_and_runs_each_block_once(net, patterns, calls):
    ds = dmfx.denoising(net, patterns, beta=[1.0, 2.0], gamma=0.0, steps=3, chunks={"beta": 1})
    assert calls == []
    assert {name for name, array in ds.variables.items() if array.chunks} == {
        "target_overlap",
        "final_tokens",
        "status",
    }
    ds.compute()
    assert len(calls) == 2


def test_threads_and_a_cluster_give_the_same_bits(net, patterns):
    ds = dmfx.denoising(net, patterns, beta=[1.0, 2.0], gamma=0.0, steps=3, chunks=1)
    with dask.config.set(scheduler="synchronous"):
        one = ds.compute()
    with dask.config.set(scheduler="threads"):
        assert ds.compute().identical(one)
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"):
        assert ds.compute().identical(one)


def test_what_the_dataset_says(net, patterns):
    mixed = np.concatenate([corrupt(patterns[:1], 0.1), patterns[2:3]])
    ds = dmfx.denoising(net, mixed, beta=1.0, gamma=0.0, steps=2)
    assert ds.dmft.model == net
    assert ds.target.dims == ("initial",)
    assert ds.target.values.tolist() == [-1, 2]
    assert (float(ds.noise), int(ds.replica)) == (0.3, 0)
    assert ds.step.values.tolist() == [0, 1, 2]
    assert ds.target_overlap.attrs["long_name"] == "overlap with the clean example"
    assert ds.status.values.tolist() == [[[[0, 0]]]]
    assert "target" not in dmfx.denoising(net, mixed[0], beta=1.0, gamma=0.0, steps=2).coords


def test_networks_by_number_of_stored_examples(stored, patterns):
    both = dmfx.denoising(stored, patterns, beta=1.0, gamma=0.0, steps=3).compute()
    assert both.stored.values.tolist() == [2, 4]
    for number, net in stored.items():
        alone = dmfx.denoising(net, patterns, beta=1.0, gamma=0.0, steps=3)
        assert (both.target_overlap.sel(stored=number).values == alone.target_overlap.values).all()
    assert "dmfx_model" not in both.attrs
    assert not any(name.startswith("couplings_") for name in both)
    assert (both.patterns.values == patterns).all()


def test_couplings_drawn_by_seed(patterns):
    drawn = dmfx.couplings.random(*patterns.shape[1:])
    ds = dmfx.denoising(dmfx.VectorAttention(drawn), patterns, beta=1.0, gamma=0.0, seed=[3, 5], steps=2).compute()
    for seed in (3, 5):
        alone = dmfx.VectorAttention(drawn.draw(seed))
        expected = dmfx.denoising(alone, patterns, beta=1.0, gamma=0.0, steps=2)
        assert (ds.target_overlap.sel(seed=[seed]).values == expected.target_overlap.values).all()


def test_seeds_of_given_couplings_are_warned_of(net, patterns):
    with pytest.warns(UserWarning, match="every seed has the same") as caught:
        dmfx.denoising(net, patterns, beta=1.0, gamma=0.0, seed=[0, 1], steps=1)
    assert caught[0].filename == __file__


@pytest.mark.slow
def test_a_trained_network_restores_digits():
    """1,000 digits of MNIST: one step raises the overlap with the clean image from 0.63 to 0.94, of others, too."""
    images = mnist.beside(1200).image.values
    tokens = dmfx.tokens.Patches((28, 28)).encode(images)
    net = dmfx.VectorAttention(dmfx.couplings.zeros(49, 17)).fit(tokens[:1000], beta=1.0, epochs=6, progress=False)
    ds = dmfx.denoising(net, tokens, beta=1.0, gamma=0.0, noise=0.3, steps=1)
    seen = ds.target_overlap.groupby(ds.target >= 0).mean(["beta", "gamma", "seed", "initial"])
    np.testing.assert_allclose(seen, [[0.63, 0.94], [0.63, 0.94]], atol=0.005)
    assert (ds.target >= 0).sum() == 1000
