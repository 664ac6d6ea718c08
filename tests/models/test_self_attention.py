import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.models import SelfAttention, model_from_json
from dmfx.models.self_attention import position_drive
from tests import oracle

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "poc_lopez_2024.json").read_text())


def test_paper_is_the_published_configuration():
    net = SelfAttention.paper()
    real = net.realisation(0)
    np.testing.assert_array_equal(real.field, REFERENCE["weights"]["o"])
    for i, name in enumerate("ovqk"):
        np.testing.assert_allclose(real.overlap[i] * 3, REFERENCE["weights"][name], rtol=1e-15)
        np.testing.assert_array_equal(real.position[i], REFERENCE["position_weights"][name])
    np.testing.assert_array_equal(net.start.attention, REFERENCE["context_attention"])
    assert (net.start.phase, net.context_size, net.epsilon) == (REFERENCE["next_phase"], 4, 0.02)


@pytest.mark.parametrize("context_size", [1, 2, 3, 4, 7, 8])
def test_position_drive(context_size):
    bits = (context_size - 1).bit_length()
    position = np.random.default_rng(context_size).choice([-1.0, 1.0], (4, 3, bits))
    drive = position_drive(position, context_size)
    assert drive.shape == (context_size, 4, 3)
    for phase in range(context_size):
        for matrix in range(4):
            np.testing.assert_allclose(drive[phase, matrix], oracle.position_term(position[matrix].tolist(), phase))


MODELS = [
    SelfAttention.paper(),
    SelfAttention(dmfx.weights.segments(4, 6), context_size=7, epsilon=0.1, start=2),
    SelfAttention({name: [[1, -1], [1, 1]] for name in "ovqk"}, start=[1, -0.5]),
    SelfAttention(dmfx.weights.random(2, 9), position_weights={name: [[1, -1], [1, 1]] for name in "ovqk"}),
]


@pytest.mark.parametrize("net", MODELS, ids=repr)
def test_rebuilt_from_text(net):
    again = model_from_json(net.to_json())
    assert again == net
    assert hash(again) == hash(net)
    assert again.start == net.start
    for a, b in zip(again.realisation(5), net.realisation(5), strict=True):
        assert a.tobytes() == b.tobytes()
    assert pickle.loads(pickle.dumps(net)) == net


def test_weights_do_not_depend_on_the_context_size():
    short, long = (SelfAttention(dmfx.weights.segments(3), context_size=n).realisation(1) for n in (2, 16))
    assert short.field.tobytes() == long.field.tobytes()
    assert long.position.shape == (4, 3, 4)


def test_models_are_frozen():
    with pytest.raises(AttributeError):
        SelfAttention.paper().epsilon = 0.5


def context(**changes):
    arrays = {
        "final_attention": (("context", "pattern"), np.zeros((4, 3))),
        "final_phase": ((), 1),
    } | changes
    return xr.Dataset(arrays)


def test_start_from_a_context_built_by_hand():
    net = SelfAttention(dmfx.weights.segments(3), start=context())
    assert net.start.phase == 1
    ds = dmfx.simulate(net, beta=1.0, gamma=5.0, steps=3).compute()
    again = dmfx.simulate(net, beta=1.0, gamma=5.0, steps=3, initial=context()).compute()
    assert ds["attention"].identical(again["attention"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"weights": 3}, TypeError, "weights must be an ensemble"),
        ({"weights": {"o": [[1]], "v": [[1]]}}, ValueError, "weights lack k, q"),
        ({"context_size": 0}, ValueError, "context_size must be a whole number of at least 1, not 0"),
        ({"epsilon": 1.5}, ValueError, "epsilon must be a finite number from 0 to 1, not 1.5"),
        ({"epsilon": float("nan")}, ValueError, "epsilon must be a finite number"),
        ({"start": 3}, ValueError, "start must be a pattern from 0 to 2, not 3"),
        ({"start": [1, 1]}, ValueError, "spins by column need weights given as arrays"),
        ({"start": "here"}, TypeError, "start must be the number of a pattern"),
        (
            {"start": context(final_attention=(("context", "pattern"), np.zeros((5, 3))))},
            ValueError,
            "dim context of size 4, not 5",
        ),
        ({"start": xr.Dataset({"a": 1})}, ValueError, "final_attention"),
        ({"position_weights": {"o": [[1]]}}, ValueError, r"arrays o, v, q and k of shape \(3, 2\)"),
        ({"context_size": 2.5, "epsilon": -1}, ValueError, "2 problems: context_size .*; epsilon"),
    ],
)
def test_wrong_input(arguments, error, message):
    with pytest.raises(error, match=message):
        SelfAttention(**({"weights": dmfx.weights.segments(3)} | arguments))


@pytest.mark.parametrize("text", ['{"model": "Transformer"}', "[]"])
def test_unknown_models_are_refused(text):
    with pytest.raises(ValueError, match="this version of dmfx knows SelfAttention"):
        model_from_json(text)
