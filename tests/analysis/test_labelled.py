"""What every analysis promises: lazy, the same for any chunks and any sweep dims, and clear about wrong input."""

import subprocess
import sys
from functools import partial

import dask
import numpy as np
import pytest
import xarray as xr

from dmfx.analysis import autocorrelation, bifurcation, fft, poincare, power_spectrum
from dmfx.analysis._labelled import ROWS, whole_steps
from dmfx.variables import VARIABLES

from . import contract

PLANE = {"pattern": 5, "value": 0.1}
ANALYSES = {
    "density": partial(bifurcation, pattern=4, bins=20),
    "section density": partial(bifurcation, pattern=4, bins=20, plane=PLANE, tolerance=0.2),
    "points": partial(bifurcation, pattern=4, kind="points", n_points=20),
    "section points": partial(bifurcation, pattern=4, kind="points", plane=PLANE, tolerance=0.2, n_points=100),
    "plane of another variable": partial(bifurcation, pattern=4, plane=PLANE | {"variable": "attention"}),
    "near": partial(poincare, plane=PLANE, tolerance=0.2, max_points=9),
    "crossings": partial(poincare, plane=PLANE, interpolate=True, max_points=70),
    "autocorrelation": partial(autocorrelation, max_lag=11),
    "autocorrelation of one": partial(autocorrelation, pattern=4),
    "fft": partial(fft, window="hamming"),
    "power_spectrum": partial(power_spectrum),
    "welch": partial(power_spectrum, segment=16, pattern=5),
}
every_analysis = pytest.mark.parametrize("analysis", ANALYSES.values(), ids=ANALYSES)


@pytest.fixture(scope="module")
def ds():
    """Noise on waves, with a period-4 orbit, a constant one and a diverged one, and a sweep dim of one's own."""
    rng = np.random.default_rng(3)
    shape = (4, 1, 2, 3, 64, 3)
    values = 0.4 * np.sin(np.arange(64.0)[:, None] * [0.3, 0.9, 2.0]) + rng.normal(scale=0.2, size=shape)
    values[0, 0, 0, 0] = np.tile(rng.normal(scale=0.3, size=(4, 3)), (16, 1))
    values[0, 0, 0, 1] = 0.3
    values[1, 0, 1, 2] = np.nan
    status = np.zeros(shape[:4], dtype=np.int8)
    status[1, 0, 1, 2] = 1
    sweep = ("beta", "gamma", "seed", "noise")
    dims = (*sweep, "step", "pattern")
    return xr.Dataset(
        {
            "m_o_semantic": (dims, values, {"long_name": "to be replaced"}),
            "attention": (dims, values[..., ::-1]),
            "status": (sweep, status),
            "weights": ("column", [1.0, 2.0]),
        },
        coords={
            "beta": [0.0, 0.5, 1.0, 1.5],
            "gamma": [220.0],
            "seed": [1, 2],
            "step": np.arange(1000, 1064),
            "pattern": [3, 4, 5],
            "twice": ("beta", [0.0, 1.0, 2.0, 3.0]),
        },
        attrs={"source": "dmfx"},
    )


@every_analysis
@pytest.mark.parametrize(
    "chunks",
    [
        {},
        {"beta": 1},
        {"step": 7},
        {"step": 1, "noise": 2},
        {"beta": 3, "seed": 1, "step": (30, 1, 33), "pattern": 1},
    ],
    ids=str,
)
def test_chunks_do_not_matter(ds, analysis, chunks):
    contract.chunks_do_not_matter(ds, analysis, chunks)


@every_analysis
def test_only_some_variables_chunked(ds, analysis):
    mixed = ds.assign(m_o_semantic=ds.m_o_semantic.chunk(beta=1, step=20))
    xr.testing.assert_identical(analysis(mixed).compute(), analysis(ds))


@every_analysis
def test_nothing_is_computed(ds, analysis):
    contract.nothing_is_computed(ds, analysis)


@every_analysis
def test_single_point(ds, analysis):
    point = {"beta": 2, "gamma": 0, "seed": 1, "noise": 0}
    whole = analysis(ds)
    for data in (ds, ds.chunk(step=16)):
        xr.testing.assert_identical(analysis(data.isel(point)).compute(), whole.isel(point))


