"""The network of vector spins as an object: what it is made from, what it equals, how it is kept."""

import json
import pickle

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import couplings
from tests.vectors.networks import KINDS, PATTERNS, D, M, N, network, sweep


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_is(kind):
    net = network(kind)
    assert (net.n_tokens, net.n_components, net.n_patterns) == (N, D, M)
    assert net.is_fixed == (kind != "random")
    assert net.training is None
    assert repr(net) == f"VectorAttention({net.couplings!r}, n_patterns=3)"
    assert network(kind, patterns=None).n_patterns == 0


def test_equality_is_that_of_couplings_and_patterns():
    net = network()
    same = dmfx.VectorAttention(net.couplings.dense(), PATTERNS)
    assert same == net
    assert hash(same) == hash(net)
    others = [network("low_rank"), net.with_patterns(PATTERNS[:2]), net.with_patterns(None), net.symmetrised()]
    others.append(net.with_patterns(PATTERNS[::-1]))
    assert len({net, *others}) == 6
    assert net != "net"
    assert net.with_patterns(None).with_patterns(PATTERNS) == net
    assert net.with_couplings(network("relative").couplings) == network("relative")
    assert net.with_patterns(PATTERNS[1]).n_patterns == 1


@pytest.mark.parametrize("kind", KINDS)
def test_pickling(kind):
    net = network(kind)
    again = pickle.loads(pickle.dumps(net))
    assert again == net
    assert not again.patterns.flags.writeable


def test_it_is_frozen():
    net = network()
    with pytest.raises(AttributeError, match=r"frozen: patterns cannot be set; with_patterns\(\.\.\.\)"):
        net.patterns = PATTERNS
    with pytest.raises(ValueError, match="read-only"):
        net.patterns[0] = 0
    assert PATTERNS.flags.writeable, "the caller's array is his own"
    own = PATTERNS.copy()
    view = own.view()
    view.flags.writeable = False
    net = network(patterns=view)
    own[:] = 0
    np.testing.assert_array_equal(net.patterns, PATTERNS)
    assert np.shares_memory(net.patterns, net.symmetrised().patterns), "what nobody can change is not copied"


