"""Going on with a training: to the last bit what it would have been, after saving, opening, and being killed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import dmfx
from dmfx import VectorAttention
from tests import oracle_vectors as oracle
from tests.training import forms

RNG = np.random.default_rng(11)
TOKENS, OTHERS = oracle.random_tokens(RNG, 30, 4, 3), oracle.random_tokens(RNG, 9, 4, 3)
STEADY = ("log_likelihood", "held_out_log_likelihood", "gradient_norm", "learning_rate")


def start(kind="full"):
    return VectorAttention(forms.some_couplings(np.random.default_rng(1), kind, 4, 3, scale=0.1))


def fit(net, epochs, **options):
    return net.fit(TOKENS, epochs=epochs, **{"batch_size": 8, "progress": False, "held_out": OTHERS} | options)


def through_a_file(net, path):
    path = dmfx.save(net.to_dataset(), path)
    return VectorAttention.from_dataset(dmfx.open(path))


def assert_same(a, b):
    """Couplings, patterns and the state of training, to the last bit."""
    assert a == b
    assert a.training.settings == b.training.settings
    for name in ("kind", "epochs", "best_epoch", "stopped"):
        assert getattr(a.training, name) == getattr(b.training, name)
    first, second = a.training, b.training
    for one, other in [(first.last, second.last), *((first.moments[m], second.moments[m]) for m in first.moments)]:
        assert set(one) == set(other)
        assert all(np.array_equal(one[name], other[name]) for name in one)
    for name in STEADY:
        assert np.array_equal(a.history[name], b.history[name], equal_nan=True)


OPTIONS = [
    {},
    {"optimiser": "plain"},
    {"symmetric": True, "l2": 0.01, "decay": 0.9},
    {"held_out": None},
    {"patience": 2},
    {"patience": 40, "learning_rate": 0.3},
    {"batch_size": 30, "seed": 4},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_three_epochs_and_three_are_six(options, suffix, tmp_path):
    half = through_a_file(fit(start(), 3, **options), tmp_path / f"net{suffix}")
    assert_same(half, fit(start(), 3, **options))
    assert_same(fit(half, 3, resume=True, **options), fit(start(), 6, **options))


@pytest.mark.parametrize("kind", forms.KINDS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_every_form_resumes(kind, symmetric, tmp_path):
    half = through_a_file(fit(start(kind), 2, symmetric=symmetric), tmp_path / "net.nc")
    assert_same(fit(half, 1, resume=True, symmetric=symmetric), fit(start(kind), 3, symmetric=symmetric))


@pytest.mark.parametrize("border", [1, 4, 12])
def test_with_early_stopping_before_and_after_it_stops(border, tmp_path):
    options = {"patience": 3, "learning_rate": 0.3, "batch_size": 5}
    whole = fit(start(), 20, **options)
    assert whole.training.stopped
    assert whole.training.epochs < 12
    half = through_a_file(fit(start(), border, **options), tmp_path / "net.nc")
    assert_same(fit(half, 20 - border, resume=True, **options), whole)


def test_with_a_vocabulary(tmp_path):
    numbers = RNG.integers(5, size=(20, 4))
    options = {"vocabulary": oracle.random_tokens(RNG, 5, 3), "batch_size": 6, "progress": False, "held_out": 4}
    half = through_a_file(start().fit(numbers, epochs=2, **options), tmp_path / "net.nc")
    again = half.fit(numbers, epochs=2, resume=True, **options)
    assert_same(again, start().fit(numbers, epochs=4, **options))
    with pytest.raises(ValueError, match="others were given: the examples"):
        half.fit(numbers, epochs=2, resume=True, **options | {"vocabulary": options["vocabulary"][::-1]})


def test_without_resume_training_starts_anew():
    net = fit(start(), 2)
    again = fit(net, 1)
    assert again.training.epochs == 1
    assert len(again.history.epoch) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 5}, "seed was 0, is 5"),
        ({"beta": 2.0, "l2": 0.1}, "beta was 1.0, is 2.0; l2 was 0.0, is 0.1"),
        ({"held_out": OTHERS[:3]}, "the examples held out"),
        ({"optimiser": "plain"}, "optimiser was 'adam', is 'plain'"),
    ],
)
def test_resume_goes_on_with_the_same(options, message):
    with pytest.raises(ValueError, match=message):
        fit(fit(start(), 1), 1, resume=True, **options)


def test_other_examples_or_couplings_are_no_resume():
    net = fit(start(), 1)
    with pytest.raises(ValueError, match=r"others were given: the examples$"):
        net.fit(TOKENS[:20], batch_size=8, held_out=OTHERS, resume=True, progress=False)
    with pytest.raises(ValueError, match="resume needs a network that fit has trained"):
        fit(net.symmetrised(), 1, resume=True)


def test_a_state_with_parts_missing_is_refused():
    ds = fit(start(), 1).to_dataset()
    with pytest.raises(ValueError, match="training_mean_matrices"):
        VectorAttention.from_dataset(ds.drop_vars("training_mean_matrices"))
    with pytest.raises(ValueError, match="'training'"):
        VectorAttention.from_dataset(ds.drop_vars("training"))
    for some in (0, [], slice(None, 0)):
        with pytest.raises(ValueError, match="lacks a part of the history of 1 epochs"):
            VectorAttention.from_dataset(ds.isel(epoch=some))


@pytest.mark.parametrize("kind", forms.KINDS)
def test_every_array_that_is_kept_says_what_it_is(kind):
    net = fit(start(kind), 4, patience=1, learning_rate=2.0)
    assert net.training.last
    ds = net.to_dataset()
    for name in ds.variables:
        assert ds[name].attrs["long_name"], name
        assert ds[name].attrs["units"], name


def test_a_checkpoint_goes_on_or_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "run.nc"
    whole = fit(start(), 5, patience=9)
    assert_same(fit(start(), 2, patience=9, checkpoint=path), fit(start(), 2, patience=9))
    calls = count_epochs(monkeypatch)
    assert_same(fit(start(), 5, patience=9, checkpoint=path), whole)
    assert len(calls) == 3
    assert_same(fit(start(), 5, patience=9, checkpoint=str(path)), whole)
    assert len(calls) == 3
    assert [each.name for each in tmp_path.iterdir()] == ["run.nc"]
    # It is an archive of the network, too.
    assert VectorAttention.from_dataset(dmfx.open(path)).couplings == whole.couplings


def count_epochs(monkeypatch):
    from dmfx.training.run import Run

    calls, epoch = [], Run.epoch
    monkeypatch.setattr(Run, "epoch", lambda self: calls.append(self.epochs) or epoch(self))
    return calls


def test_a_checkpoint_of_a_resumed_training(tmp_path, monkeypatch):
    path, half = tmp_path / "run.nc", fit(start(), 2)
    fit(half, 1, resume=True, checkpoint=path)
    calls = count_epochs(monkeypatch)
    assert_same(fit(half, 3, resume=True, checkpoint=path), fit(start(), 5))
    assert calls[:2] == [3, 4]
    early = tmp_path / "early.nc"
    fit(start(), 1, checkpoint=early)
    del calls[:]
    fit(half, 1, resume=True, checkpoint=early)
    assert calls == [2], "a checkpoint that has come less far is not gone back to"
    assert VectorAttention.from_dataset(dmfx.open(early)).training.epochs == 3


def test_the_batches_of_a_training_are_known_by_their_size(tmp_path):
    path, few = tmp_path / "run.nc", TOKENS[:20]
    options = {"progress": False, "checkpoint": path}
    whole = start().fit(few, epochs=2, progress=False)
    once = start().fit(few, epochs=1, **options)
    assert once.training.settings.batch_size == 20
    assert_same(start().fit(few, epochs=2, **options), whole)
    assert_same(once.fit(few, epochs=1, batch_size=20, resume=True, progress=False), whole)
    with pytest.raises(ValueError, match="batch_size was 20, is 10"):
        start().fit(few, epochs=2, batch_size=10, **options)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path = tmp_path / "run.nc"
    fit(start(), 3, checkpoint=path)
    before = path.read_bytes()
    for options, message in [
        ({"seed": 1}, "is of another training: seed was 0, is 1"),
        ({"batch_size": 9}, "batch_size was 8, is 9"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit(start(), 3, checkpoint=path, **options)
    with pytest.raises(ValueError, match="has come to epoch 3 already, beyond the 2"):
        fit(start(), 2, checkpoint=path)
    with pytest.raises(ValueError, match="the couplings that training starts from"):
        fit(start("full").symmetrised(), 3, checkpoint=path)
    assert path.read_bytes() == before
    other = dmfx.save(start().to_dataset(), tmp_path / "other.nc")
    with pytest.raises(ValueError, match="holds no training"):
        fit(start(), 2, checkpoint=other)


CODE = """
import sys
import numpy as np
from dmfx import VectorAttention
from tests.training import test_resume
net = test_resume.fit(test_resume.start(), 10**6, checkpoint=sys.argv[1])
"""


@pytest.mark.slow
def test_a_killed_training_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "run.nc"
    process = subprocess.Popen([sys.executable, "-c", CODE, str(path)], cwd=os.getcwd())
    try:
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = VectorAttention.from_dataset(dmfx.open(path)).training.epochs
    assert done >= 1
    calls = count_epochs(monkeypatch)
    assert_same(fit(start(), done + 2, checkpoint=path), fit(start(), done + 2))
    assert calls[:2] == [done, done + 1]
