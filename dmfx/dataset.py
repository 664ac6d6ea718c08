"""The Dataset that a simulation of self-attention returns: dims, coordinates, weights by seed, where it comes from."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import xarray as xr

from dmfx.blocks import Measurement
from dmfx.dynamics import exponents
from dmfx.models.self_attention import SelfAttention, n_bits
from dmfx.version import history_line, versions
from dmfx.weights import MATRICES

__all__ = ["labelled", "provenance", "weights_by_seed"]

WEIGHT_DIMS = {
    "field_weights": ("seed", "pattern", "column"),
    "overlap_weights": ("seed", "matrix", "pattern", "column"),
    "position_weights": ("seed", "matrix", "pattern", "bit"),
}
REFERENCES = (
    "Poc-López & Aguilera, Dynamical Mean-Field Theory of Self-Attention Neural Networks, arXiv:2406.07247 (2024)"
)


def labelled(
    model: SelfAttention,
    arrays: dict[str, da.Array],
    axes: dict[str, np.ndarray],
    transient: int,
    steps: int,
    measurement: Measurement | None,
) -> xr.Dataset:
    """The arrays with their dims and coordinates."""
    sweep = tuple(axes)
    dims = {
        "final_attention": (*sweep, "context", "pattern"),
        "final_phase": sweep,
        "noise_step": sweep,
        "status": sweep,
        **WEIGHT_DIMS,
    }
    if measurement is not None:
        measured = exponents.outputs(measurement.n, measurement.windows, model.context_size * model.n_patterns)
        dims |= {name: (*sweep, *output.dims) for name, output in measured.items()}
    ds = xr.Dataset(
        {name: (dims.get(name, (*sweep, "step", "pattern")), array) for name, array in arrays.items()},
        coords={
            **axes,
            "step": np.arange(transient, transient + steps),
            "pattern": np.arange(model.n_patterns),
            "context": np.arange(model.context_size),
            "matrix": list(MATRICES),
        },
    )
    if measurement is not None:
        ends = exponents.window_ends(transient, steps, measurement.windows)
        ds = ds.assign_coords(exponent=np.arange(measurement.n), window=ends)
    return ds if "epsilon" in axes else ds.assign_coords(epsilon=model.epsilon)


def provenance(
    model: SelfAttention, function: str, arguments: dict[str, object], *, finite: bool = False
) -> dict[str, object]:
    """Global attributes of a Dataset that was computed: model, versions, arguments (CF conventions)."""
    limit = "N spins by size, one binomial draw per column type and step" if finite else "mean field (N → ∞)"
    return {
        "Conventions": "CF-1.11",
        "title": f"{'Finite-size' if finite else 'Mean-field'} dynamics of a self-attention network",
        "source": f"dmfx {versions()['dmfx']}, {type(model).__name__}, {limit}",
        "references": REFERENCES,
        "history": history_line(function, arguments),
        "dmfx_model": model.to_json(),
        "dmfx_versions": json.dumps(versions()),
    }


def weights_by_seed(model: SelfAttention, seeds: np.ndarray, token: str) -> dict[str, da.Array]:
    """The weights as lazy variables by seed."""
    columns = model.weights.n_columns
    matrix_rows = (len(MATRICES), model.n_patterns)
    bits = n_bits(model.context_size)
    shapes = {
        "field": (model.n_patterns, columns),
        "overlap": (*matrix_rows, columns),
        "position": (*matrix_rows, bits),
    }
    numbers = da.from_array(seeds, chunks=max(1, 2**20 // (5 * model.n_patterns * columns)))
    return {
        f"{part}_weights": da.map_blocks(
            _draw,
            numbers,
            model=model,
            part=part,
            dtype=float,
            chunks=(numbers.chunks[0], *((n,) for n in shape)),
            new_axis=list(range(1, len(shape) + 1)),
            name=f"dmfx-{part}-{token}",
            meta=np.empty((0,) * (len(shape) + 1)),
        )
        for part, shape in shapes.items()
    }


def _draw(seeds: np.ndarray, model: SelfAttention, part: str) -> np.ndarray:
    return np.stack([getattr(model.realisation(int(seed)), part) for seed in seeds])