def test_symmetrised():
    net = network().symmetrised()
    J = net.couplings.dense()
    np.testing.assert_array_equal(J, J.transpose(1, 0, 3, 2))
    np.testing.assert_array_equal(net.patterns, PATTERNS)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("J",), TypeError, r"VectorAttention: couplings must be an array of real numbers with the axes .* not 'J'"),
        ((np.zeros((3, 3, 2)),), ValueError, "couplings must be an array .* not an array of shape"),
        ((np.ones((3, 3, 2, 2)),), ValueError, r"couplings must be 0 for every token .* couplings\[i, i\] = 0"),
        ((np.zeros((3, 3, 2, 2)), np.ones((1, 3, 2))), ValueError, "patterns must be unit vectors, but has others"),
        ((network().couplings, PATTERNS[:, :2]), ValueError, r"patterns must be unit vectors of shape \(n, 6, 4\)"),
        ((np.zeros((3, 3, 2)), "xi"), ValueError, "2 problems: couplings .*; patterns"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        dmfx.VectorAttention(*arguments)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("patterns", [PATTERNS, None], ids=["patterns", "no patterns"])
@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_kept_in_an_archive(tmp_path, kind, patterns, suffix):
    net = network(kind, patterns)
    ds = net.to_dataset()
    assert dmfx.VectorAttention.from_dataset(ds) == net
    assert ds.dmft.model == net
    assert ds.transpose(*reversed(list(ds.dims))).dmft.model == net
    ds.dmft.save(tmp_path / f"net.{suffix}")
    kept = dmfx.open(tmp_path / f"net.{suffix}")
    assert kept.dmft.model == net
    for name in ds.variables:
        assert ds[name].attrs["long_name"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_has_its_network(kind):
    net = network(kind)
    ds = sweep(net, steps=2, transient=0)
    assert ds.dmft.model == net
    for some in (
        ds.isel(beta=0),
        ds.isel(beta=[0, 3], gamma=0, initial=1, step=-1),
        ds.sel(gamma=0.4),
        ds.mean("beta", keep_attrs=True),
        ds.mean(["initial", "step"], keep_attrs=True),
        ds.drop_vars(["overlap", "tokens"]),
        ds.transpose(..., "beta"),
    ):
        assert some.dmft.model == net
    # A pattern that was selected is the only one that is known.
    assert ds.isel(pattern=1).dmft.model == net.with_patterns(PATTERNS[1])
    assert ds.sel(pattern=[2, 0]).dmft.model == net.with_patterns(PATTERNS[[2, 0]])
    assert ds.drop_vars("patterns").dmft.model == net.with_patterns(None)


@pytest.mark.parametrize("kind", KINDS)
def test_joined_runs_of_one_network(kind):
    net = network(kind)
    parts = [sweep(net, beta=beta, steps=3, variables="overlap") for beta in ([1.0, 2.0], [3.0])]
    both = xr.concat(parts, "beta", data_vars="all", coords="different", compat="equals", join="outer")
    assert both.dmft.model == net
    whole = sweep(net, beta=[1.0, 2.0, 3.0], steps=3, variables="overlap")
    np.testing.assert_array_equal(both["overlap"], whole["overlap"])
    slim = xr.concat(parts, "beta", data_vars="minimal", coords="minimal", compat="override", join="outer")
    assert slim.dmft.model == net
    assert slim["patterns"].dims == ("pattern", "token", "component")


def test_joined_runs_of_two_networks_are_refused():
    nets = network(), network().symmetrised()
    runs = [sweep(net, beta=beta, steps=3) for net, beta in zip(nets, ([1.0], [3.0]), strict=True)]
    both = xr.concat(runs, "beta", data_vars="all", coords="different", compat="equals", join="outer")
    with pytest.raises(ValueError, match="joins runs of different networks: couplings_matrices differs along beta"):
        _ = both.dmft.model
    assert both.isel(beta=0).dmft.model == nets[0]
    with pytest.raises(ValueError, match="changed, averaged or cut"):
        _ = both.isel(beta=1).dmft.model


@pytest.mark.parametrize("kind", ["full", "relative", "low_rank"])
def test_couplings_that_are_missing_or_changed_are_refused(kind):
    ds = sweep(network(kind), steps=1).compute()
    name = next(name for name in ds.data_vars if str(name).startswith("couplings_"))
    with pytest.raises(ValueError, match=rf"lacks the variable {name}, the couplings of its network: keep it"):
        _ = ds[["overlap"]].dmft.model
    with pytest.raises(ValueError, match="changed, averaged or cut"):
        _ = ds.assign({name: 2 * ds[name]}).dmft.model
    with pytest.raises(ValueError, match=f"{name} lacks the dim component: it was selected or averaged"):
        _ = ds.mean("component", keep_attrs=True).dmft.model
    with pytest.raises(ValueError, match="changed, averaged or cut"):
        _ = ds.isel(component=[0, 1]).dmft.model


def test_descriptions_that_are_none():
    ds = network().to_dataset()
    with pytest.raises(ValueError, match="no attribute dmfx_model"):
        _ = ds.assign_attrs(dmfx_model=None).drop_attrs().dmft.model
    spec = json.loads(ds.attrs["dmfx_model"])
    del spec["couplings"]["digest"]
    with pytest.raises(ValueError, match="description of the couplings lacks digest"):
        _ = ds.assign_attrs(dmfx_model=json.dumps(spec)).dmft.model
    with pytest.raises(ValueError, match="unknown model 'Hopfield'"):
        _ = ds.assign_attrs(dmfx_model='{"model": "Hopfield"}').dmft.model
    with pytest.raises(ValueError, match="not JSON"):
        _ = ds.assign_attrs(dmfx_model="{").dmft.model
    del spec["couplings"]
    with pytest.raises(ValueError, match="lacks"):
        _ = ds.assign_attrs(dmfx_model=json.dumps(spec)).dmft.model


def test_weak_symmetric_couplings_are_no_other_object():
    J = couplings.hebbian(PATTERNS)
    assert dmfx.VectorAttention(J) == dmfx.VectorAttention(J.dense())
