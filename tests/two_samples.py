"""Whether two programs draw from the same law: the statistics that the tests of finite networks use, as p-values.

A sample has shape (replica, step, feature); replicas are independent, steps and features are not. Nothing is assumed of
the law: errors of means come from the spread of the replicas, and Kolmogorov-Smirnov's p-value is that of continuous
laws, an upper bound where values are tied.
"""

import numpy as np
from scipy import stats

#: Values that two programs compute by the same draws differ by rounding; no value of a lattice is near these edges.
GRAIN = 1.2345678e-7 * np.sqrt(2)


def snap(values):
    """Whole numbers: values that differ by rounding are tied."""
    return np.floor(values / GRAIN + 0.32174)


def two_sided(z):
    return 2 * stats.norm.sf(np.abs(z))


def z_of(difference, error, scale=1.0):
    """Difference in units of its error; what neither sample varies in must be equal up to rounding."""
    varies = error > 1e-12 * scale
    same = np.abs(difference) <= 1e-9 * scale
    return np.where(varies, difference / np.where(varies, error, 1.0), np.where(same, 0.0, np.inf))


def kolmogorov_smirnov(a, b):
    """P-values by feature of samples (replica, feature)."""
    effective = np.sqrt(len(a) * len(b) / (len(a) + len(b)))
    return np.array(
        [
            stats.kstwobign.sf(effective * stats.ks_2samp(snap(x), snap(y), method="asymp").statistic)
            for x, y in zip(a.T, b.T, strict=True)
        ]
    )


def products(sample):
    """Products of deviations from the mean of each step, averaged over the steps: (replica, pair of features)."""
    away = sample - sample.mean(axis=0)
    n = sample.shape[-1]
    first, second = np.triu_indices(n)
    of_replica = away.transpose(0, 2, 1) @ away / sample.shape[1]
    return of_replica[:, first, second] * (len(sample) / (len(sample) - 1))


def z_between(x, y):
    """Difference of the means of two samples (replica, ...) in units of its error."""
    error = np.sqrt(x.var(axis=0, ddof=1) / len(x) + y.var(axis=0, ddof=1) / len(y))
    return z_of(x.mean(axis=0) - y.mean(axis=0), error)


def compare(a, b, steps):
    """P-values: by Kolmogorov-Smirnov at these steps, of means, variances and covariances over all steps."""
    first, second = np.triu_indices(a.shape[-1])
    moments = two_sided(z_between(products(a), products(b)))
    return {
        "distribution": np.ravel([kolmogorov_smirnov(a[:, t], b[:, t]) for t in steps]),
        "mean": two_sided(z_between(a.mean(axis=1), b.mean(axis=1))),
        "variance": moments[first == second],
        "covariance": moments[first != second],
    }


def number_of_statistics(n_features, n_steps):
    """How many p-values `compare` returns."""
    return n_features * (n_steps + 1) + n_features * (n_features + 1) // 2
