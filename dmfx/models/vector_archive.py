"""Networks of vector spins as Datasets: their arrays as variables, the rest as attributes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from dmfx.couplings import Couplings, couplings_from_spec
from dmfx.variables import describe_dataset
from dmfx.version import history_line, versions

if TYPE_CHECKING:
    from dmfx.models.vector_attention import VectorAttention
    from dmfx.training import Training

__all__ = ["COUPLING_DIMS", "REFERENCE", "parts_of", "to_dataset", "variables_of"]

#: Dims of the arrays of couplings in a Dataset, by form and name.
COUPLING_DIMS = {
    "full": {"matrices": ("token", "from_token", "component", "from_component")},
    "relative": {"matrices": ("offset", "component", "from_component")},
    "low_rank": {name: ("token", "component", "rank") for name in ("left", "right")},
    "random": {},
}
PREFIX = "couplings_"
REFERENCE = (
    "D'Amico & Negri, Self-attention as an attractor network: transient memories without backpropagation, "
    "arXiv:2409.16112 (2024)"
)


def to_dataset(net: VectorAttention) -> xr.Dataset:
    """The network and its training as a Dataset; see `dmfx.VectorAttention.to_dataset`."""
    ds = xr.Dataset(variables_of(net))
    if net.training is not None:
        ds = ds.merge(net.training.to_dataset())
    ds.attrs = {
        "Conventions": "CF-1.11",
        "title": "Attention network of vector spins",
        "source": f"dmfx {versions()['dmfx']}, VectorAttention",
        "references": REFERENCE,
        "history": history_line("VectorAttention.to_dataset", {}),
        "dmfx_model": net.to_json(),
        "dmfx_versions": json.dumps(versions()),
    }
    return describe_dataset(ds)


def variables_of(net: VectorAttention) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """The arrays of a network as variables of a Dataset."""
    dims = COUPLING_DIMS[net.couplings.kind]
    arrays = {PREFIX + name: (dims[name], array) for name, array in net.couplings.parameters.items()}
    if net.patterns is not None:
        arrays["patterns"] = (("pattern", "token", "component"), net.patterns)
    return arrays


def parts_of(ds: xr.Dataset) -> tuple[Couplings, np.ndarray | None, Training | None]:
    """Couplings, patterns and training of the network that a Dataset holds.

    Raises
    ------
    ValueError
        If the arrays of the couplings are missing or were changed.
    """
    spec = json.loads(ds.attrs["dmfx_model"])
    described = spec.get("couplings")
    if not isinstance(described, dict) or described.get("kind") not in COUPLING_DIMS:
        raise ValueError(f"the description of the network lacks its couplings, of a kind {', '.join(COUPLING_DIMS)}")
    arrays = {}
    for name, dims in COUPLING_DIMS[described["kind"]].items():
        if PREFIX + name not in ds:
            raise ValueError(
                f"the Dataset lacks the variable {PREFIX + name}, the couplings of its network: keep it beside the "
                'others, as in ds[["overlap", "' + PREFIX + name + '"]]'
            )
        arrays[name] = _array_of(ds[PREFIX + name], dims, dims)
    couplings = couplings_from_spec(described, arrays)
    patterns = training = None
    if "patterns" in ds:
        patterns = _array_of(ds["patterns"], ("pattern", "token", "component"), ("token", "component"))
    if "training" in spec:
        from dmfx.training import Training

        training = Training.from_dataset(ds)
    return couplings, patterns, training


def _array_of(array: xr.DataArray, known: tuple[str, ...], needed: tuple[str, ...]) -> np.ndarray:
    """An array of a network; `xr.concat` may have repeated it along other dims, where it must not differ."""
    if missing := [dim for dim in needed if dim not in array.dims]:
        raise ValueError(
            f"{array.name} lacks the dim {' and '.join(missing)}: it was selected or averaged; take the model from the "
            "Dataset as it was before"
        )
    for dim in [dim for dim in array.dims if dim not in known]:
        first = array.isel({dim: 0})
        if not bool((array == first).all()):
            raise ValueError(
                f"the Dataset joins runs of different networks: {array.name} differs along {dim}; take the model of "
                "each before joining them"
            )
        array = first
    return array.transpose(*(dim for dim in known if dim in array.dims)).to_numpy()
