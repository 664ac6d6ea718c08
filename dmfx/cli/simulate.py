"""``dmfx simulate``: a sweep into an archive."""

from __future__ import annotations

import argparse
from typing import Any

import xarray as xr

from dmfx import archive, weights
from dmfx.cli.analyse import add_settings, analyse, settings_of
from dmfx.cli.keep import keep
from dmfx.cli.options import add_cluster_options, integers, numbers, whole_numbers
from dmfx.models import SelfAttention, VectorAttention, model_from_dataset
from dmfx.simulate import simulate

__all__ = ["add_parser"]

#: Kinds of weights by name, and what the numbers behind the colon mean.
ENSEMBLES = {
    "segments": (weights.segments, "M,SEGMENTS"),
    "random": (weights.random, "M,COLUMNS"),
    "cycle": (weights.cycle, "M"),
    "gaussian": (lambda m, scale: weights.correlated(n_patterns=m, distribution="gaussian", scale=scale), "M,SCALE"),
    "uniform": (lambda m: weights.correlated(n_patterns=m, distribution="uniform"), "M"),
}
#: Analyses of a run, and among them those that go on from its final states.
RUNNING = ("lyapunov", "classify", "basins", "periodic_orbits")
FINITE = ("attractor_distance", "fluctuations", "residence")
REDUCTIONS = ("bifurcation", "autocorrelation", "fft", "power_spectrum", "recall", *FINITE, *RUNNING)
#: Starts that are drawn, as many as --starts says.
RANDOM = ("random", "random_token")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "simulate",
        help="run a sweep and keep it in an archive",
        description="Run the dynamics over a sweep, in the mean field or of networks of finite size; keep the Dataset, "
        "or a reduction of it, in an archive.",
        epilog="Values: 1.27, a list 1.2,1.27, or a range START:STOP:COUNT with both ends (seeds and replicas: "
        "START:STOP, without the end; sizes: START:STOP:COUNT with equal ratios).",
    )
    parser.add_argument("output", help="archive to write: .nc or .zarr")
    kinds = ", ".join(f"{name}:{numbers}" for name, (_, numbers) in ENSEMBLES.items())
    parser.add_argument("--weights", help=f"paper (default), {kinds}")
    parser.add_argument(
        "--network",
        metavar="ARCHIVE",
        help="a network of vector spins instead, from the archive that dmfx train made of it",
    )
    parser.add_argument("--beta", type=numbers, required=True, help="inverse temperature β")
    parser.add_argument("--gamma", type=numbers, help="attention strength γ (default: 220; 0 of --network)")
    parser.add_argument("--seed", type=integers, default=0, help="realisations of the weights (default: 0)")
    parser.add_argument("--epsilon", type=numbers, help="weight of the position ε (default: 0.02)")
    parser.add_argument(
        "--size",
        type=whole_numbers,
        metavar="SIZE",
        help="number of spins N, as 1e6; a list may have ranges and inf, the mean field: 1e3:1e9:7,inf (default: inf)",
    )
    parser.add_argument(
        "--replica", type=integers, help="realisations of the thermal noise of finite networks (default: 0)"
    )
    parser.add_argument(
        "--common-noise",
        type=lambda text: text.split(","),
        default=(),
        metavar="DIMS",
        help="dims along which finite networks share their noise, as initial (default: none)",
    )
    parser.add_argument("--context-size", type=int, metavar="L", help="number of tokens in the context (default: 4)")
    parser.add_argument("--steps", type=int, required=True, help="steps to keep")
    parser.add_argument("--transient", type=int, default=0, help="steps to discard before (default: 0)")
    parser.add_argument(
        "--variables",
        type=lambda text: text.split(","),
        help="m_o_semantic, attention, m_o, m_v, m_q, m_k (default: m_o_semantic,attention); of --network: overlap "
        "(default), tokens, energy, change",
    )
    parser.add_argument(
        "--initial",
        metavar="START",
        help="random contexts (random) or, of finite networks, tokens of random spins (random_token), as many as "
        "--starts says; the number of the pattern that is the first token; or an archive, from its final states; of "
        "--network also patterns, all that are stored",
    )
    parser.add_argument(
        "--starts",
        type=int,
        metavar="N",
        help="N random starts for each point, along the dim initial (default: contexts)",
    )
    parser.add_argument(
        "--carry", metavar="DIM", help="start each value of beta, gamma or epsilon from the end of its neighbour's run"
    )
    parser.add_argument("--direction", help="of --carry: up (default), down or both")
    parser.add_argument(
        "--lyapunov",
        type=_number_of_exponents,
        nargs="?",
        const=True,
        default=False,
        metavar="N",
        help="measure all Lyapunov exponents over the steps, or the N largest",
    )
    parser.add_argument(
        "--reduce",
        choices=REDUCTIONS,
        metavar="ANALYSIS",
        help=f"keep this analysis of the steps instead of the trajectories: {', '.join(REDUCTIONS)}",
    )
    add_settings(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an archive that is there")
    add_cluster_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.set and not options.reduce:
        raise ValueError("--set goes with --reduce, the analysis whose argument it is")
    keep(lambda: _dataset(options), options)


def _dataset(options: argparse.Namespace) -> xr.Dataset:
    if options.reduce == "basins" and options.starts is None:
        raise ValueError("--reduce basins needs --starts N, the number of random starts")
    if options.reduce in RUNNING and options.lyapunov is not False:
        raise ValueError(f"--lyapunov goes with trajectories; --reduce {options.reduce} measures exponents of its own")
    if options.reduce == "fluctuations" and options.replica is None:
        raise ValueError("--reduce fluctuations needs --size and --replica, as --replica 0:20")
    settings = settings_of(options.reduce, options.set) if options.reduce else {}
    model = _model(options.weights, options.context_size, options.network)
    steps, transient = options.steps, options.transient
    if options.reduce in RUNNING:
        # The analysis runs the steps itself: one is left for the simulation, which must have one.
        settings.setdefault("steps", steps)
        steps, transient = 1, max(transient - 1, 0)
    ds = simulate(
        model,
        beta=options.beta,
        gamma=(220.0 if isinstance(model, SelfAttention) else 0.0) if options.gamma is None else options.gamma,
        seed=options.seed,
        epsilon=options.epsilon,
        size=options.size,
        replica=options.replica,
        common_noise=options.common_noise,
        initial=_initial(options.initial, options.starts),
        starts=options.starts,
        steps=steps,
        transient=transient,
        variables=options.variables,
        lyapunov=options.lyapunov,
        carry=options.carry,
        direction=options.direction,
    )
    return analyse(ds, options.reduce, settings) if options.reduce else ds


def _initial(text: str | None, starts: int | None) -> xr.Dataset | str | int | None:
    """What ``--initial`` says: a kind of random start, a pattern, or the archive of another run."""
    if text is None:
        return None if starts is None else "random"
    if text == "patterns" and starts is None:
        return text
    if text in RANDOM:
        if starts is None:
            raise ValueError(f"--initial {text} needs --starts N, the number of random starts")
        return text
    if starts is not None:
        raise ValueError(f"--starts goes with --initial {' or '.join(RANDOM)}, not with {text}")
    if text.isdigit():
        return int(text)
    if not text.endswith((".nc", ".zarr")):
        raise ValueError(
            f"--initial {text}: expected {', '.join(RANDOM)}, patterns, the number of a pattern, or an archive, "
            ".nc or .zarr"
        )
    return archive.open(text)


def _number_of_exponents(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _model(text: str | None, context_size: int | None, network: str | None) -> SelfAttention | VectorAttention:
    if network is not None:
        if text is not None or context_size is not None:
            raise ValueError("--network goes without --weights and --context-size: the archive says what is simulated")
        ds = archive.open(network)
        model = model_from_dataset(ds) if "dmfx_model" in ds.attrs else None
        if not isinstance(model, VectorAttention):
            raise ValueError(f"--network: {network} holds no network of vector spins; dmfx train makes one")
        return model
    if text is None or text == "paper":
        if context_size is not None:
            raise ValueError("--context-size goes with drawn weights; the paper's configuration has L = 4")
        return SelfAttention.paper()
    name, _, parameters = text.partition(":")
    if name == "paper":
        raise ValueError("--weights: paper takes no numbers")
    if name not in ENSEMBLES:
        raise ValueError(f"--weights: there is no {name!r}; expected paper, {', '.join(ENSEMBLES)}")
    make, expected = ENSEMBLES[name]
    try:
        values = [int(part) if part.strip().isdigit() else float(part) for part in parameters.split(",")]
    except ValueError:
        values = []
    if len(values) != len(expected.split(",")):
        raise ValueError(f"--weights {text}: expected {name}:{expected}, numbers")
    try:
        ensemble = make(*values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"--weights {text}: {error}") from None
    return SelfAttention(ensemble, context_size=4 if context_size is None else context_size)
