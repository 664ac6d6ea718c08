"""Maps whose periodic orbits and bifurcations are known exactly, as families for Newton's method."""

import numpy as np


class TextbookMap:
    """x → f(x, p) with its derivatives by x and by p, for many states at once."""

    def __init__(self, step, matrix, slope):
        self.step, self.matrix, self.slope = step, matrix, slope

    def __call__(self, states, parameters, points, steps):
        return self.with_slopes(states, parameters, points, steps)[:2]

    def with_slopes(self, states, parameters, points, steps):
        count, size = states.shape
        matrices, slopes = np.broadcast_to(np.eye(size), (count, size, size)), np.zeros((count, size))
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                matrix = self.matrix(states, parameters)
                matrices = matrix @ matrices
                slopes = (matrix @ slopes[..., None])[..., 0] + self.slope(states, parameters)
                states = self.step(states, parameters)
        return states, matrices, slopes

    def orbit(self, start, parameter, steps):
        """States from a start on, (step, component), without the start."""
        states = [np.atleast_2d(np.asarray(start, dtype=float))]
        for _ in range(steps):
            states.append(self.step(states[-1], np.array([parameter])))
        return np.concatenate(states[1:])


def one_dimensional(step, by_state, by_parameter):
    return TextbookMap(
        lambda x, p: step(x[:, 0], p)[:, None],
        lambda x, p: by_state(x[:, 0], p)[:, None, None],
        lambda x, p: by_parameter(x[:, 0], p)[:, None],
    )


def stacked(*rows):
    """Matrices of numbers and arrays (k,)."""
    flat = np.broadcast_arrays(*(element for row in rows for element in row))
    return np.stack(flat, axis=-1).reshape(-1, len(rows), len(rows[0]))


B = 0.3

#: x' = r x (1 - x)
LOGISTIC = one_dimensional(lambda x, r: r * x * (1 - x), lambda x, r: r * (1 - 2 * x), lambda x, r: x * (1 - x))

#: x' = 1 - a x² + y, y' = 0.3 x
HENON = TextbookMap(
    lambda x, a: np.stack([1 - a * x[:, 0] ** 2 + x[:, 1], B * x[:, 0]], axis=-1),
    lambda x, a: stacked((-2 * a * x[:, 0], 1.0), (B, 0.0)),
    lambda x, a: np.stack([-(x[:, 0] ** 2), 0 * a], axis=-1),
)

#: x' = r x (1 - y), y' = x
DELAYED = TextbookMap(
    lambda x, r: np.stack([r * x[:, 0] * (1 - x[:, 1]), x[:, 0]], axis=-1),
    lambda x, r: stacked((r * (1 - x[:, 1]), -r * x[:, 0]), (1.0, 0.0)),
    lambda x, r: np.stack([x[:, 0] * (1 - x[:, 1]), 0 * r], axis=-1),
)

#: x' = x + 0.3 (x² + p² - 1): its fixed points are a circle
CIRCLE = one_dimensional(
    lambda x, p: x + 0.3 * (x**2 + p**2 - 1), lambda x, p: 1 + 0.6 * x + 0 * p, lambda x, p: 0.6 * p + 0 * x
)

#: x' = (1 + p) x - x³: its fixed points are a pitchfork
PITCHFORK = one_dimensional(lambda x, p: (1 + p) * x - x**3, lambda x, p: 1 + p - 3 * x**2, lambda x, p: x + 0 * p)


def sharp_doubling(bend):
    """x' = -(1 + p) x + c x³: its orbits of period 2 are ±√(p / c), which p hardly moves where c is large."""
    return one_dimensional(
        lambda x, p: -(1 + p) * x + bend * x**3, lambda x, p: -(1 + p) + 3 * bend * x**2, lambda x, p: -x
    )


def sharp_fold(bend):
    """x' = x + 0.3 (p - c x²): its fixed points are ±√(p / c)."""
    return one_dimensional(
        lambda x, p: x + 0.3 * (p - bend * x**2), lambda x, p: 1 - 0.6 * bend * x + 0 * p, lambda x, p: 0.3 + 0 * p
    )


def _resonance(x, p):
    z, turn = x[:, 0] + 1j * x[:, 1], np.exp(1j * (2 * np.pi / 3 + p))
    return z, z.conj(), turn, 1.2 - abs(z) ** 2


def _resonance_step(x, p):
    z, conjugate, turn, growth = _resonance(x, p)
    return _real(turn * z * growth + 0.05 * conjugate**2)


def _resonance_matrix(x, p):
    z, conjugate, turn, growth = _resonance(x, p)
    by_z, by_conjugate = turn * (growth - abs(z) ** 2), -turn * z**2 + 0.1 * conjugate
    return np.stack([_real(by_z + by_conjugate), _real(1j * (by_z - by_conjugate))], axis=-1)


def _resonance_slope(x, p):
    z, _, turn, growth = _resonance(x, p)
    return _real(1j * turn * z * growth)


def _real(z):
    return np.stack([z.real, z.imag], axis=-1)


#: z' = exp(i (2π/3 + p)) z (1.2 - |z|²) + 0.05 z*²: a rotation of a circle, locked to period 3 near p = 0
RESONANCE = TextbookMap(_resonance_step, _resonance_matrix, _resonance_slope)
