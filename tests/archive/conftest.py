from __future__ import annotations

import numpy as np
import pytest
import xarray as xr


def _assert_same(opened: xr.Dataset, saved: xr.Dataset) -> None:
    """Nothing lost: names and their order, dims, dtypes, bits, chunks, coordinates and attributes."""
    assert list(opened.data_vars) == list(saved.data_vars)
    assert list(opened.coords) == list(saved.coords)
    for name, var in saved.variables.items():
        again = opened.variables[name]
        assert again.dims == var.dims, name
        assert again.dtype == var.dtype, name
        assert _bits(again) == _bits(var), name
        assert _text(again.attrs) == _text(var.attrs), name
        if var.chunks is not None:
            assert again.chunks == var.chunks, name
    expected = {"Conventions": "CF-1.11", **saved.attrs}
    attrs = dict(opened.attrs)
    if isinstance(expected.get("history", ""), str):
        *before, line = attrs.pop("history").split("\n")
        assert "saved by dmfx" in line
        assert "\n".join(before) == expected.pop("history", "")
    assert _text(attrs) == _text(expected)


def _bits(var: xr.Variable) -> bytes | list:
    values = var.values
    return values.tolist() if values.dtype == object else values.tobytes()


def _text(attrs: dict) -> dict:
    """Attributes as text, which tells 1 from True and 1.0, and takes NaN for equal to NaN."""
    return {(type(name), name): repr(_as_python(value)) for name, value in attrs.items()}


def _as_python(value):
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_as_python(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_python(item) for key, item in value.items()}
    return value


@pytest.fixture(scope="session")
def assert_same():
    return _assert_same


@pytest.fixture(params=[".nc", ".zarr"])
def suffix(request):
    return request.param


@pytest.fixture
def sweep() -> xr.Dataset:
    """A small dataset with the dims and kinds of variables that simulations and analyses give."""
    rng = np.random.default_rng(7)
    dims = ("beta", "gamma", "seed", "step", "pattern")
    shape = (9, 1, 2, 20, 3)
    overlap = rng.normal(size=shape)
    overlap[0, 0, 0, :3, 0] = [np.nan, -0.0, np.inf]
    ds = xr.Dataset(
        {
            "m_o": (dims, overlap, {"units": "1", "symbol": "m^o"}),
            "attention": (dims, rng.normal(size=shape).astype("f4")),
            "amplitude": (dims[:3], rng.normal(size=(9, 1, 2)) + 1j),
            "density": (dims[:2], np.array([[0, 2**32 - 1, 7] * 3], "u4").T, {"units": "count"}),
            "period": (dims[:2], np.array([[-(2**63), 2**63 - 1, 7] * 3], "i8").T, {"units": "step"}),
            "status": (
                dims[:3],
                rng.integers(0, 3, (9, 1, 2)).astype("i1"),
                {"flag_values": [0, 1, 2], "flag_meanings": "ok diverged bad_start"},
            ),
            "kept": (dims[:1], np.arange(9) % 2 == 0),
        },
        coords={
            "beta": ("beta", np.linspace(0, 3, 9) * (1 + 2**-52), {"symbol": "β"}),
            "gamma": [220.1],
            "seed": [1, 5],
            "step": ("step", np.arange(20), {"units": "step"}),
            "kind": ("pattern", ["wörd", "", "b c"]),
            "epsilon": 0.02,
            "label": "γ",
        },
        attrs={"history": "made", "exact": True, "none": None, "tags": ["a"], "model": {"w": [1.5, [2]], "e": []}},
    )
    return ds.chunk(beta=4, step=10)
