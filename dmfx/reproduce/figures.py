"""Figures 3a, 3b, 4 and 5 of Poc-López & Aguilera, arXiv:2406.07247 (2024), and what goes with them.

The figures are at γ = 220; every run starts from the published context, 100,000 steps are discarded and 20,000 kept.
`transient_memories` is after D'Amico & Negri, arXiv:2409.16112 (2024).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dmfx.analysis import autocorrelation, bifurcation, classify, power_spectrum
from dmfx.models import SelfAttention
from dmfx.models.published import GAMMA
from dmfx.reproduce.finite_size import SIZES, draw_networks, networks
from dmfx.reproduce.transient_memories import draw_memories, memories
from dmfx.simulate import simulate

__all__ = ["FIGURES", "Figure", "find_figure"]

TRANSIENT, STEPS, N_BETA = 100_000, 20_000, 4001
#: Points of the phase diagram along each side, as in the published program.
N_SIDE = 200
#: The plane m_2 = 0 of the paper, patterns counted from 0.
PLANE = {"pattern": 1}
#: What a reduced Dataset keeps of its runs: enough to go on from, or to start a colleague's run.
STATE = ["final_attention", "final_phase", "field_weights", "overlap_weights", "position_weights"]


@dataclass(frozen=True)
class Figure:
    """A published figure.

    Attributes
    ----------
    name
        What `find_figure` and the command line call it.
    title
        What it shows.
    compute
        Builds the lazy, reduced Dataset.
    draw
        Draws the computed Dataset: a HoloViews object.
    paper
        Whose figure it is, or whose network.
    prefix
        The paper in the names of files.
    """

    name: str
    title: str
    compute: Callable[[], xr.Dataset]
    draw: Callable[[xr.Dataset], Any]
    paper: str = "Poc-López & Aguilera 2024"
    prefix: str = "poc_lopez_2024"

    @property
    def stem(self) -> str:
        """Name of its files, without suffix."""
        return f"{self.prefix}_{self.name}"


def _runs(beta: np.ndarray, steps: int = STEPS, transient: int = TRANSIENT) -> xr.Dataset:
    return simulate(
        SelfAttention.paper(), beta=beta, gamma=GAMMA, steps=steps, transient=transient, variables="m_o_semantic"
    )


def diagram(
    beta: np.ndarray,
    value_range: tuple[float, float],
    *,
    bins: int = 2000,
    steps: int = STEPS,
    transient: int = TRANSIENT,
) -> xr.Dataset:
    """Bifurcation diagram of m^o_1: all values visited, and those on the plane m^o_2 = 0.

    Parameters
    ----------
    beta
        Values of β.
    value_range, bins
        Bins of the values.
    steps, transient
        Steps kept and discarded.

    Returns
    -------
    xr.Dataset
        Lazy; ``density``, ``section_density``, ``period`` and the final states.
    """
    runs = _runs(beta, steps, transient)
    reduced = {"bins": bins, "value_range": value_range}
    parts = [bifurcation(runs, **reduced), bifurcation(runs, plane=PLANE, **reduced), runs[STATE]]
    return xr.merge(parts, compat="override", combine_attrs="override", join="exact")


def _figure_3a() -> xr.Dataset:
    return diagram(np.linspace(0, 3, N_BETA), (-1.0, 1.0))


def _figure_3b() -> xr.Dataset:
    return diagram(np.linspace(1.24, 1.28, N_BETA), (-0.5, 0.5))


def _figure_4() -> xr.Dataset:
    return _runs(np.array([1.255, 1.26451, 1.266, 1.27, 1.28, 1.4]))


def _figure_5() -> xr.Dataset:
    runs = _runs(np.array([1.255, 1.28]))
    parts = [runs, autocorrelation(runs, 400), power_spectrum(runs)]
    return xr.merge(parts, compat="override", combine_attrs="override", join="exact")


def phases(beta: np.ndarray, gamma: np.ndarray) -> xr.Dataset:
    """Kind, period and largest exponent of the attractors over a grid, with as many steps as the figures."""
    runs = simulate(
        SelfAttention.paper(), beta=beta, gamma=gamma, steps=1, transient=TRANSIENT - 1, variables="m_o_semantic"
    )
    kept = ["kind", "agree", "period", "frequencies", "settled", "lyapunov", "lyapunov_error", "status"]
    return classify(runs, steps=STEPS)[kept].isel(exponent=[0]).drop_dims("criterion", errors="ignore")


def _phase_diagram() -> xr.Dataset:
    return phases(np.linspace(0.5, 3, N_SIDE), np.linspace(2, 400, N_SIDE))


def _finite_size() -> xr.Dataset:
    return networks(SIZES, replicas=20, steps=STEPS, transient=TRANSIENT)


def _draw_phases(ds: xr.Dataset) -> Any:
    from dmfx import plot

    return plot.phase_diagram(ds)


def _draw_diagram(ds: xr.Dataset) -> Any:
    from dmfx import plot

    return plot.bifurcation(ds)


def _draw_portraits(ds: xr.Dataset) -> Any:
    from dmfx import plot

    return plot.portrait(ds)


def _draw_series(ds: xr.Dataset) -> Any:
    from dmfx import plot

    rows = (plot.trajectory(ds), plot.power_spectrum(ds, pattern=0), plot.autocorrelation(ds, pattern=0))
    layout = rows[0]
    for row in rows[1:]:
        layout = layout + row
    return layout.cols(ds.sizes["beta"])


FIGURES = {
    figure.name: figure
    for figure in (
        Figure("figure3a", "Bifurcation diagram of m¹ for β from 0 to 3", _figure_3a, _draw_diagram),
        Figure("figure3b", "Bifurcation diagram of m¹ for β from 1.24 to 1.28", _figure_3b, _draw_diagram),
        Figure("figure4", "Attractors in the plane of two overlaps at six values of β", _figure_4, _draw_portraits),
        Figure(
            "figure5",
            "A quasi-periodic and a chaotic trajectory, their spectra and autocorrelations",
            _figure_5,
            _draw_series,
        ),
        Figure("phase_diagram", "Kinds of attractor over β and γ", _phase_diagram, _draw_phases),
        Figure("finite_size", "Finite networks beside the mean field at β = 1.26405", _finite_size, draw_networks),
        Figure(
            "transient_memories",
            "Images that networks hold and forget, and how many they hold",
            memories,
            draw_memories,
            "D'Amico & Negri 2024",
            "damico_negri_2024",
        ),
    )
}


def find_figure(name: str) -> Figure:
    """The figure of this name; ``3a`` is short for ``figure3a``.

    Raises
    ------
    ValueError
        If there is no such figure.

    Examples
    --------
    >>> from dmfx.reproduce import find_figure
    >>> find_figure("3a").name
    'figure3a'
    """
    for known in (name, f"figure{name}"):
        if known in FIGURES:
            return FIGURES[known]
    raise ValueError(f"there is no figure {name!r}: expected one of {', '.join(FIGURES)}")