@every_analysis
def test_each_point_by_itself(ds, analysis):
    whole = analysis(ds)
    part = ds.isel(beta=[3, 1], noise=slice(None, None, -2))
    xr.testing.assert_identical(analysis(part), whole.isel(beta=[3, 1], noise=slice(None, None, -2)))


@every_analysis
def test_order_of_dims(ds, analysis):
    whole = analysis(ds)
    xr.testing.assert_identical(analysis(ds.transpose("pattern", "step", ...)), whole)
    swapped = analysis(ds.transpose("noise", "seed", ...))
    for name, array in whole.data_vars.items():
        xr.testing.assert_identical(swapped[name].transpose(*array.dims), array)


@every_analysis
def test_readonly_memory(ds, analysis):
    contract.memory_is_only_read(ds, analysis)


@every_analysis
def test_single_precision_is_analysed_in_double(ds, analysis):
    single = ds.assign({name: ds[name].astype(np.float32) for name in ("m_o_semantic", "attention")})
    xr.testing.assert_identical(analysis(single), analysis(single.astype(float).assign(status=ds.status)))


@every_analysis
def test_labels(ds, analysis):
    before = ds.copy(deep=True)
    result = analysis(ds)
    assert result.attrs == ds.attrs
    assert result.beta.identical(result.twice.beta)
    assert (result.twice == ds.twice).all()
    assert (result.status == ds.status).all()
    for name, array in result.data_vars.items():
        assert array.attrs["long_name"] == VARIABLES[name].long_name
        assert array.dims[:4] == ("beta", "gamma", "seed", "noise")
        for value in array.attrs.values():
            assert isinstance(value, (str, int, float, list)), "must fit into NetCDF"
            assert not isinstance(value, bool)
    xr.testing.assert_identical(ds, before)


@every_analysis
def test_without_status(ds, analysis):
    xr.testing.assert_identical(analysis(ds.drop_vars("status")), analysis(ds).drop_vars("status"))


@every_analysis
def test_one_step(ds, analysis):
    arguments = {"max_lag": None} if analysis.func is autocorrelation else {}
    arguments |= {"segment": None} if analysis.func is power_spectrum else {}
    partial(analysis, **arguments)(ds.isel(step=[0]))


@every_analysis
def test_empty_sweep(ds, analysis):
    result = analysis(ds.isel(beta=slice(0)))
    assert result.sizes["beta"] == 0


class Model:
    def __repr__(self):
        return "Model(beta=1)"


@every_analysis
@pytest.mark.parametrize("what", [Model(), None, "run.nc"])
def test_not_a_dataset(analysis, what):
    with pytest.raises(TypeError, match=r"ds must be a Dataset from dmfx\.simulate, not .*" + type(what).__name__):
        analysis(what)


@every_analysis
def test_data_array(ds, analysis):
    with pytest.raises(TypeError, match=r"a Dataset from dmfx\.simulate, not a DataArray"):
        analysis(ds.m_o_semantic)


@every_analysis
def test_wrong_variable(ds, analysis):
    valid = r"one of 'm_o_semantic', 'attention' \(the variables with dims step and pattern\)"
    for wrong in ("m_o_semantics", "status"):
        with pytest.raises(ValueError, match=f"variable must be {valid}, not '{wrong}'"):
            analysis(ds, variable=wrong)
    with pytest.raises(TypeError, match=f"variable must be {valid}, not 3"):
        analysis(ds, variable=3)


@every_analysis
def test_unfit_datasets(ds, analysis):
    with pytest.raises(ValueError, match="ds must have a variable with dims step and pattern, but has none"):
        analysis(ds[["weights"]])
    with pytest.raises(ValueError, match="has none"):
        analysis(ds.isel(pattern=0))
    with pytest.raises(ValueError, match="at least one step"):
        analysis(ds.isel(step=slice(0)))
    with pytest.raises(ValueError, match="real numbers, but 'm_o_semantic' has dtype complex128"):
        analysis(ds.assign(m_o_semantic=ds.m_o_semantic * 1j))


