"""Training: what it reaches, its options, and what it refuses."""

import io
import math

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq
from scipy.special import ive

import dmfx
from benchmarks import plain_training
from dmfx import VectorAttention
from dmfx.weights.streams import BATCH_STREAM, generator
from tests import oracle_vectors as oracle
from tests.training import forms

ZEROS = VectorAttention(dmfx.couplings.zeros(4, 3))
TOKENS = oracle.random_tokens(np.random.default_rng(0), 30, 4, 3)


def fit(net=ZEROS, tokens=TOKENS, **options):
    return net.fit(tokens, **{"epochs": 3, "batch_size": 8, "progress": False} | options)


def mean_length(kappa):
    return ive(1, kappa) / ive(0, kappa)


def test_against_the_plain_implementation():
    net = fit(learning_rate=0.1, beta=1.7, seed=3)
    orders = [generator(3, BATCH_STREAM, epoch).permutation(30) for epoch in (1, 2, 3)]
    expected = plain_training.train(np.zeros((4, 4, 3, 3)), TOKENS, 1.7, orders, 8, plain_training.Adam(0.1))
    np.testing.assert_allclose(net.couplings.dense(), expected, rtol=1e-8, atol=1e-10)
    likely = plain_training.log_likelihood(expected, TOKENS, 1.7)
    np.testing.assert_allclose(net.log_likelihood(TOKENS, 1.7), likely, rtol=1e-8)


