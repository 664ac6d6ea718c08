"""Every wrong argument is named when the call is made."""

import numpy as np
import pytest

import dmfx

SWEEP = {"beta": 1.0, "gamma": 0.0}


def message(function, error, *args, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **SWEEP | kwargs)
    text = str(caught.value)
    assert text.startswith(f"{function.__name__}: ")
    return text


@pytest.mark.parametrize("task", [dmfx.denoising, dmfx.masked_prediction, dmfx.free_running])
@pytest.mark.parametrize(
    ("model", "error", "expected"),
    [
        (dmfx.SelfAttention.paper(), TypeError, "model must be a dmfx.VectorAttention, or a mapping"),
        (None, TypeError, "model must be a dmfx.VectorAttention, or a mapping"),
        ({}, ValueError, "model must have at least one network"),
        ({2: None}, TypeError, "model must be a dmfx.VectorAttention, or a mapping"),
        ("keys", ValueError, "whole numbers of at least 1, not 0 (int)"),
        ("text", ValueError, "whole numbers of at least 1, not 'a' (str)"),
        ("shapes", ValueError, "all networks must have the same tokens and components, but have [(5, 3), (6, 3)]"),
    ],
)
def test_model(net, patterns, task, model, error, expected):
    other = dmfx.VectorAttention(dmfx.couplings.zeros(5, 3))
    model = (
        {"keys": {0: net}, "text": {"a": net}, "shapes": {1: net, 2: other}}.get(model, model)
        if isinstance(model, str)
        else model
    )
    assert expected in message(task, error, model, patterns, steps=2)


@pytest.mark.parametrize("task", [dmfx.denoising, dmfx.masked_prediction, dmfx.free_running])
@pytest.mark.parametrize(
    ("change", "error", "expected"),
    [
        (lambda x: x[:, :5], ValueError, "tokens must be unit vectors of shape (n, 6, 3)"),
        (lambda x: x[0, 0], ValueError, "tokens must be unit vectors of shape (n, 6, 3)"),
        (lambda x: x[:0], ValueError, "tokens must be unit vectors of shape (n, 6, 3)"),
        (lambda x: 2 * x, ValueError, "tokens must be unit vectors, but has others"),
        (
            lambda x: x * (np.arange(6)[:, None] != 2),
            ValueError,
            "has zero vectors: the first of 4 at example 0, token 2",
        ),
        (
            lambda x: np.where(x == x[1, 2, 0], np.nan, x),
            ValueError,
            "has NaN or infinities: example 1, token 2, component 0",
        ),
        (lambda x: x.astype(str), TypeError, "tokens must be unit vectors"),
        (lambda x: object(), TypeError, "tokens must be unit vectors"),
    ],
)
def test_tokens(net, patterns, task, change, error, expected):
    assert expected in message(task, error, net, change(patterns), steps=2)


@pytest.mark.parametrize("task", [dmfx.denoising, dmfx.masked_prediction, dmfx.free_running])
@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("beta", -1.0, "beta must be"),
        ("gamma", [np.nan], "gamma must be"),
        ("seed", 0.5, "seed must be"),
        ("steps", 0, "steps must be a whole number of at least 1"),
        ("steps", 10**9, "at most 1e+08"),
        ("variables", (), "there are none"),
        ("variables", "m_o", "there is no 'm_o'; expected names out of"),
        ("chunks", {"pattern": 1}, "chunks: there is no dim 'pattern'"),
        ("chunks", "large", "chunks must be"),
    ],
)
def test_what_all_tasks_have(net, patterns, task, argument, value, expected):
    kwargs = {"steps": 2, argument: value}
    error = TypeError if value == "large" else ValueError
    assert expected in message(task, error, net, patterns, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"noise": -0.1}, "noise must be a number or a 1-D array of finite numbers from 0"),
        ({"noise": [0.1, 0.1]}, "noise has repeated values"),
        ({"noise": []}, "noise must be"),
        ({"noise": np.inf}, "noise must be"),
        ({"replica": -1}, "replica must be"),
        ({"replica": 0.5}, "replica must be"),
        ({"variables": "overlap"}, "variables: overlap needs stored patterns"),
    ],
)
def test_denoising(net, patterns, kwargs, expected):
    assert expected in message(dmfx.denoising, ValueError, net.with_patterns(None), patterns, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"fraction": 0.0}, "fraction must be above 0"),
        ({"fraction": [0.5, 1.1]}, "from 0 to 1, not 1.1 at position 1"),
        ({"fraction": -0.5}, "fraction must be"),
        ({"fraction": np.nan}, "fraction must be"),
        ({"hidden": "all"}, "hidden must be one of 'random', 'block'"),
        ({"hidden": "block"}, "hidden='block' needs grid="),
        ({"hidden": "block", "grid": (2, 4)}, "with the product 6, the number of tokens"),
        ({"hidden": "block", "grid": 6}, "grid must be two whole numbers"),
        ({"hidden": "block", "grid": (1.5, 4)}, "grid must be two whole numbers"),
        ({"hidden": "block", "grid": (-2, -3)}, "grid must be two whole numbers"),
        ({"grid": (2, 3)}, "grid goes with hidden='block'"),
        ({"fill": "zeros"}, "fill must be one of 'random', 'mean'"),
        ({"fill": "mean"}, "fill='mean' needs stored patterns, and the model has none"),
        ({"replica": -1}, "replica must be"),
    ],
)
def test_masked_prediction(net, patterns, kwargs, expected):
    assert expected in message(dmfx.masked_prediction, ValueError, net.with_patterns(None), patterns, **kwargs)


