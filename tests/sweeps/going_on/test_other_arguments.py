"""A store is gone on with by the call that made it, and by no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import dmfx
from dmfx.sweeps import StoreMismatch
from tests.sweeps.going_on.small import BETA, NET, SWEEP, states, sweep

CHANGES = {
    "model": ({"model": dmfx.SelfAttention(dmfx.weights.segments(3, 3))}, "another model"),
    "task": ({"task": "free_running"}, "no argument 'transient'|task|initial"),
    "beta": ({"beta": BETA[1:]}, r"the store has beta = 1.2 \(1 labels\), which are not among those given"),
    "gamma": ({"gamma": 220.0}, "the store has gamma = 210"),
    "seed": ({"seed": 1}, "the store has seed = 0"),
    "steps": ({"steps": 15}, "it was made with steps=16, not 15"),
    "transient": ({"transient": 11}, "arguments: it was made with transient=10, not 11"),
    "epsilon": ({"epsilon": 0.5}, "epsilon=None, not 0.5"),
    "epsilons": ({"epsilon": [0.5]}, "swept"),
    "size": ({"size": 1000}, "size=None, not 1000"),
    "replica": ({"size": 1000, "replica": 3}, "replica=None, not 3"),
    "common_noise": ({"size": 1000, "common_noise": "beta"}, "common_noise="),
    "initial": ({"initial": 1}, "initial=None, not 1"),
    "array": ({"initial": np.ones(3)}, "initial=None, not 'ndarray "),
    "starts": ({"initial": "random", "starts": 2}, "starts=None, not 2"),
    "lyapunov": ({"lyapunov": True}, "lyapunov=False, not True"),
    "carry": ({"carry": "beta"}, "carry=None, not 'beta'"),
    "direction": ({"carry": "beta", "direction": "down"}, "direction=None, not 'down'"),
    "variables": ({"variables": ("m_o",)}, r"variables=\['attention'\], not \['m_o'\]"),
    "no variables": ({"variables": None}, "not None"),
    "chunks": ({"chunks": {"beta": 3}}, "it was made with boxes of 2 along beta, not 3"),
    "reduce": ({"reduce": ["recall"]}, "it was made with reduce="),
    "another analysis": ({"reduce": ["recall", "bifurcation"]}, "reduce="),
    "its settings": (
        {"reduce": ["recall", {"analysis": "autocorrelation", "max_lag": 4}]},
        "autocorrelation: it was made with max_lag=3, not 4",
    ),
    "its name": ({"reduce": [{"analysis": "recall", "name": "again"}, SWEEP["reduce"][1]]}, "reduce="),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_arguments_are_refused(whole, name, calls):
    arguments, message = CHANGES[name]
    model = arguments.get("model", NET)
    others = {**SWEEP, **{key: value for key, value in arguments.items() if key != "model"}}
    before = states(whole)
    error = ValueError if name == "task" else StoreMismatch
    with pytest.raises(error, match=message) as raised:
        dmfx.sweep(model, store=whole, progress=False, **others)
    if name != "task":
        assert str(raised.value).startswith(f"sweep: {whole} is the store of another sweep: ")
        assert str(raised.value).endswith("Give the same arguments, or another store")
    assert calls == []
    assert states(whole) == before


DESCRIBE = """
import json, numpy as np, dmfx
from dmfx.sweeps.describe import described_call
from dmfx.sweeps.reductions import parse_reductions
from dmfx.sweeps.run import parse_run
from dmfx.validation import Problems

pat = dmfx.tokens.random(3, n_tokens=5, n_components=4, seed=1)
by_load = {n: dmfx.VectorAttention(dmfx.couplings.hebbian(pat[:n]), pat[:n]) for n in (1, 3)}
signs = np.random.default_rng(0).choice([-1, 1], (4, 2, 5))
problems, found = Problems("x"), []
ref = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[1.0, 2.0], gamma=220.0, steps=3)
for task, model, arguments in (
    ("simulate", dmfx.SelfAttention.paper(), {"steps": 3, "initial": ref}),
    ("simulate", dmfx.SelfAttention(dmfx.weights.given(*signs)), {"steps": 3, "common_noise": ("beta", "seed")}),
    ("simulate", dmfx.SelfAttention(dmfx.weights.segments(3, 9)), {"steps": 3, "initial": signs[0, 0]}),
    ("denoising", by_load, {"tokens": pat}),
    ("denoising", by_load[3], {"tokens": pat}),
    ("simulate", dmfx.VectorAttention(dmfx.couplings.random(6, 3)), {"steps": 3}),
):
    run = parse_run(problems, task, model, {"beta": 1.0, "gamma": 1.0, "seed": 0}, arguments)
    reduce = [{"analysis": "attractor_distance", "reference": ref}, {"analysis": "recall", "patterns": pat}]
    found.append(described_call(run, parse_reductions(problems, reduce), ("m_o",)))
problems.raise_any()
print(json.dumps(found))
"""


def test_calls_are_described_the_same_in_all_processes():
    """Otherwise a sweep could not be gone on with by another process."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", DESCRIBE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "77")
    ]
    (one, said), (other, _) = (process.communicate(timeout=120) for process in started)
    assert one == other
    assert len(json.loads(one)) == 6, said


def test_several_differences_in_one_message(whole):
    with pytest.raises(StoreMismatch) as raised:
        sweep(whole, transient=1, size=100, variables="m_v")
    for each in ("transient=10, not 1", "size=None, not 100", "variables="):
        assert each in str(raised.value)


@pytest.mark.parametrize(
    "changed_",
    [
        {"beta": [beta * (1 + 3e-16) for beta in BETA]},
        {"beta": np.array(BETA)[::-1]},
        {"gamma": np.array([210, 220])},
        {"seed": [0]},
        {"seed": np.uint8([0])},
        {"epsilon": None},
        {"steps": np.int64(16)},
        {"variables": "attention"},
        {"variables": ["attention"]},
        {"chunks": "auto"},
        {"chunks": 5},
        {"chunks": {"beta": 2}},
        {"chunks": {"beta": "auto"}},
        {"chunks": {"gamma": 100}},
        {"reduce": ["recall", {"analysis": "autocorrelation", "max_lag": 3, "name": "autocorrelation"}]},
    ],
    ids=lambda changed_: " ".join(changed_),
)
def test_the_same_in_another_form(store, calls, changed_):
    before = states(store)
    sweep(store, **changed_)
    assert calls == []
    assert states(store) == before
    np.testing.assert_array_equal(dmfx.open(store).beta, BETA)


def test_labels_with_rounding_give_what_the_store_has(store, calls):
    """Labels that were computed in another way do not make further points."""
    (store / "attention/c.2.0.0.0.0").unlink()
    sweep(store, beta=np.linspace(1.2, 1.31, 12), gamma=[210.0 + 1e-13, 220.0])
    assert calls == [BETA[4:6]]
    assert dmfx.check(store) == []
