"""What training reaches on MNIST: the numbers of the prototype in the theory's notes."""

import numpy as np
import pytest

import dmfx
from dmfx import VectorAttention
from tests import mnist


@pytest.fixture(scope="module")
def tokens():
    images = mnist.beside(5100).image.values
    encoded = dmfx.tokens.Patches((28, 28), patch=4).encode(images)
    return encoded[:1000], encoded[5000:]


@pytest.fixture(scope="module")
def net(tokens):
    train, held_out = tokens
    zeros = VectorAttention(dmfx.couplings.zeros(49, 17))
    return zeros.fit(train, beta=1.0, epochs=6, batch_size=50, learning_rate=0.05, held_out=held_out, progress=False)


def test_likelihood_of_images_never_seen(net, tokens):
    train, held_out = tokens
    assert float(net.log_likelihood(held_out).mean()) == pytest.approx(11.1, abs=0.1)
    assert float(net.history.held_out_log_likelihood[-1]) >= 11.0
    assert float(net.log_likelihood(train).mean()) == pytest.approx(10.9, abs=0.1)
    assert (np.diff(net.history.held_out_log_likelihood) > 0).all()


def test_one_step_takes_most_of_the_noise_away(net, tokens):
    _, clean = tokens
    noise = 0.3 * np.random.default_rng(0).standard_normal(clean.shape)
    noisy = dmfx.tokens.normalise(clean + noise)
    fields = np.einsum("ijab,njb->nija", net.couplings.dense(), noisy, optimize=True)
    scores = np.einsum("nia,nija->nij", noisy, fields)
    scores[:, np.arange(49), np.arange(49)] = -np.inf
    attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attention /= attention.sum(axis=-1, keepdims=True)
    cleaned = dmfx.tokens.normalise(np.einsum("nij,nija->nia", attention, fields) + noisy)
    before, after = ((each * clean).sum(axis=-1).mean() for each in (noisy, cleaned))
    assert before == pytest.approx(0.63, abs=0.005)
    assert after == pytest.approx(0.94, abs=0.005)
