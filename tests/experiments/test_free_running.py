"""Free running against the equations, and against `dmfx.simulate`."""

import numpy as np
import pytest

import dmfx
from dmfx.tokens import corrupt
from tests import oracle_vectors as oracle

CLOSE = {"rtol": 0, "atol": 1e-12}


def test_every_step_is_that_of_the_equations(net, matrices, patterns):
    ds = dmfx.free_running(net, beta=[1.0, 3.0], gamma=0.2, steps=4, variables=["overlap", "target_overlap", "tokens"])
    ds = ds.isel(gamma=0, seed=0).compute()
    assert ds.overlap.dims == ("beta", "initial", "step", "pattern")
    for beta, number in np.ndindex(2, 4):
        found = ds.isel(beta=beta, initial=number)
        states = oracle.run(matrices, patterns[number], [1.0, 3.0][beta], 0.2, 4)
        overlaps = np.array([oracle.overlaps(x, patterns) for x in states])
        np.testing.assert_allclose(found.tokens, states, **CLOSE)
        np.testing.assert_allclose(found.overlap, overlaps, **CLOSE)
        np.testing.assert_allclose(found.target_overlap, overlaps[:, number], **CLOSE)
    assert ds.target.values.tolist() == [0, 1, 2, 3]
    assert ds.target_overlap.isel(step=0).values == pytest.approx(1.0)


def test_goes_where_simulate_goes(net, patterns):
    sweep = {"beta": [1.0, 3.0], "gamma": [0.0, 0.2]}
    names = ["overlap", "tokens", "energy", "change"]
    ds = dmfx.free_running(net, **sweep, steps=6, variables=names)
    same = dmfx.simulate(net, **sweep, steps=6, initial="patterns", variables=names)
    for name in names:
        assert (ds[name].isel(step=slice(1, None)).values == same[name].values).all(), name
    assert (ds.final_tokens.values == same.final_tokens.values).all()
    goes_on = dmfx.simulate(net, **sweep, steps=3, initial=ds)
    longer = dmfx.free_running(net, **sweep, steps=9)
    assert (goes_on.overlap.values == longer.overlap.isel(step=slice(7, None)).values).all()
    assert goes_on.target.values.tolist() == [0, 1, 2, 3]


def test_patterns_is_another_word_for_none(net):
    named, default = (dmfx.free_running(net, tokens, beta=1.0, gamma=0.1, steps=2) for tokens in ("patterns", None))
    assert named.drop_attrs().identical(default.drop_attrs())


@pytest.mark.parametrize("transient", [1, 2, 5])
@pytest.mark.parametrize("chunks", [-1, {"step": 2}])
def test_the_transient_is_left_out(net, transient, chunks):
    names = ["overlap", "target_overlap", "tokens", "energy", "change"]
    whole = dmfx.free_running(net, beta=2.0, gamma=0.1, steps=8, variables=names)
    late = dmfx.free_running(
        net, beta=2.0, gamma=0.1, steps=8 - transient, transient=transient, variables=names, chunks=chunks
    )
    assert late.step.values.tolist() == list(range(transient, 9))
    for name in names:
        assert (late[name].values == whole[name].sel(step=late.step).values).all(), name


def test_corrupted_patterns_have_the_noise_of_their_label(net, patterns):
    ds = dmfx.free_running(net, noise=[0.0, 0.4], replica=[0, 2], beta=1.0, gamma=0.0, steps=2, variables="tokens")
    for noise, replica in np.ndindex(2, 2):
        expected = corrupt(patterns, [0.0, 0.4][noise], [0, 2][replica])
        assert (ds.tokens.isel(noise=noise, replica=replica, step=0).squeeze().values == expected).all()
    few = dmfx.free_running(net, [3, 1], noise=0.4, beta=1.0, gamma=0.0, steps=2, variables="tokens")
    assert few.target.values.tolist() == [3, 1]
    assert few.initial.values.tolist() == [0, 1]
    same = ds.tokens.sel(noise=0.4, replica=0).isel(initial=[3, 1])
    assert (few.tokens.values == same.values).all()
    assert "noise" not in dmfx.free_running(net, 3, beta=1.0, gamma=0.0, steps=2).coords


def test_other_examples_are_compared_with_themselves(net, matrices):
    test = oracle.random_tokens(np.random.default_rng(9), 2, *matrices.shape[1:3])
    ds = dmfx.free_running(net, test, beta=1.0, gamma=0.0, steps=3).squeeze()
    for number, clean in enumerate(test):
        states = oracle.run(matrices, clean, 1.0, 0.0, 3)
        expected = [float((x * clean).sum()) / len(clean) for x in states]
        np.testing.assert_allclose(ds.target_overlap.isel(initial=number), expected, **CLOSE)
    assert "target" not in ds.coords
    some = dmfx.free_running(net, np.concatenate([test, net.patterns[2:3]]), beta=1.0, gamma=0.0, steps=1)
    assert some.target.values.tolist() == [-1, -1, 2]


def test_random_starts_are_those_of_simulate(net):
    ds = dmfx.free_running(net, "random", starts=5, seed=7, beta=1.0, gamma=0.0, steps=3)
    same = dmfx.simulate(net, initial="random", starts=5, seed=7, beta=1.0, gamma=0.0, steps=3)
    assert (ds.overlap.isel(step=slice(1, None)).values == same.overlap.values).all()
    assert "target_overlap" not in ds
    bare = dmfx.free_running(net.with_patterns(None), "random", starts=2, beta=1.0, gamma=0.0, steps=3)
    assert {"energy", "change"} < set(bare.data_vars)


def test_networks_are_compared_with_the_patterns_of_the_largest(stored, patterns):
    ds = dmfx.free_running(stored, beta=1.0, gamma=0.0, noise=0.3, steps=3).compute()
    assert ds.sizes["pattern"] == ds.sizes["initial"] == 4
    alone = dmfx.free_running(stored[2].with_patterns(patterns), beta=1.0, gamma=0.0, noise=0.3, steps=3)
    assert (ds.overlap.sel(stored=2).values == alone.overlap.values).all()


def test_what_is_not_defined_is_said_in_the_status(patterns):
    """Without couplings and residual there is no field, and the state is not a number from then on."""
    nothing = dmfx.VectorAttention(dmfx.couplings.zeros(*patterns.shape[1:]), patterns)
    ds = dmfx.free_running(nothing, 0, beta=1.0, gamma=[0.0, 1.0], steps=3, chunks={"step": 1}).squeeze().compute()
    names = ds.status.attrs["flag_meanings"].split()
    assert [names[value] for value in ds.status.values] == ["no_field", "ok"]
    assert np.isnan(ds.target_overlap.sel(gamma=0.0)).values.tolist() == [False, True, True, True]
    np.testing.assert_allclose(ds.target_overlap.sel(gamma=1.0), 1.0, **CLOSE)
