"""Ablations are the task with something taken out."""

import numpy as np
import pytest

import dmfx
from dmfx.variables import ABLATIONS

SWEEP = {"beta": [1.0, 2.0], "gamma": [0.3, 0.6, 0.9]}
TASKS = {
    "denoising": {"noise": [0.2, 0.4], "steps": 3},
    "masked_prediction": {"fraction": 0.4, "replica": [0, 1], "steps": 3},
    "free_running": {"noise": 0.3, "steps": 3},
}


def expected(task, net, patterns, options):
    examples = () if task == "free_running" else (patterns,)
    run = getattr(dmfx, task)
    zero = {"gamma": SWEEP | {"gamma": 0.0}, "beta": SWEEP | {"beta": 0.0}}
    return {
        "none": run(net, *examples, **SWEEP, **options),
        "no_residual": run(net, *examples, **zero["gamma"], **options),
        "uniform_attention": run(net, *examples, **zero["beta"], **options),
        "symmetric": run(net.symmetrised(), *examples, **SWEEP, **options),
    }


@pytest.mark.parametrize("task", TASKS)
def test_each_is_the_task_on_the_ablated_network(net, patterns, task):
    examples = () if task == "free_running" else (patterns,)
    ds = dmfx.ablations(task, net, *examples, **SWEEP, **TASKS[task]).compute()
    assert tuple(ds.ablation.values) == ABLATIONS
    for ablation, other in expected(task, net, patterns, TASKS[task]).items():
        for name in other.data_vars:
            if "beta" not in other[name].dims:
                assert ds[name].drop_vars("ablation", errors="ignore").equals(ds[name])
                continue
            assert ds[name].dims == ("ablation", *other[name].dims)
            found = ds[name].sel(ablation=ablation).values
            wide = np.broadcast_to(other[name].values, found.shape)
            np.testing.assert_array_equal(found, wide)
    assert ds.beta.values.tolist() == SWEEP["beta"]
    assert ds.gamma.values.tolist() == SWEEP["gamma"]
    assert ds.dmft.model == net


def test_the_function_or_its_name(net, patterns):
    one = dmfx.ablations(dmfx.denoising, net, patterns, beta=1.0, gamma=0.5, steps=1)
    other = dmfx.ablations("denoising", net, patterns, beta=1.0, gamma=0.5, steps=1)
    assert one.compute().drop_attrs().identical(other.compute().drop_attrs())
    assert "dmfx.ablations(task='denoising')" in one.attrs["history"]


def test_what_does_not_depend_on_a_parameter_is_computed_once(net, patterns, calls):
    ds = dmfx.ablations("denoising", net, patterns, **SWEEP, steps=1, chunks={"beta": 1, "gamma": 1})
    assert calls == []
    assert ds.target_overlap.chunks
    ds.compute()
    assert len(calls) == 6 + 2 + 3 + 6


def test_chunks_may_be_tuples(net, patterns):
    ds = dmfx.ablations(
        "denoising", net, patterns, **SWEEP, steps=2, chunks={"beta": (1, 1), "gamma": (1, 2), "step": 1}
    )
    whole = dmfx.ablations("denoising", net, patterns, **SWEEP, steps=2, chunks=-1)
    assert ds.compute().drop_attrs().identical(whole.compute().drop_attrs())


def test_couplings_that_are_drawn_are_made_symmetric_by_seed(patterns):
    drawn = dmfx.couplings.random(*patterns.shape[1:])
    options = {"beta": 1.0, "gamma": 0.2, "noise": 0.3, "steps": 2}
    ds = dmfx.ablations("denoising", dmfx.VectorAttention(drawn), patterns, seed=[0, 4], **options)
    for seed in (0, 4):
        half = dmfx.VectorAttention(drawn.draw(seed).symmetrised())
        alone = dmfx.denoising(half, patterns, **options)
        found = ds.target_overlap.sel(ablation="symmetric", seed=[seed])
        assert (found.values == alone.target_overlap.values).all()


def test_networks_by_number_of_stored_examples(stored):
    ds = dmfx.ablations("free_running", stored, beta=1.0, gamma=0.5, steps=2)
    assert ds.overlap.dims[:5] == ("ablation", "beta", "gamma", "seed", "stored")
    # Hebbian couplings are symmetric already.
    np.testing.assert_allclose(ds.overlap.sel(ablation="symmetric"), ds.overlap.sel(ablation="none"), atol=1e-12)


def test_is_kept_and_opened(net, patterns, tmp_path):
    ds = dmfx.ablations("masked_prediction", net, patterns, **SWEEP, steps=2)
    again = dmfx.open(ds.dmft.save(tmp_path / "ablations.nc"))
    assert again.dmft.model == net
    assert again.attrs.pop("history").startswith(ds.attrs.pop("history"))
    assert again.compute().identical(ds.compute())