def test_means_that_vanish(net, patterns):
    opposite = np.stack([patterns[0], np.where(np.arange(6)[:, None] == 4, -1, 1) * patterns[0]])
    text = message(dmfx.masked_prediction, ValueError, net.with_patterns(opposite), patterns, fill="mean")
    assert "the mean of the patterns of the model is 0: token 4" in text
    nets = {1: net.with_patterns(patterns[:1]), 2: net.with_patterns(opposite)}
    assert "of the network 2 is 0" in message(dmfx.masked_prediction, ValueError, nets, patterns, fill="mean")


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((), {"noise": -1.0}, "noise must be"),
        ((), {"replica": [0, 1]}, "replica, the realisation of the noise, goes with noise="),
        ((), {"starts": 3}, "starts goes with tokens='random' only"),
        ((), {"transient": -1}, "transient must be"),
        (("random",), {}, "tokens='random' needs starts="),
        (("random",), {"starts": 0}, "starts must be"),
        (("random",), {"starts": 2, "noise": 0.1}, "noise goes with examples"),
        (("random",), {"starts": 2, "variables": "target_overlap"}, "target_overlap needs examples"),
        (("images",), {}, "tokens must be one of 'patterns', 'random'"),
        (("patterns",), {"starts": 2}, "starts goes with tokens='random' only"),
        ((4,), {}, "tokens must be numbers of stored patterns from 0 to 3"),
        (([0, -1],), {}, "tokens must be numbers of stored patterns from 0 to 3"),
    ],
)
def test_free_running(net, args, kwargs, expected):
    assert expected in message(dmfx.free_running, ValueError, net, *args, **{"steps": 2} | kwargs)


def test_no_patterns_to_start_from(net):
    bare = net.with_patterns(None)
    for tokens in (None, "patterns", 0, [0]):
        assert "the model has no stored patterns" in message(dmfx.free_running, ValueError, bare, tokens, steps=2)


def test_networks_whose_patterns_do_not_go_together(net, patterns):
    nets = {1: net.with_patterns(patterns[1:2]), 4: net}
    overlap = {"steps": 2, "variables": "overlap"}
    for task, args in ((dmfx.free_running, ()), (dmfx.denoising, (patterns,)), (dmfx.masked_prediction, (patterns,))):
        text = message(task, ValueError, nets, *args, **overlap)
        assert "the patterns of the network 1 must be the first ones of those of the network 4" in text
    for task in (dmfx.denoising, dmfx.masked_prediction):  # a label would name one pattern or another
        found = task(nets, patterns, **SWEEP)
        assert found.sizes["stored"] == 2
        assert "target" not in found.coords
        assert "target" in task({1: net.with_patterns(patterns[:1]), 4: net}, patterns, **SWEEP).coords


def test_networks_by_another_number_than_that_of_their_patterns(net, patterns):
    for model in ({3: net}, {2: net.with_patterns(patterns[:2]), 3: net}):
        text = message(dmfx.free_running, ValueError, model, steps=2)
        assert "but the network 3 has 4 patterns" in text
    found = dmfx.denoising({3: net.with_patterns(None), 4: net}, patterns, **SWEEP)
    assert found.stored.values.tolist() == [3, 4]


@pytest.mark.parametrize("task", ["recall", None, dmfx.simulate])
def test_task_of_ablations(net, patterns, task):
    assert "task must be dmfx.masked_prediction" in message(dmfx.ablations, ValueError, task, net, patterns)


def test_ablations_need_parameters(net, patterns):
    with pytest.raises(ValueError, match=r"ablations: 2 problems: beta is missing; gamma is missing"):
        dmfx.ablations("denoising", net, patterns)
    with pytest.raises(ValueError, match=r"denoising: noise must be"):
        dmfx.ablations("denoising", net, patterns, **SWEEP, noise=-1.0)


def test_all_problems_come_at_once(net):
    text = message(dmfx.denoising, ValueError, net, np.ones((2, 2)), noise=-1.0, steps=0, replica=-1, beta=-1.0)
    assert "5 problems" in text
    for name in ("tokens", "noise", "steps", "replica", "beta"):
        assert f"{name} must be" in text
