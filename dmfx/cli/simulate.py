"""``dmfx simulate``: a sweep into an archive."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from dmfx import analysis, archive, weights
from dmfx.archive.placing import check_target
from dmfx.cli.options import add_cluster_options, integers, numbers
from dmfx.cluster import cluster
from dmfx.models import SelfAttention
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
REDUCTIONS = {
    "bifurcation": analysis.bifurcation,
    "autocorrelation": analysis.autocorrelation,
    "fft": analysis.fft,
    "power_spectrum": analysis.power_spectrum,
}


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "simulate",
        help="run a sweep and keep it in an archive",
        description="Run the mean-field dynamics over a sweep; keep the Dataset, or a reduction of it, in an archive.",
        epilog="Values: 1.27, a list 1.2,1.27, or a range START:STOP:COUNT with both ends (seeds: START:STOP).",
    )
    parser.add_argument("output", help="archive to write: .nc or .zarr")
    kinds = ", ".join(f"{name}:{numbers}" for name, (_, numbers) in ENSEMBLES.items())
    parser.add_argument("--weights", default="paper", help=f"paper (default), {kinds}")
    parser.add_argument("--beta", type=numbers, required=True, help="inverse temperature β")
    parser.add_argument("--gamma", type=numbers, default=220.0, help="attention strength γ (default: 220)")
    parser.add_argument("--seed", type=integers, default=0, help="realisations of the weights (default: 0)")
    parser.add_argument("--epsilon", type=numbers, help="weight of the position ε (default: 0.02)")
    parser.add_argument("--context-size", type=int, metavar="L", help="number of tokens in the context (default: 4)")
    parser.add_argument("--steps", type=int, required=True, help="steps to keep")
    parser.add_argument("--transient", type=int, default=0, help="steps to discard before (default: 0)")
    parser.add_argument(
        "--variables",
        default="m_o_semantic,attention",
        help="m_o_semantic, attention, m_o, m_v, m_q, m_k (default: m_o_semantic,attention)",
    )
    parser.add_argument("--reduce", choices=REDUCTIONS, help="keep this analysis instead of the trajectories")
    parser.add_argument("--overwrite", action="store_true", help="replace an archive that is there")
    add_cluster_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    ds = simulate(
        _model(options.weights, options.context_size),
        beta=options.beta,
        gamma=options.gamma,
        seed=options.seed,
        epsilon=options.epsilon,
        steps=options.steps,
        transient=options.transient,
        variables=options.variables.split(","),
    )
    if options.reduce:
        ds = REDUCTIONS[options.reduce](ds)
    check_target(options.output, options.overwrite)
    started = time.perf_counter()
    with cluster(options.workers, options.scheduler):
        path = archive.save(ds, options.output, overwrite=options.overwrite, progress=True)
    size = sum(file.stat().st_size for file in ([path] if path.is_file() else Path(path).rglob("*")) if file.is_file())
    print(f"{path}: {size / 1e6:.1f} MB in {time.perf_counter() - started:.1f} s")


def _model(text: str, context_size: int | None) -> SelfAttention:
    if text == "paper":
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
