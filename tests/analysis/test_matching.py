"""Runs of the mean field are brought to the labels of finite networks, and must be of their model."""

import json

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis import attractor_distance
from dmfx.analysis._matching import at_labels, check_model
from dmfx.analysis.residence import residence
from dmfx.validation import Problems

NET = dmfx.SelfAttention.paper()
SPEC = NET.spec()
SIGNS = np.array(SPEC["position_weights"])


def model(**parts):
    """The published model with other parts."""
    return dmfx.SelfAttention.from_spec(SPEC | parts)


OTHERS = {
    "weights": model(weights=dmfx.weights.random(3, 60).spec()),
    "position_weights": model(position_weights=(-SIGNS).tolist()),
    "position_weights, drawn": model(position_weights=None),
    r"context_size \(3, not 4\)": model(context_size=3),
    r"weights, context_size \(8, not 4\), position_weights": model(
        weights=dmfx.weights.random(3, 60).spec(), context_size=8, position_weights=None
    ),
}


def labelled(values=(0.0,), attrs=NET, **coords):
    """Values along β that are those of its labels."""
    array = xr.DataArray(np.asarray(values, float), {"beta": np.asarray(values, float)}, dims="beta")
    ds = xr.Dataset({"x": array}).assign_coords(coords)
    return ds if attrs is None else ds.assign_attrs(dmfx_model=attrs.to_json())


def problems_of(ds, other):
    problems = Problems("test")
    found = check_model(problems, ds, other, "reference")
    return problems.messages, found


@pytest.mark.parametrize("what", OTHERS)
def test_another_model(what):
    (message,), found = problems_of(labelled(), labelled(attrs=OTHERS[what]))
    expected = what.removesuffix(", drawn").replace("\\", "")
    assert message == f"reference must be of the model of ds, but differs from it in {expected}"
    assert found == NET


def test_the_same_model():
    assert problems_of(labelled(), labelled()) == ([], NET)
    # What is not said is not compared.
    assert problems_of(labelled(attrs=None), labelled(attrs=None)) == ([], None)
    assert problems_of(labelled(), labelled(attrs=None)) == ([], NET)
    assert problems_of(labelled(attrs=None), labelled()) == ([], NET)
    assert problems_of(3, None) == ([], None)


def test_models_with_other_starts():
    other = model(start=dmfx.SelfAttention(NET.weights, start=2).spec()["start"])
    assert other != NET
    assert problems_of(labelled(), labelled(attrs=other)) == ([], NET)


def test_models_that_cannot_be_read():
    broken = labelled().assign_attrs(dmfx_model="{}")
    for pair, name in (((broken, labelled()), "ds"), ((labelled(), broken), "reference")):
        (message,), _ = problems_of(*pair)
        assert message.startswith(f"{name}: its attribute dmfx_model cannot be read: unknown model None")


def test_epsilon_is_that_of_the_coordinate():
    a, b = NET, model(epsilon=0.1)
    assert problems_of(labelled(attrs=a, epsilon=0.1), labelled(attrs=b)) == ([], a)
    assert problems_of(labelled(attrs=a), labelled(attrs=b, epsilon=0.02)) == ([], a)
    assert problems_of(labelled(attrs=a, epsilon=0.02), labelled(attrs=None)) == ([], a)
    # Of two coordinates the labels are compared.
    assert problems_of(labelled(attrs=a, epsilon=0.02), labelled(attrs=b, epsilon=0.1)) == ([], a)
    text = "reference is of epsilon = 0.1, but ds of 0.02"
    assert problems_of(labelled(attrs=a), labelled(attrs=b))[0] == [text]
    assert problems_of(labelled(attrs=a, epsilon=0.02), labelled(attrs=b))[0] == [text]
    assert problems_of(labelled(attrs=a), labelled(attrs=None, epsilon=0.1))[0] == [text]
    swept = labelled(attrs=a).expand_dims(epsilon=[0.02, 0.1])
    assert problems_of(swept, labelled(attrs=a))[0] == ["reference is of epsilon = 0.02, but ds of 0.02, 0.1"]


def brought(array, found):
    problems = Problems("test")
    return at_labels(problems, array.x, found.x, "reference", own=()), problems.messages


def test_labels_that_differ_by_rounding_are_those_of_the_runs():
    runs, others = labelled([0.1 + 0.2, 0.7, 1e8]), labelled([1e8 + 1e-5, 0.5, 0.3, 0.7 - 1e-13])
    found, messages = brought(runs, others)
    assert messages == []
    np.testing.assert_array_equal(found, others.x[[2, 3, 0]])
    np.testing.assert_array_equal(found.beta, runs.beta)
    one, messages = brought(runs.isel(beta=0), others)
    assert messages == []
    assert one.item() == 0.3
    shared, messages = brought(runs.isel(beta=[0]), others.isel(beta=2))
    assert messages == []
    assert shared.dims == ()
    assert "beta" not in shared.coords
    assert brought(labelled([0.3 + 1e-11]), others)[1] == ["reference has no beta = 0.30000000001"]
    assert brought(runs, others.isel(beta=2))[1] == [
        "reference is at beta = 0.3, but ds at 0.30000000000000004, 0.7, 100000000.0"
    ]


