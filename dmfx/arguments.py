"""What a sweep is told besides its parameters: noise, carrying, exponents."""

from __future__ import annotations

import numpy as np

from dmfx.blocks import Measurement
from dmfx.dynamics import exponents
from dmfx.finite_size import Noise, parse_sizes
from dmfx.models.self_attention import SelfAttention
from dmfx.models.start import Token
from dmfx.starts import RandomTokens, Start
from dmfx.validation import Problems

__all__ = ["parse_carry", "parse_lyapunov", "parse_noise"]

#: Steps of the transient in which tangent vectors turn into the directions of the exponents.
ALIGN = 1000


def parse_noise(
    problems: Problems, model: SelfAttention, size: object, replica: object, axes: dict[str, np.ndarray]
) -> tuple[Noise, bool]:
    """Size and replica of all points where they are not dims, and whether any network is finite; adds the dims."""
    noise, finite = Noise(), False
    if size is not None:
        sizes = parse_sizes(problems, size)
        noise, finite = noise._replace(size=float(sizes[0])), bool(np.isfinite(sizes).any())
        if np.ndim(size) > 0:
            axes["size"] = sizes
    if replica is not None:
        replicas = problems.axis("replica", replica, minimum=0, integer=True)
        noise = noise._replace(replica=int(replicas[0]))
        if np.ndim(replica) > 0:
            axes["replica"] = replicas
        if size is None:
            problems.say("replica, the realisation of the thermal noise, goes with size=: the mean field has no noise")
    if finite and not problems.messages:
        for seed in axes["seed"][: 1 if model.is_fixed else None].tolist():
            if reason := model.weights.why_not_finite(seed):
                problems.say(f"size: {reason} (seed {seed}): their networks are known in the mean field only")
                break
    return noise, finite


def parse_carry(
    problems: Problems, carry: object, direction: object, axes: dict[str, np.ndarray]
) -> tuple[str | None, str]:
    """The dim that is carried, if any, and which way; adds the dim ``direction`` for both."""
    if carry is None:
        if direction is not None:
            problems.say("direction goes with carry=, the dim along which runs go on from each other")
        return None, "up"
    direction = problems.choice("direction", "up" if direction is None else direction, ("up", "down", "both"))
    if isinstance(carry, str) and carry == "epsilon" and "epsilon" not in axes:
        problems.say("carry='epsilon' needs epsilon= as an array")
        return None, direction
    known = [dim for dim in ("beta", "gamma", "epsilon") if dim in axes]
    if not isinstance(carry, str) or carry not in known:
        problems.choice("carry", carry, known)
        return None, direction
    apart = np.diff(axes[carry])
    if not ((apart > 0).all() or (apart < 0).all()):
        problems.say(f"{carry} must be in ascending or descending order to be carried")
    if direction == "both":
        axes["direction"] = np.array(["up", "down"])
    return carry, direction


def parse_lyapunov(
    problems: Problems, lyapunov: object, model: SelfAttention, start: Start, transient: int, steps: int
) -> Measurement | None:
    """The exponents to measure, None for none."""
    if lyapunov is None or (isinstance(lyapunov, (bool, np.bool_)) and not lyapunov):
        return None
    size = model.context_size * model.n_patterns
    n = size if isinstance(lyapunov, (bool, np.bool_)) else problems.count("lyapunov", lyapunov)
    if n > size:
        problems.say(f"lyapunov must be at most {size} = L M, the dimensions of the state, not {n}")
    fill = model.context_size - 1 if isinstance(start, (Token, RandomTokens)) else 0
    if transient < fill:
        problems.say(f"lyapunov: a run from a token fills its context first: transient must be at least {fill}")
    if not 2 <= steps <= exponents.MOST_STEPS:
        problems.say(f"lyapunov: steps must be at least 2 and at most {exponents.MOST_STEPS:.0e}, not {steps}")
    return Measurement(
        min(n, size), steps, max(min(transient - fill, ALIGN), 0), exponents.EVERY, min(exponents.WINDOWS, steps)
    )
