"""``dmfx train``, ``dmfx task`` and ``dmfx simulate --network``: networks of vector spins from a shell."""

import json

import numpy as np
import pytest

import dmfx
from dmfx.cli.train import ENCODER
from dmfx.training.run import Run
from tests.test_cli import run

TRAINING = ("--examples", "0:60", "--held-out", "100:120", "--epochs", "2", "--patch", "4")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A small network that ``dmfx train`` made."""
    path = tmp_path_factory.mktemp("networks") / "net.nc"
    assert dmfx.cli.main(["train", str(path), *TRAINING]) == 0
    return path


def digits(examples):
    images = dmfx.tokens.digits(examples=examples)["image"]
    return dmfx.tokens.Patches.of(images, 4).encode(images)


def test_train_makes_the_network_that_fit_makes(network):
    kept = dmfx.open(network)
    net = dmfx.VectorAttention(dmfx.couplings.zeros(4, 17))
    expected = net.fit(digits(slice(0, 60)), epochs=2, held_out=digits(slice(100, 120)), progress=False)
    assert kept.dmft.model == expected
    assert dmfx.tokens.Patches.from_spec(json.loads(kept.attrs[ENCODER])).grid == (2, 2)


def test_train_says_what_it_reached(tmp_path, capsys):
    made = tmp_path / "net.zarr"
    words = (*TRAINING, "--couplings", "relative", "--checkpoint", tmp_path / "state.nc")
    status, out, err = run(capsys, "train", made, *words)
    assert (status, err.count("Error")) == (0, 0)
    assert "4 tokens in 17 components, 2312 parameters" in out
    assert "held out" in out
    assert dmfx.open(made).dmft.model.couplings.grid == (2, 2)
    status, _, err = run(capsys, "train", made, *words)
    assert status == 2
    assert "--overwrite" in err


def test_train_says_which_epoch_it_took(tmp_path, capsys):
    made = tmp_path / "net.nc"
    words = (*TRAINING[:4], "--epochs", "30", "--patch", "4", "--patience", "1", "--learning-rate", "2")
    status, out, _ = run(capsys, "train", made, *words)
    assert status == 0
    net = dmfx.open(made).dmft.model
    best, epochs = net.training.best_epoch, net.training.epochs
    assert best < epochs
    likely = float(net.history.held_out_log_likelihood.max())
    assert f"held out {likely:.3f}, in epoch {best}, the best of {epochs}" in out


def test_info_says_what_the_archive_holds(network, capsys):
    status, out, _ = run(capsys, "info", network)
    assert status == 0
    assert "VectorAttention(Couplings(full, n_tokens=4, n_components=17" in out


def test_few_examples_are_one_batch(tmp_path, capsys):
    status, _, _ = run(capsys, "train", tmp_path / "net.nc", "--examples", "0:10", "--patch", "4", "--epochs", "1")
    assert status == 0
    assert dmfx.open(tmp_path / "net.nc").dmft.model.training.settings.batch_size == 10


def test_an_interrupted_training_says_where_it_goes_on(tmp_path, capsys, monkeypatch):
    made, state = tmp_path / "net.nc", tmp_path / "state.nc"
    words = ("train", made, *TRAINING, "--checkpoint", state)

    def interrupted(self):
        if self.epochs == stop:
            raise KeyboardInterrupt
        epoch(self)

    epoch = Run.epoch
    monkeypatch.setattr(Run, "epoch", interrupted)
    stop = 0
    status, _, err = run(capsys, *words)
    assert status == 130
    assert "dmfx train: interrupted; no file was left half written" in err
    stop = 1
    status, _, err = run(capsys, *words)
    assert status == 130
    assert f"interrupted; the epochs so far are kept in {state}, and the same command goes on from there" in err
    monkeypatch.undo()
    assert run(capsys, *words)[0] == 0
    assert dmfx.open(made).dmft.model.training.epochs == 2


def test_a_task_takes_data_and_beta_of_the_training(tmp_path, capsys, monkeypatch):
    asked, made = [], []

    def pictures(options, examples):
        asked.append((options.data, options.split))
        return np.random.default_rng(0).random((5, 4, 6))

    for module in ("train", "examples"):
        monkeypatch.setattr(f"dmfx.cli.{module}.parse_data", pictures)
    monkeypatch.setattr("dmfx.cli.task.keep", lambda build, options: made.append(build()))
    monkeypatch.chdir(tmp_path)
    words = ("--data", "mnist:here", "--split", "test", "--beta", "2.5", "--epochs", "1")
    assert run(capsys, "train", "net.nc", *words)[0] == 0
    for words in ((), ("--data", "cifar10", "--beta", "1"), ("--split", "train")):
        assert run(capsys, "task", "denoising", "net.nc", "task.nc", *words)[0] == 0
    here = f"mnist:{tmp_path / 'here'}"
    assert asked == [("mnist:here", "test"), (here, "test"), ("cifar10", "train"), (here, "train")]
    assert [ds.beta.item() for ds in made] == [2.5, 1.0, 2.5]


def test_a_task_on_other_images(network, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dmfx.cli.examples.parse_data", lambda options, examples: np.zeros((2, 28, 28)))
    status, _, err = run(capsys, "task", "denoising", network, tmp_path / "a.nc", "--data", "mnist")
    assert status == 2
    assert "trained on images of 8 x 8, but those of --data mnist are of 28 x 28: choose --data as in dmfx train" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "words", "call"),
    [
        (
            "denoising",
            ("--noise", "0.1,0.3"),
            lambda net, x: dmfx.denoising(net, x, beta=1.0, gamma=0.0, noise=[0.1, 0.3]),
        ),
        (
            "masked_prediction",
            ("--hidden", "block", "--gamma", "0,2"),
            lambda net, x: dmfx.masked_prediction(net, x, beta=1.0, gamma=[0, 2], hidden="block", grid=(2, 2)),
        ),
        (
            "free_running",
            ("--noise", "0.2", "--steps", "4", "--ablations"),
            lambda net, x: dmfx.ablations(dmfx.free_running, net, x, beta=1.0, gamma=0.0, noise=0.2, steps=4),
        ),
    ],
)
def test_task_keeps_what_the_function_returns(network, tmp_path, capsys, task, words, call):
    made = tmp_path / "task.nc"
    status, out, _ = run(capsys, "task", task, network, made, "--examples", "100:105", "--workers", "1", *words)
    assert status == 0
    assert str(made) in out
    expected = call(dmfx.open(network).dmft.model, digits(slice(100, 105))).compute()
    kept = dmfx.open(made).load()
    for name in expected.data_vars:
        np.testing.assert_array_equal(kept[name], expected[name], err_msg=name)


@pytest.mark.slow
def test_simulate_runs_the_network(network, tmp_path, capsys):
    made = tmp_path / "run.nc"
    words = ("--network", network, "--beta", "1,2", "--steps", "3", "--initial", "patterns", "--workers", "1")
    status, _, _ = run(capsys, "simulate", made, *words)
    assert status == 0
    net = dmfx.open(network).dmft.model
    expected = dmfx.simulate(net, beta=[1, 2], gamma=0.0, steps=3, initial="patterns").compute()
    np.testing.assert_array_equal(dmfx.open(made)["overlap"], expected["overlap"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "{new}", "--data", "faces"), "--data: there is no 'faces'; expected one of digits, mnist, cifar10"),
        (("train", "{new}", "--data", "digits:here"), "takes no folder"),
        (("train", "{new}", "--data", "mnist:nowhere"), "nowhere"),
        (("train", "{new}", "--examples", "5"), "'5' is not a range START:STOP of examples"),
        (("train", "{new}", "--couplings", "low_rank"), "expected full, relative or low_rank:R"),
        (("train", "{new}", "--patch", "3"), "patch"),
        (("train", "{new}", "--examples", "0:10", "--batch-size", "50"), "batch_size must be at most"),
        (("train", "{new}", "--examples", "0:60", "--learning-rate", "1e200"), "training diverged in epoch 1"),
        (("train", "{new}", "--examples", "0:60", "--checkpoint", "{new}"), "--checkpoint must be another file"),
        (("task", "dreaming", "{network}", "{new}"), "invalid choice"),
        (("task", "denoising", "{network}", "{new}", "--fraction", "0.2"), "--fraction goes with masked_prediction"),
        (("task", "denoising", "{other}", "{new}"), "holds no network that dmfx train made"),
        (("simulate", "{new}", "--network", "{other}", "--beta", "1", "--steps", "1"), "holds no network of vector"),
        (
            ("simulate", "{new}", "--network", "{network}", "--weights", "paper", "--beta", "1", "--steps", "1"),
            "--network goes without --weights",
        ),
    ],
)
def test_wrong_input_is_one_line_and_status_2(network, tmp_path, capsys, words, message):
    other = tmp_path / "other.nc"
    dmfx.simulate(dmfx.SelfAttention.paper(), beta=1.0, gamma=220.0, steps=1).dmft.save(other)
    places = {"new": tmp_path / "new.nc", "network": network, "other": other}
    status, _, err = run(capsys, *(word.format(**places) for word in words))
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not places["new"].exists()