def test_labels_that_are_there_once_or_never():
    twice = labelled([0.3, 0.3, 0.5])
    assert brought(labelled([0.5]), twice)[1] == ["reference has repeated labels along beta"]
    assert brought(twice, twice)[0] is not None
    assert brought(labelled([0.5]), labelled([]))[1] == ["reference has no beta = 0.5"]
    assert brought(labelled([]), twice.isel(beta=[0, 2]))[0].sizes["beta"] == 0
    many = labelled(np.arange(9.0))
    assert brought(many, labelled([7.0]))[1] == ["reference has no beta = 0.0, 1.0, 2.0, 3.0, 4.0, ..."]


def test_labels_that_are_texts():
    runs = xr.Dataset({"x": ("kind", [1.0, 2.0])}, {"kind": ["b", "a"]})
    found, messages = brought(runs, runs.isel(kind=[1, 0]))
    assert messages == []
    np.testing.assert_array_equal(found, runs.x)
    assert brought(runs, runs.isel(kind=[0]))[1] == ["reference has no kind = 'a'"]
    assert brought(runs.isel(kind=0), runs.isel(kind=1))[1] == ["reference is at kind = 'a', but ds at 'b'"]


# Through the analyses.


@pytest.fixture(scope="module")
def runs():
    """Networks of two sizes, the mean field, and what would be attractors; with β = 0.1 + 0.2."""
    betas = np.array([0.1 + 0.2, 0.9])
    ds = dmfx.simulate(NET, beta=betas, gamma=220.0, size=[50, 100], replica=range(2), steps=32).compute()
    mean_field = dmfx.simulate(NET, beta=[0.9, 0.3], gamma=220.0, steps=64).compute()
    points = np.array([-1.0, 1.0])[:, None, None] * np.ones((2, 8, 3))
    attractors = xr.Dataset(
        {
            "attractor_points": (("beta", "attractor", "point", "pattern"), np.stack([points, 2 * points])),
            "attractor_period": (("beta", "attractor"), np.ones((2, 2), int)),
            "attractor_kind": (("beta", "attractor"), np.zeros((2, 2), np.int8)),
        },
        {"beta": [0.9, 0.3], "epsilon": 0.02},
        mean_field.attrs,
    )
    return ds, mean_field, attractors


CALLS = {"reference": (attractor_distance, 1), "attractors": (residence, 2)}
each_call = pytest.mark.parametrize("argument", CALLS)


@each_call
def test_one_rule_for_labels(runs, argument):
    function, place = CALLS[argument]
    ds, other = runs[0], runs[place]
    found = function(ds, other)
    np.testing.assert_array_equal(found.beta, ds.beta)
    exact = function(ds, other.isel(beta=[1, 0]).assign_coords(beta=ds.beta))
    assert found.drop_attrs(deep=False).identical(exact.drop_attrs(deep=False))
    # The simulation of networks from the ends of the mean field has the same rule.
    dmfx.simulate(NET, beta=ds.beta.values, gamma=220.0, size=50, initial=runs[1], steps=1)
    one = function(ds.isel(beta=0), other.sel(beta=0.3))
    assert one.beta == ds.beta[0]
    np.testing.assert_array_equal(
        one.distance_floor if place == 1 else one.residence_radius,
        (found.distance_floor if place == 1 else found.residence_radius).isel(beta=0),
    )


@each_call
@pytest.mark.parametrize("what", OTHERS)
def test_runs_of_another_model_are_refused(runs, argument, what):
    function, place = CALLS[argument]
    ds, other = runs[0], runs[place].assign_attrs(dmfx_model=OTHERS[what].to_json())
    name = what.removesuffix(", drawn")
    with pytest.raises(ValueError, match=rf"{argument} must be of the model of ds, but differs from it in {name}$"):
        function(ds, other)
    bare = ds.assign_attrs(dmfx_model=json.dumps({"model": "Other"}))
    with pytest.raises(ValueError, match=r": ds: its attribute dmfx_model cannot be read: unknown model 'Other'"):
        function(bare, other)
    function(ds, runs[place].drop_attrs(deep=False))


@each_call
def test_another_epsilon_is_refused(runs, argument):
    function, place = CALLS[argument]
    ds, other = runs[0], runs[place]
    with pytest.raises(ValueError, match=rf"{argument} is at epsilon = 0\.1, but ds at 0\.02"):
        function(ds, other.assign_coords(epsilon=0.1))
    without = other.drop_vars("epsilon")
    with pytest.raises(ValueError, match=rf"{argument} is of epsilon = 0\.1, but ds of 0\.02"):
        function(ds, without.assign_attrs(dmfx_model=model(epsilon=0.1).to_json()))
    function(ds, without)
    # A sweep of ε, of which the model has another value.
    swept = xr.concat([ds.assign_coords(epsilon=e) for e in (0.1, 0.3)], "epsilon")
    wide = xr.concat([other.assign_coords(epsilon=e) for e in (0.3, 0.1 + 1e-15)], "epsilon")
    function(swept, wide)
    with pytest.raises(ValueError, match=rf"{argument} is of epsilon = 0\.02, but ds of 0\.1, 0\.3"):
        function(swept, without)


@each_call
def test_all_problems_at_once(runs, argument):
    function, place = CALLS[argument]
    other = runs[place].isel(beta=[0]).assign_attrs(dmfx_model=model(context_size=3).to_json())
    message = rf"2 problems: .*{argument} must be of the model of ds.* \(3, not 4\)"
    with pytest.raises(ValueError, match=message) as error:
        function(runs[0], other)
    assert f"{argument} has no beta = 0.30000000000000004" in str(error.value)