def test_one_pattern_of_two_tokens_on_the_circle_by_hand():
    # J_12 stays c x_1 x_2ᵀ: the gradient is β [1 - A(βc)] x_1 x_2ᵀ.
    pattern = np.array([[[0.6, 0.8], [0.0, 1.0]]])
    net = VectorAttention(dmfx.couplings.zeros(2, 2))
    c, beta, rate = 0.0, 1.5, 0.3
    net = fit(net, pattern, optimiser="plain", learning_rate=rate, beta=beta, epochs=7, batch_size=1)
    for _ in range(7):
        c += rate * beta * (1 - mean_length(beta * c))
    np.testing.assert_allclose(net.couplings.dense()[0, 1], c * np.outer(*pattern[0]), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(net.couplings.dense()[1, 0], c * np.outer(*pattern[0]).T, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("optimiser", ["adam", "plain"])
def test_two_tokens_on_the_circle_reach_the_maximum(optimiser):
    # Given x_2, token 1 is at angles ±θ: the most likely law has the mean length A(κ) = cos θ.
    theta = 0.7
    first = np.array([[math.cos(theta), math.sin(theta)], [math.cos(theta), -math.sin(theta)]])
    tokens = np.stack([first, np.tile([0.0, 1.0], (2, 1))], axis=1)
    net = VectorAttention(dmfx.couplings.zeros(2, 2))
    rate = {"adam": 0.02, "plain": 0.5}[optimiser]
    net = fit(net, tokens, optimiser=optimiser, learning_rate=rate, beta=2.0, epochs=600, batch_size=2)
    kappa = brentq(lambda k: mean_length(k) - math.cos(theta), 0.1, 20)
    np.testing.assert_allclose(2 * net.couplings.dense()[0, 1] @ [0.0, 1.0], [kappa, 0.0], rtol=1e-5, atol=1e-6)


def test_a_penalty_by_hand():
    # One pattern of two tokens: at the maximum β [1 - A(βc)] = l2 c.
    pattern = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    net = VectorAttention(dmfx.couplings.zeros(2, 2))
    net = fit(net, pattern, optimiser="plain", learning_rate=0.5, beta=2.0, l2=0.3, epochs=400, batch_size=1)
    c = brentq(lambda c: 2 * (1 - mean_length(2 * c)) - 0.3 * c, 0.1, 10)
    np.testing.assert_allclose(net.couplings.dense()[0, 1], [[0, c], [0, 0]], atol=1e-10)


@pytest.mark.parametrize("kind", forms.KINDS)
def test_symmetric_couplings_stay_symmetric(kind):
    start = forms.some_couplings(np.random.default_rng(1), kind, 4, 3, scale=0.2)
    net = fit(VectorAttention(start), symmetric=True, l2=0.01)
    J = net.couplings.dense()
    if kind == "low_rank":
        np.testing.assert_allclose(J, J.transpose(1, 0, 3, 2), atol=1e-14)
        assert net.couplings.rank == 2 * start.rank
        assert np.array_equal(net.couplings.parameters["left"], np.roll(net.couplings.parameters["right"], 2, axis=-1))
    else:
        assert np.array_equal(J, J.transpose(1, 0, 3, 2))
    assert float(net.log_likelihood(TOKENS).mean()) > float(VectorAttention(start).log_likelihood(TOKENS).mean())


@pytest.mark.parametrize("kind", forms.KINDS)
def test_every_form_learns_and_nothing_feels_itself(kind):
    start = VectorAttention(forms.some_couplings(np.random.default_rng(2), kind, 4, 3, scale=0.1))
    net = fit(start, TOKENS[:5], epochs=60, batch_size=5)
    assert net.couplings.kind == kind
    gain = net.log_likelihood(TOKENS[:5]) - start.log_likelihood(TOKENS[:5])
    assert float(gain.mean()) > 1.0
    assert not net.couplings.dense()[np.arange(4), np.arange(4)].any()


def test_a_vocabulary_is_learned():
    # The second token repeats the first: given one, the other is certain.
    numbers = np.repeat(np.arange(3), 4)[:, None] + np.zeros(2, int)
    vocabulary = np.eye(3)
    net = fit(VectorAttention(dmfx.couplings.zeros(2, 3)), numbers, vocabulary=vocabulary, epochs=150, batch_size=6)
    likely = net.log_likelihood(numbers, vocabulary=vocabulary)
    assert float(likely.min()) > -0.01
    assert net.patterns.shape == (12, 2, 3)
    assert np.array_equal(net.patterns, vocabulary[numbers])
    expected = [
        oracle.log_pseudo_likelihood(net.couplings.dense(), vocabulary[each], 1.0, vocabulary) for each in numbers
    ]
    np.testing.assert_allclose(likely, expected, rtol=1e-9, atol=1e-12)


def test_a_codebook_is_a_vocabulary():
    book = dmfx.tokens.Codebook.fit(TOKENS, 5)
    words = book.encode(TOKENS)
    net = fit(tokens=words, vocabulary=book, held_out=10)
    assert net == fit(tokens=words, vocabulary=book.vectors, held_out=10)
    likely = net.log_likelihood(words, vocabulary=book)
    assert np.array_equal(likely, net.log_likelihood(words, vocabulary=book.vectors))
    assert likely.attrs["long_name"] == "log-likelihood of a token, given all others"
    np.testing.assert_allclose(net.log_likelihood(words, beta=0.0, vocabulary=book), -math.log(5), rtol=1e-13)
    with pytest.raises(ValueError, match=r"vocabulary must be unit vectors of shape"):
        fit(tokens=words, vocabulary=dmfx.tokens.Codebook(np.eye(4)))


def test_steps_take_50_examples_or_all_there_are():
    net = ZEROS.fit(TOKENS, epochs=1, progress=False)
    assert net == fit(epochs=1, batch_size=30)
    assert net.training.settings.batch_size == 30
    assert ZEROS.fit(TOKENS, epochs=1, held_out=10, progress=False).training.settings.batch_size == 20
    many = oracle.random_tokens(np.random.default_rng(5), 60, 4, 3)
    assert ZEROS.fit(many, epochs=1, progress=False).training.settings.batch_size == 50


def test_what_comes_back():
    held_out = oracle.random_tokens(np.random.default_rng(3), 7, 4, 3)
    net = fit(held_out=held_out, decay=0.5)
    assert ZEROS.training is None
    assert ZEROS.history is None
    assert not ZEROS.couplings.dense().any()
    assert np.array_equal(net.patterns, TOKENS)
    history = net.history
    assert list(history.epoch.values) == [1, 2, 3]
    assert history.learning_rate.values.tolist() == [0.05, 0.025, 0.0125]
    assert float(history.held_out_log_likelihood[-1]) == pytest.approx(
        float(net.log_likelihood(held_out).mean()), rel=1e-12
    )
    assert (history.gradient_norm > 0).all()
    assert (history.seconds > 0).all()
    assert all(history[name].attrs["long_name"] for name in history.variables)
    assert "trained for 3 epochs" in repr(net)
    assert fit().history.held_out_log_likelihood.isnull().all()


def test_the_history_is_of_the_examples_as_they_were_met():
    one = fit(epochs=1, batch_size=30)
    assert float(one.history.log_likelihood[0]) == pytest.approx(-math.log(4 * math.pi), rel=1e-12)
    _, gradient = plain_training.gradient(np.zeros((4, 4, 3, 3)), TOKENS, 1.0)
    assert float(one.history.gradient_norm[0]) == pytest.approx(np.linalg.norm(gradient), rel=1e-12)


def test_held_out_are_the_last():
    explicit = fit(tokens=TOKENS[:24], held_out=TOKENS[24:])
    assert fit(held_out=6) == explicit
    assert fit(held_out=0.2) == explicit
    assert len(explicit.patterns) == 24


def test_nothing_of_the_result_can_be_written_to():
    net = fit(held_out=5, patience=1, epochs=4)
    state = net.training
    arrays = [*net.couplings.parameters.values(), net.patterns, *state.last.values()]
    arrays += [array for moment in state.moments.values() for array in moment.values()]
    assert not any(array.flags.writeable for array in arrays)


def test_patterns_may_be_kept():
    net = fit(ZEROS.with_patterns(TOKENS[:2]), store_patterns=False)
    assert np.array_equal(net.patterns, TOKENS[:2])


def test_options_change_the_result_and_nothing_else_does():
    net = fit()
    assert fit() == net
    assert fit(workers=1) == fit(workers=7) == net
    for option in ({"seed": 1}, {"beta": 2.0}, {"batch_size": 7}, {"l2": 0.1}, {"symmetric": True}, {"epochs": 4}):
        assert fit(**option) != net


def test_early_stopping_keeps_the_best():
    few, others = TOKENS[:6], oracle.random_tokens(np.random.default_rng(4), 20, 4, 3)
    net = fit(tokens=few, held_out=others, epochs=200, batch_size=3, patience=4)
    likely = net.history.held_out_log_likelihood
    best = int(np.argmax(likely.values)) + 1
    assert net.training.stopped
    assert net.training.best_epoch == best
    assert net.training.epochs == best + 4 < 200
    assert float(net.log_likelihood(others).mean()) == pytest.approx(float(likely.max()), rel=1e-12)


def test_large_learning_rates_are_reported():
    with pytest.raises(FloatingPointError, match="diverged in epoch 1: take a smaller learning_rate"):
        fit(optimiser="plain", learning_rate=1e308, epochs=2)


def test_progress_is_shown_on_a_terminal_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        fit(progress=True)
        assert ("3/3" in stream.getvalue()) == shown


def test_log_likelihood_is_labelled():
    likely = fit(epochs=1).log_likelihood(TOKENS[:3], beta=2.0)
    assert likely.dims == ("initial", "token")
    assert likely.name == "log_likelihood"
    assert float(likely.beta) == 2.0
    assert isinstance(likely, xr.DataArray)
    one = fit(epochs=1).log_likelihood(TOKENS[0], beta=2.0)
    assert np.array_equal(one[0], likely[0])
    np.testing.assert_allclose(fit().log_likelihood(TOKENS, beta=0.0), -math.log(4 * math.pi), rtol=1e-13)


def test_more_examples_than_a_batch():
    many = oracle.random_tokens(np.random.default_rng(5), 150, 4, 3)
    net = fit()
    whole = net.log_likelihood(many, workers=2)
    assert np.array_equal(whole[100:].values, net.log_likelihood(many[100:], workers=1).values)


FLOATS = np.zeros((2, 4), float)
WRONG = [
    ({"tokens": TOKENS[:, :3]}, ValueError, r"tokens must be unit vectors of shape \(n, 4, 3\)"),
    ({"tokens": "images"}, TypeError, "tokens must be"),
    ({"tokens": 2 * TOKENS}, ValueError, "tokens must be unit vectors, but has others"),
    ({"tokens": np.where(np.arange(30)[:, None, None] == 3, np.nan, TOKENS)}, ValueError, "NaN"),
    ({"tokens": TOKENS * 0}, ValueError, "zero vectors"),
    ({"tokens": np.zeros((5, 4), int)}, ValueError, "pass vocabulary"),
    ({"batch_size": 31}, ValueError, "batch_size must be at most the number of examples, 30"),
    ({"batch_size": 25, "held_out": 10}, ValueError, "batch_size must be at most the number of examples, 20"),
    ({"batch_size": 0}, ValueError, "batch_size"),
    ({"beta": 0.0}, ValueError, "beta must be above 0"),
    ({"beta": -1.0}, ValueError, "beta must be above 0"),
    ({"beta": np.nan}, ValueError, "beta"),
    ({"epochs": 0}, ValueError, "epochs"),
    ({"learning_rate": 0}, ValueError, "learning_rate must be above 0"),
    ({"decay": 1.1}, ValueError, "decay"),
    ({"optimiser": "sgd"}, ValueError, "optimiser must be one of 'adam', 'plain'"),
    ({"l2": -1}, ValueError, "l2"),
    ({"symmetric": 1}, TypeError, "symmetric must be True or False"),
    ({"patience": 3}, ValueError, "patience needs held_out"),
    ({"patience": 0, "held_out": 5}, ValueError, "patience"),
    ({"held_out": 30}, ValueError, "held_out must leave examples on both sides"),
    ({"held_out": 1.5}, ValueError, "held_out must leave examples on both sides"),
    ({"held_out": True}, TypeError, "held_out"),
    ({"held_out": TOKENS[:, :3]}, ValueError, "held_out must be unit vectors of shape"),
    ({"seed": -1}, ValueError, "seed"),
    ({"resume": True}, ValueError, "resume needs a network that fit has trained"),
    ({"resume": 1}, TypeError, "resume must be True or False"),
    ({"workers": 0}, ValueError, "workers"),
    ({"checkpoint": 3}, TypeError, "checkpoint must be a path"),
    ({"checkpoint": "run.zarr"}, ValueError, "checkpoint must be a path ending in .nc"),
    ({"checkpoint": "/no/such/folder/run.nc"}, ValueError, "there is no folder"),
    ({"vocabulary": np.eye(3)}, ValueError, "tokens must be whole numbers of shape .*, as there is a vocabulary, not"),
    ({"vocabulary": np.eye(3), "tokens": FLOATS}, TypeError, "whole numbers"),
    ({"vocabulary": np.eye(3), "tokens": FLOATS.astype(int) + 3}, ValueError, "from 0 to 2, but has 3"),
    ({"vocabulary": np.eye(4), "tokens": FLOATS.astype(int)}, ValueError, "vocabulary must be"),
    ({"vocabulary": 2 * np.eye(3), "tokens": FLOATS.astype(int)}, ValueError, "vocabulary must be unit vectors"),
    ({"vocabulary": np.eye(3)[:1], "tokens": FLOATS.astype(int)}, ValueError, "at least two vectors"),
    ({"vocabulary": 5, "tokens": FLOATS.astype(int)}, ValueError, "vocabulary must be unit vectors"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        fit(**options)


def test_all_problems_at_once():
    with pytest.raises(ValueError, match=r"3 problems.*beta.*epochs.*tokens"):
        fit(beta=-1, epochs=0, tokens=TOKENS[0, 0])


def test_random_couplings_are_drawn_first():
    net = VectorAttention(dmfx.couplings.random(4, 3))
    with pytest.raises(ValueError, match="random: train those of one seed"):
        fit(net)
    with pytest.raises(ValueError, match="random: take those of one seed"):
        net.log_likelihood(TOKENS)
    assert fit(VectorAttention(net.couplings.draw(3))).training.epochs == 3


def test_couplings_that_overflow_in_the_last_step_are_no_result():
    pair = np.array([[[1.0, 0.0], [1.0, 0.0]]])
    net = VectorAttention(dmfx.couplings.zeros(2, 2))
    with pytest.raises(FloatingPointError, match="fit: training diverged in epoch 1"), np.errstate(over="ignore"):
        fit(net, pair, optimiser="plain", learning_rate=1e308, beta=10.0, epochs=1, batch_size=1)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("options", [{}, {"optimiser": "plain", "l2": 0.1}, {"patience": 2, "symmetric": True}])
def test_the_memory_that_is_asked_for_is_what_a_training_takes(options, again, monkeypatch, tmp_path):
    import tracemalloc

    net = VectorAttention(dmfx.couplings.zeros(30, 12))
    options = {
        "tokens": oracle.random_tokens(np.random.default_rng(1), 16, 30, 12),
        "held_out": 4,
        "workers": 2,
    } | options
    if again:
        options["checkpoint"] = tmp_path / "net.nc"
    fit(net, epochs=1, **options)
    asked = []
    monkeypatch.setattr(
        "dmfx.training.needs.check_memory", lambda problems, what, n_bytes, remedy: asked.append(n_bytes)
    )
    tracemalloc.start()
    fit(net, epochs=2, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.6 * asked[0] < peak < 1.1 * asked[0] + 500_000


def test_the_norm_of_the_gradient_is_that_of_each_batch():
    plain = {"optimiser": "plain", "epochs": 1, "l2": 0.2}
    start = VectorAttention(forms.some_couplings(np.random.default_rng(4), "full", 4, 3, scale=0.1))
    order = generator(0, BATCH_STREAM, 1).permutation(30)
    lengths = []
    for first in range(0, 30, 8):
        batch = TOKENS[order[first : first + 8]]
        moved = fit(start, batch, learning_rate=1.0, batch_size=len(batch), **plain).couplings.dense()
        lengths.append(np.linalg.norm(moved - start.couplings.dense()))
    net = fit(start, learning_rate=1e-200, **plain)
    assert float(net.history.gradient_norm[0]) == pytest.approx(math.sqrt(np.mean(np.square(lengths))), rel=1e-9)


def test_memory_is_asked_for_before(monkeypatch):
    monkeypatch.setattr("dmfx.memory.available", lambda: 10_000)
    with pytest.raises(ValueError, match="training, with its gradient and what the optimiser keeps, would take"):
        fit()
    with pytest.raises(ValueError, match="the fields of a batch would take"):
        ZEROS.log_likelihood(TOKENS)


@pytest.mark.parametrize("options", [{"beta": -1}, {"tokens": TOKENS[..., :2]}, {"vocabulary": 1}])
def test_wrong_arguments_of_the_likelihood(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ZEROS.log_likelihood(**{"tokens": TOKENS} | options)
