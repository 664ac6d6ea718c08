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
        ({"weights": {"o": [[1]], "v": [[1]]}}, ValueError, "weights must have the keys o, v, q and k, not o, v"),
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
        # Six numbers, but not by pattern and bit.
        ({"position_weights": dict.fromkeys("ovqk", np.ones((2, 3)))}, ValueError, r"of shape \(3, 2\)"),
        ({"position_weights": dict.fromkeys("ovqk", 1j * np.ones((3, 2)))}, ValueError, r"of shape \(3, 2\)"),
        (
            {"weights": {}, "context_size": 0, "epsilon": 7},
            ValueError,
            "3 problems: context_size .*; epsilon .*; weights",
        ),
        ({"weights": {name: [[1]] for name in "ovqkx"}}, ValueError, "keys o, v, q and k, not o, v, q, k, x"),
        ({"epsilon": 10**400}, ValueError, "epsilon must be a finite number from 0 to 1"),
        ({"context_size": 10**9}, ValueError, r"context_size must be .* at most 1e\+06"),
        (
            {"start": context(final_phase=((), 1.5))},
            ValueError,
            "final_phase must be whole numbers, not of dtype float64",
        ),
        ({"start": context(final_phase=((), float("nan")))}, ValueError, "final_phase must be whole numbers"),
        (
            {"start": context(final_attention=(("context", "pattern"), np.full((4, 3), 1j)))},
            ValueError,
            "final_attention must be real numbers, not of dtype complex128",
        ),
        (
            {"start": context(final_attention=(("context", "pattern"), np.full((4, 3), np.nan)))},
            ValueError,
            "NaN or infinite",
        ),
        ({"start": context().expand_dims(beta=[1.0, 2.0])}, ValueError, "has the dims beta: select one point"),
        ({"start": context().assign_coords(pattern=list("abc"))}, ValueError, "labels of pattern must be 0 to 2"),
        ({"context_size": 2.5, "epsilon": -1}, ValueError, "2 problems: context_size .*; epsilon"),
    ],
)
def test_wrong_input(arguments, error, message):
    with pytest.raises(error, match=message):
        SelfAttention(**({"weights": dmfx.weights.segments(3)} | arguments))


def test_a_context_is_read_by_its_labels():
    values = np.arange(12.0).reshape(4, 3) / 12
    labelled = context(final_attention=(("context", "pattern"), values)).assign_coords(
        context=range(4), pattern=range(3)
    )
    net = SelfAttention(dmfx.weights.segments(3), start=labelled)
    shuffled = labelled.isel(context=[3, 1, 0, 2], pattern=[2, 0, 1]).transpose("pattern", "context")
    assert SelfAttention(dmfx.weights.segments(3), start=shuffled).start == net.start
    a, b = (dmfx.simulate(net, beta=1.0, gamma=5.0, steps=3, initial=s).attention for s in (labelled, shuffled))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("text", ['{"model": "SelfAttention"}', "no JSON", 3])
def test_half_a_model_is_refused(text):
    with pytest.raises(ValueError, match=r"the description of the model (lacks context_size, |is not JSON)"):
        model_from_json(text)


@pytest.mark.parametrize("text", ['{"model": "Transformer"}', "[]"])
def test_unknown_models_are_refused(text):
    with pytest.raises(ValueError, match="this version of dmfx knows SelfAttention"):
        model_from_json(text)
