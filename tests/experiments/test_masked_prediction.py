"""Masked prediction against the equations, its masks, and what is held."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx.experiments._hidden import Masks, random_fill, rectangle
from tests import oracle_vectors as oracle

CLOSE = {"rtol": 0, "atol": 1e-12}
fractions = st.floats(0, 1, exclude_min=True)
grids = st.tuples(st.integers(1, 9), st.integers(1, 9))


def test_one_of_two_tokens_by_hand():
    """The visible token stays, so that the hidden one is J_12 x_2 or J_21 x_1 from the first step on."""
    J = np.zeros((2, 2, 2, 2))
    J[0, 1], J[1, 0] = [[0, -1], [1, 0]], np.eye(2)
    truth = np.array([[0.6, 0.8], [0.0, 1.0]])
    ds = dmfx.masked_prediction(dmfx.VectorAttention(J), truth, beta=3.0, gamma=0.0, replica=range(9), steps=2)
    ds = ds.squeeze().compute()
    assert sorted(set(ds.hidden.argmax("token").values.tolist())) == [0, 1]
    expected = np.where(ds.hidden.isel(token=0), -0.6, 0.8)  # (-1, 0) · (0.6, 0.8), or x_1 · (0, 1)
    np.testing.assert_allclose(ds.hidden_overlap.isel(step=slice(1, None)), expected[:, None] * [1, 1], **CLOSE)
    np.testing.assert_allclose(ds.hidden_error.isel(step=-1), 2 - 2 * expected, **CLOSE)


@pytest.mark.parametrize("fill", ["random", "mean"])
def test_every_point_is_that_of_the_equations(net, matrices, patterns, fill):
    sweep = {"beta": [0.0, 2.0], "gamma": [0.0, 0.7], "fraction": [0.3, 0.5, 1.0], "replica": [0, 3]}
    names = ["hidden_overlap", "hidden_error", "overlap", "tokens"]
    ds = dmfx.masked_prediction(net, patterns[:2], **sweep, fill=fill, steps=3, variables=names).isel(seed=0).compute()
    mean = patterns.mean(axis=0) / np.linalg.norm(patterns.mean(axis=0), axis=-1, keepdims=True)
    for beta, gamma, fraction, replica, number in np.ndindex(2, 2, 3, 2, 2):
        found = ds.isel(beta=beta, gamma=gamma, fraction=fraction, replica=replica, initial=number)
        hidden, truth = found.hidden.values.astype(bool), patterns[number]
        assert hidden.sum() == [2, 3, 6][fraction]
        other = random_fill(sweep["replica"][replica], number, truth.shape) if fill == "random" else mean
        start = np.where(hidden[:, None], other, truth)
        states = oracle.run(matrices, start, sweep["beta"][beta], sweep["gamma"][gamma], 3, held=~hidden)
        np.testing.assert_allclose(found.tokens, states, **CLOSE)
        np.testing.assert_allclose(found.overlap, [oracle.overlaps(x, patterns) for x in states], **CLOSE)
        overlap = [np.mean([x[i] @ truth[i] for i in np.flatnonzero(hidden)]) for x in states]
        error = [np.mean([((x[i] - truth[i]) ** 2).sum() for i in np.flatnonzero(hidden)]) for x in states]
        np.testing.assert_allclose(found.hidden_overlap, overlap, **CLOSE)
        np.testing.assert_allclose(found.hidden_error, error, **CLOSE)


def test_held_tokens_never_move(net, patterns):
    ds = dmfx.masked_prediction(
        net, patterns, beta=2.0, gamma=0.3, fraction=[0.2, 0.6], replica=[0, 1], steps=20, variables="tokens"
    ).compute()
    tokens = ds.tokens.isel(beta=0, gamma=0, seed=0)
    visible = (ds.hidden == 0).broadcast_like(tokens)
    truth = (("initial", "token", "component"), patterns)
    assert bool(((tokens == tokens.copy(data=np.broadcast_to(patterns[:, None], tokens.shape))) | ~visible).all()), (
        truth
    )
    assert bool((ds.final_tokens.isel(beta=0, gamma=0, seed=0) == tokens.isel(step=-1)).all())


def test_all_hidden_is_running_freely(net, patterns):
    ds = dmfx.masked_prediction(
        net, patterns, beta=2.0, gamma=0.3, fraction=1.0, steps=5, variables=["overlap", "tokens"]
    )
    starts = ds.tokens.isel(beta=0, gamma=0, seed=0, step=0).values
    free = dmfx.free_running(net, starts, beta=2.0, gamma=0.3, steps=5, variables=["overlap", "tokens"])
    assert (ds.tokens.values == free.tokens.values).all()
    assert (ds.overlap.values == free.overlap.values).all()


@given(
    n=st.integers(1, 60), one=fractions, other=fractions, replica=st.integers(0, 2**53), number=st.integers(0, 10**6)
)
def test_masks_are_nested_and_have_the_number_asked_for(n, one, other, replica, number):
    low, high = sorted([one, other])
    masks = Masks(n, None)
    smaller, larger = masks.mask(low, replica, number), masks.mask(high, replica, number)
    assert not (smaller & ~larger).any()
    assert smaller.sum() == min(max(round(low * n), 1), n)
    assert (smaller == masks.mask(low, replica, number)).all()


@given(grid=grids, one=fractions, other=fractions, replica=st.integers(0, 99), number=st.integers(0, 99))
def test_blocks_are_nested_rectangles(grid, one, other, replica, number):
    low, high = sorted([one, other])
    masks = Masks(grid[0] * grid[1], grid)
    smaller, larger = masks.mask(low, replica, number).reshape(grid), masks.mask(high, replica, number).reshape(grid)
    assert not (smaller & ~larger).any()
    for block in (smaller, larger):
        rows, columns = np.flatnonzero(block.any(axis=1)), np.flatnonzero(block.any(axis=0))
        assert block.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == rows.size * columns.size > 0
    count = min(max(round(low * smaller.size), 1), smaller.size)
    assert smaller.sum() == np.prod(rectangle(count, grid))


def test_rectangles_grow_as_documented():
    sizes = [(1, 1), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5)]
    nearest = [rectangle(count, (2, 5)) for count in range(1, 11)]
    assert nearest == [sizes[k] for k in (0, 1, 1, 2, 2, 3, 3, 4, 4, 5)]
    assert [rectangle(n, (7, 7)) for n in (1, 3, 5, 24, 49)] == [(1, 1), (2, 1), (2, 2), (5, 5), (7, 7)]
    assert rectangle(3, (5, 1)) == (3, 1)


def test_every_place_of_a_block_is_equally_likely():
    masks = Masks(16, (4, 4))
    corners = [np.flatnonzero(masks.mask(0.25, replica, 0))[0] for replica in range(1800)]
    counts = np.bincount(corners, minlength=16).reshape(4, 4)
    assert (counts[3] == 0).all()
    assert (counts[:, 3] == 0).all()
    assert np.abs(counts[:3, :3] - 200).max() < 5 * np.sqrt(200)  # nine places


def test_block_and_grid(net, patterns):
    ds = dmfx.masked_prediction(
        net, patterns, beta=1.0, gamma=0.0, hidden="block", grid=(2, 3), fraction=[0.3, 0.9], steps=1
    )
    assert ds.hidden.dims == ("fraction", "initial", "token")
    assert ds.hidden.sum("token").values.tolist() == [[2] * 4, [4] * 4]  # of 5 tokens, 4 or 6


def test_the_mean_is_that_of_each_network(stored, patterns):
    ds = dmfx.masked_prediction(
        stored, patterns, beta=1.0, gamma=0.0, fraction=1.0, fill="mean", steps=1, variables="tokens"
    ).isel(step=0)
    for number in stored:
        mean = patterns[:number].mean(axis=0)
        expected = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
        np.testing.assert_allclose(ds.tokens.sel(stored=number).isel(initial=3).squeeze(), expected, **CLOSE)


def test_masks_do_not_depend_on_the_network_or_other_dims(net, stored, patterns):
    one = dmfx.masked_prediction(net, patterns, beta=1.0, gamma=0.0, fraction=0.4, replica=2, steps=1)
    more = dmfx.masked_prediction(
        stored, patterns, beta=[1.0, 2.0], gamma=0.0, fraction=[0.2, 0.4], replica=[0, 2], steps=1, chunks=1
    )
    assert (more.hidden.sel(fraction=0.4, replica=2).values == one.hidden.values).all()
    assert one.hidden.dims == ("initial", "token")
    assert one.hidden.attrs["flag_meanings"] == "no yes"


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_chunks_give_the_same_bits(net, patterns, data):
    def predicted(chunks):
        sweep = {"beta": [0.5, 2.0], "gamma": [0.0, 0.5], "fraction": [0.2, 0.5, 1.0], "replica": [0, 1]}
        return dmfx.masked_prediction(net, patterns, **sweep, steps=4, chunks=chunks)

    whole = predicted(-1).compute()
    sizes = {"beta": 2, "gamma": 2, "fraction": 3, "replica": 2, "initial": 4, "step": 5}
    chunks = {dim: data.draw(st.integers(1, size), label=dim) for dim, size in sizes.items()}
    assert predicted(chunks).compute().drop_attrs().identical(whole.drop_attrs())


def test_is_lazy_and_runs_each_block_once(net, patterns, calls):
    ds = dmfx.masked_prediction(net, patterns, beta=[1.0, 2.0], gamma=0.0, steps=3, chunks={"beta": 1})
    assert calls == []
    assert all(ds[name].chunks for name in ("hidden_overlap", "hidden_error", "hidden", "final_tokens", "status"))
    ds.compute()
    assert len(calls) == 2


def test_only_what_is_asked_for_is_kept(net, patterns):
    ds = dmfx.masked_prediction(net, patterns, beta=1.0, gamma=0.0, steps=1, variables="hidden_error")
    kept = {"hidden_error", "hidden", "final_tokens", "status", "patterns", "couplings_matrices"}
    assert set(ds.data_vars) == kept
    assert ds.dmft.model == net
    perfect = dmfx.masked_prediction(net, patterns, beta=1.0, gamma=0.0, steps=1)
    assert float(perfect.hidden_error.min()) >= 0
