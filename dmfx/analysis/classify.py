"""Which kind of attractor each point of a sweep is on."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import positive
from dmfx.blocks import STATUS
from dmfx.chunking import tangent_cost
from dmfx.dynamics.exponents import MOST_STEPS, WINDOWS
from dmfx.dynamics.kinds import CRITERIA, Findings, find_kinds
from dmfx.states import Output, States, StatesBlock, drive_period, go_on, state_outputs, states_of
from dmfx.validation import Problems
from dmfx.variables import describe_dataset

__all__ = ["classify", "parse_steps", "parse_tolerance"]

#: Steps that are classified unless told otherwise, and at least so many times L, the longest period of a drive.
STEPS, PERIODS = 20_000, 1024
#: Fewer periods of the drive tell nothing.
LEAST_PERIODS = 64
#: The spectrum takes what varies by less than a thousand tolerances for steady: at most a tenth of the possible range.
LARGEST_TOLERANCE = 1e-4
#: Steps from one orthonormalisation to the next. Twice `dmfx.dynamics.exponents.EVERY`, which is for whole spectra:
#: three exponents of 37 points, L of 4 and 20, differ by at most 2e-12 nats from those of every step, and kinds not.
FEW_EVERY = 4


def classify(
    ds: xr.Dataset,
    *,
    steps: int | None = None,
    n: int = 3,
    tolerance: float = 1e-8,
    every: int = FEW_EVERY,
    chunks: object = "auto",
) -> xr.Dataset:
    """Kind of attractor of every point: fixed, periodic, quasi-periodic, chaotic, or still transient.

    Each run goes on from its final state. States are compared at equal phase of the position drive, every D steps (the
    strobes): D is the context size L, or 1 for points with ε = 0. Three criteria are asked:

    ``recurrence``
        The smallest k for which each of the last k strobes (at least 16) is the one k strobes before: fixed for k = 1,
        else periodic; none where there is no such k. An orbit that would move on by more than 100 tolerances over
        the whole run does not repeat: a torus near a resonance, a slow spiral.
    ``exponents``
        The largest Lyapunov exponent: negative, zero (quasi-periodic) or positive (chaotic). Averages with a smooth
        weight over both halves of the run [1]_, which agree to many digits on a torus, tell zero from 1e-5; else
        the standard error of windows counts. Fixed and periodic are not told apart: periodic is said for both.
    ``spectrum``
        The power spectrum of the strobes: lines at multiples of 1/k (periodic), other lines (quasi-periodic), or power
        between the lines too (chaotic). The 0-1 test for chaos [2]_ asks the same, at single frequencies.

    Recurrence decides where it finds a period, else the exponents, else the spectrum.

    Parameters
    ----------
    ds
        Final states, from `dmfx.simulate` or any analysis that returns them, lazy or not.
    steps
        Steps to follow each run, at least 64 L; by default 20,000, or 1024 L if that is more. At least half of them
        must be on a torus or a chaotic attractor to tell it. Periods of up to half of them are found.
    n
        Number of Lyapunov exponents; more than L M are not taken. One more than a torus has frequencies also tells
        whether the run is still on its way to it.
    tolerance
        States that differ by less are equal; at most 1e-4. Attention values are at most 1.
    every
        Steps from one orthonormalisation of the tangent vectors to the next.
    chunks
        Sizes of the blocks along the sweep dims, as in xarray; they never change a result.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. The flags of kinds are in the attributes.

        - ``kind`` (...): fixed (repeats with every period of the drive), periodic, quasi_periodic, chaotic, transient
          (not yet on an attractor, or for less than half of the run), diverged.
        - ``period`` (...): of fixed and periodic orbits, in steps: the smallest multiple of D; else 0. A periodic orbit
          of period 0 repeats later than can be seen: its largest exponent is so negative that a shorter one would
          have been reached.
        - ``frequencies`` (...): incommensurate frequencies of a torus beside that of the drive, which is the number of
          exponents that are zero; else 0.
        - ``settled`` (...): step, counted from the state given, from which on the run was on its attractor; NaN where
          it was not. On fixed and periodic orbits, from where on no strobe is farther than 0.001 from the final orbit,
          0 if none is. Else the beginning of that twentieth of the run before which small differences grew otherwise,
          or, in chaos, the states had another mean or spread.
        - ``verdict`` (..., criterion): kind by each criterion alone.
        - ``agree`` (...): whether all criteria that say something allow the same kind.
        - ``lyapunov``, ``lyapunov_error`` (..., exponent): largest exponents on the attractor, after ``settled``, in
          nats per step, descending. In chaos means and standard errors, else smooth averages of the second half of the
          run and how far those of the first are from them. NaN if the run settled too late.
        - ``spectral_floor`` (...): log10 of the lowest decile of the power spectrum over its sum; NaN where nothing
          varies, or if the run settled too late.
        - ``final_attention``, ``final_phase``, to go on from, and ``status``: ``underflow`` where an exponent was lost.

        Points that diverged have kind diverged and NaN.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    A chaotic transient that lasts longer than the run is chaotic. Chaos with episodes that last a good part of the run
    may be called transient: at β = 1.266 of the published network 1 in 1,500 runs of 20,000 steps, but 8 % of those of
    5,000 and 16 % of those of 2,000. A run so close to a bifurcation that its steps do not bring it to its attractor
    is transient. The criteria look at the same run: that they agree does not make it long enough.

    References
    ----------
    .. [1] Das, Saiki, Sander & Yorke, *Quantitative quasiperiodicity*, Nonlinearity 30, 4111 (2017).
    .. [2] Gottwald & Melbourne, *A new test for chaos in deterministic systems*, Proc. R. Soc. A 460, 603 (2004).
    .. [3] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).

    Examples
    --------
    >>> from dmfx.analysis.classify import classify
    >>> net = dmfx.SelfAttention.paper()
    >>> ds = dmfx.simulate(net, beta=[1.0, 1.26, 1.3], gamma=220.0, steps=1, transient=2000)
    >>> kinds = classify(ds.compute(), steps=4000)
    >>> meanings = kinds.kind.attrs["flag_meanings"].split()
    >>> [meanings[kind] for kind in kinds.kind.values.ravel()], kinds.period.values.ravel()
    (['fixed', 'quasi_periodic', 'chaotic'], array([4, 0, 0]))
    """
    problems = Problems("classify")
    states = states_of(problems, ds)
    steps = parse_steps(problems, steps, states)
    n = problems.count("n", n)
    tolerance = parse_tolerance(problems, tolerance)
    every = problems.count("every", every, maximum=1000)
    if states is None:
        problems.raise_any()
    model = states.model
    n = min(n, model.context_size * model.n_patterns)
    outputs = {
        "kind": Output(dtype=np.int8),
        "period": Output(dtype=np.int64),
        "frequencies": Output(dtype=np.int64),
        "settled": Output(),
        "verdict": Output(("criterion",), (len(CRITERIA),), np.int8),
        "agree": Output(dtype=np.int8),
        "lyapunov": Output(("exponent",), (n,)),
        "lyapunov_error": Output(("exponent",), (n,)),
        "spectral_floor": Output(),
    } | state_outputs(model.context_size, model.n_patterns)
    options = {"steps": steps, "n": n, "tolerance": tolerance, "every": every}
    cost = tangent_cost(model.n_patterns, model.context_size, model.weights.n_columns, n) * steps + 1e-3
    result = go_on(states, classify_block, outputs, options, problems=problems, cost=cost, chunks=chunks)
    return describe_dataset(result.assign_coords(criterion=list(CRITERIA)))


def parse_steps(problems: Problems, steps: object, states: States | None) -> int:
    """Steps to follow each run to tell its kind.

    They are counted in context sizes, also where ε = 0: a point does not depend on what others are in the sweep.
    """
    size = states.model.context_size if states else 1
    if steps is None:
        return -(-max(STEPS, PERIODS * size) // size) * size
    return problems.count("steps", steps, minimum=LEAST_PERIODS * size, maximum=MOST_STEPS)


def parse_tolerance(problems: Problems, tolerance: object) -> float:
    """Largest distance between states that count as equal: above 0, and small beside any attractor."""
    before = len(problems.messages)
    tolerance = positive(problems, "tolerance", tolerance)
    if len(problems.messages) == before and tolerance > LARGEST_TOLERANCE:
        problems.add("tolerance", f"at most {LARGEST_TOLERANCE:g}, as attention values are at most 1", tolerance)
    return tolerance


def classify_block(block: StatesBlock, *, steps: int, n: int, tolerance: float, every: int) -> tuple[np.ndarray, ...]:
    """Classify the points of one task; the outputs in the order of `classify`."""
    block = block._replace(attention=np.where(block.failed[:, None, None], np.nan, block.attention))
    period = np.where(block.epsilon != 0, drive_period(block.model, 1.0), 1)
    rows: list[np.ndarray] = []
    parts: list[tuple[np.ndarray, ...]] = []
    for stride in np.unique(period):
        members = np.flatnonzero(period == stride)
        alike = block.take(members)
        parts += [_classify_batch(batch, int(stride), steps, n, tolerance, every) for batch in alike.batches()]
        rows.append(members)
    order = np.argsort(np.concatenate(rows))
    return tuple(np.concatenate(each)[order] for each in zip(*parts, strict=True))


def _classify_batch(
    batch: StatesBlock, stride: int, steps: int, n: int, tolerance: float, every: int
) -> tuple[np.ndarray, ...]:
    """Classify points that a kernel follows together, all with the same period of the drive."""
    from dmfx.kernels.survey import survey

    run = survey(batch.points(), n=n, transient=0, steps=steps, stride=stride, every=every, windows=WINDOWS)
    found: Findings = find_kinds(
        run.strobes, run.finite_time, run.lengths, run.smooth, drive_period=stride, tolerance=tolerance
    )
    status = batch.new_status(run.final_attention)
    status[run.lost.any(axis=1) & (status == STATUS["ok"])] = STATUS["underflow"]
    return *found, run.final_attention, run.final_phase, status
