import inspect
import subprocess
import sys

import pytest

from dmfx import plot

NAMES = [
    "attractor_distance",
    "attractors",
    "autocorrelation",
    "basin_size",
    "basins",
    "bifurcation",
    "capacity",
    "continuation",
    "fft",
    "fluctuations",
    "images",
    "interference",
    "lyapunov",
    "phase_diagram",
    "poincare",
    "portrait",
    "power_spectrum",
    "recall",
    "residence",
    "task",
    "trajectory",
]


@pytest.mark.parametrize("name", NAMES)
def test_methods_delegate(monkeypatch, few, name):
    """The same signature, and every argument reaches the function by its name."""
    function, method = getattr(plot, name), getattr(plot.Plots, name)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    assert list(inspect.signature(method).parameters.values())[1:] == parameters
    called = {}

    def record(*args, **kwargs):
        called.update(inspect.signature(function).bind(*args, **kwargs).arguments)
        return "picture"

    monkeypatch.setitem(method.__globals__, name, record)
    arguments = {parameter.name: object() for parameter in parameters}
    assert getattr(few.dmft.plot, name)(**arguments) == "picture"
    assert called == {"ds": few} | arguments


def test_namespace_is_complete():
    assert [name for name in dir(plot.Plots) if not name.startswith("_")] == NAMES
    assert set(plot.__all__) == {"Plots", "save", *NAMES}


def test_import_loads_no_library_that_draws():
    code = "import sys, dmfx, dmfx.plot; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"holoviews", "hvplot", "datashader", "bokeh", "matplotlib", "panel"} & set(loaded)


@pytest.mark.parametrize(("before", "after"), [("", "bokeh"), ("holoviews.extension('matplotlib'); ", "matplotlib")])
def test_backend_of_the_user_stays(before, after):
    code = (
        f"import holoviews; {before}from dmfx.plot import _style; _style.load(); print(holoviews.Store.current_backend)"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == after