@pytest.mark.parametrize("function", [bifurcation, autocorrelation, fft, power_spectrum])
@pytest.mark.parametrize("wrong", [0, 7, True, "3", [3], 3.5])
def test_wrong_pattern(ds, function, wrong):
    with pytest.raises(ValueError, match=r"pattern must be a label of the pattern coordinate \(3, 4, 5\), not"):
        function(ds, pattern=wrong)


def test_patterns_without_labels_are_numbered(ds):
    bare = ds.drop_vars("pattern")
    assert autocorrelation(bare, pattern=2).pattern.values.tolist() == [2]
    assert bifurcation(bare, pattern=2).density.attrs["pattern"] == 2
    with pytest.raises(ValueError, match=r"pattern coordinate \(0, 1, 2\), not 3"):
        fft(bare, pattern=3)


@pytest.mark.parametrize("function", [partial(bifurcation, pattern=3), poincare])
@pytest.mark.parametrize(
    ("plane", "error", "message"),
    [
        (5, TypeError, r"plane must be a mapping such as .*, not 5 \(int\)"),
        ({}, ValueError, "plane must have the key 'pattern' .* but has no keys"),
        ({"value": 0.0}, ValueError, "plane must have the key 'pattern' .* but has 'value'"),
        ({"pattern": 3, "b": 1}, ValueError, "but has 'pattern', 'b'"),
        ({"pattern": 0}, ValueError, r'plane\["pattern"\] must be a label .* \(3, 4, 5\), not 0'),
        ({"pattern": 3, "value": "0"}, TypeError, r'plane\["value"\] must be a finite number, not \'0\''),
        ({"pattern": 3, "value": np.inf}, ValueError, r'plane\["value"\] must be a finite number, not inf'),
        ({"pattern": 3, "variable": "m"}, ValueError, r'plane\["variable"\] must be one of .*, not \'m\''),
        ({"pattern": 3, "variable": "mean"}, ValueError, r'plane\["variable"\] must have the dims'),
    ],
)
def test_wrong_plane(ds, function, plane, error, message):
    ds = ds.assign(mean=ds.attention.mean("beta"))
    with pytest.raises(error, match=message):
        function(ds, plane=plane)


@pytest.mark.parametrize("function", [partial(bifurcation, pattern=3), partial(poincare, plane=PLANE)])
@pytest.mark.parametrize(
    ("tolerance", "error"), [(0, ValueError), (-1.0, ValueError), (np.nan, ValueError), ("1", TypeError)]
)
def test_wrong_tolerance(ds, function, tolerance, error):
    with pytest.raises(error, match="tolerance must be a finite number above 0, not"):
        function(ds, tolerance=tolerance)


def test_all_problems_at_once(ds):
    with pytest.raises(ValueError, match=r"3 problems: ds must .* plane must .* tolerance must "):
        poincare(ds.m_o_semantic, {}, 0)


def test_huge_blocks_are_split_by_points(ds):
    array = ds.m_o_semantic.chunk(step=8)
    with dask.config.set({"array.chunk-size": "20KiB"}):
        whole = whole_steps(array)
    assert whole.variable.chunksizes["step"] == (64,)
    assert all(array.data.itemsize * np.prod(block) <= 20 * 1024 for block in _shapes(whole.data))
    assert whole_steps(array).variable.chunksizes["beta"] == (4,)
    untouched = ds.m_o_semantic.chunk(beta=1)
    assert whole_steps(untouched).data.name == untouched.data.name
    with dask.config.set({"array.chunk-size": "20KiB"}):
        result = autocorrelation(ds.chunk(step=8))
    assert result.chunks["lag"] == (33,)
    xr.testing.assert_identical(result.compute(), autocorrelation(ds))


def _shapes(array):
    return [array.blocks[index].shape for index in np.ndindex(array.numblocks)]


def test_rows_fill_vector_registers():
    # AVX-512 holds eight numbers; no supported machine has wider registers.
    assert ROWS % 8 == 0


def test_import_compiles_nothing():
    code = "import sys, dmfx.analysis; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
