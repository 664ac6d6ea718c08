"""The command line: what it makes, and one line with exit status 2 for whatever is wrong."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.cli import main
from dmfx.reproduce import FIGURES, find_figure, make_figure
from dmfx.reproduce.figures import diagram

DRAWN = ["--weights", "segments:2,4", "--seed", "0:2"]
SMALL = ["--beta", "1.0:1.3:5", "--steps", "50", "--transient", "20", "--workers", "1"]


def run(capsys, *words):
    """Exit status, and what was printed on both streams."""
    try:
        status = main(list(map(str, words)))
    except SystemExit as stop:
        status = stop.code
    out = capsys.readouterr()
    return status, out.out, out.err


@pytest.fixture(scope="module")
def archive_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("archives") / "runs.nc"
    runs = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[1.0, 1.28], gamma=220.0, steps=200, transient=500)
    return runs.dmft.save(path)


def test_help_names_every_command(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for command in ("reproduce", "simulate", "analyse", "plot", "info"):
        assert command in out
        assert run(capsys, command, "--help")[0] == 0


@pytest.mark.slow
def test_simulate_writes_the_archive_that_the_function_makes(tmp_path, capsys):
    status, out, _ = run(capsys, "simulate", tmp_path / "a.nc", "--weights", "segments:2,4", "--gamma", "5,6", *SMALL)
    assert status == 0
    assert "a.nc" in out
    expected = dmfx.simulate(
        dmfx.SelfAttention(dmfx.weights.segments(2, 4)),
        beta=np.linspace(1.0, 1.3, 5),
        gamma=[5.0, 6.0],
        steps=50,
        transient=20,
    ).compute()
    got = dmfx.open(tmp_path / "a.nc").load()
    assert got["attention"].equals(expected["attention"])
    status, _, err = run(capsys, "simulate", tmp_path / "a.nc", *SMALL)
    assert status == 2
    assert "exists" in err


@pytest.mark.slow
def test_simulate_reduced(tmp_path, capsys):
    status, *_ = run(capsys, "simulate", tmp_path / "a.zarr", "--reduce", "bifurcation", *DRAWN, *SMALL)
    assert status == 0
    assert int(dmfx.open(tmp_path / "a.zarr")["density"].sum()) == 5 * 2 * 50


def test_info(archive_file, capsys):
    status, out, _ = run(capsys, "info", archive_file)
    assert status == 0
    for word in ("SelfAttention", "beta", "m_o_semantic", "2 ok, 0 diverged", "dmfx.simulate("):
        assert word in out


@pytest.mark.parametrize("kind", ["bifurcation", "portrait", "trajectory", "autocorrelation", "power_spectrum", "fft"])
def test_plot(archive_file, tmp_path, capsys, kind):
    status, _, err = run(capsys, "plot", archive_file, kind, tmp_path / f"{kind}.png")
    assert (status, err) == (0, "")
    assert (tmp_path / f"{kind}.png").stat().st_size > 5000


def test_plot_over_another_axis(tmp_path, capsys):
    """A sweep over γ at one β is drawn over γ; a second long dim is selected from."""
    net = dmfx.SelfAttention(dmfx.weights.segments(2))
    runs = dmfx.simulate(net, beta=1.3, gamma=np.arange(0, 40, 2.0), seed=np.arange(15), steps=60)
    path = runs.dmft.save(tmp_path / "runs.nc")
    status, _, err = run(capsys, "plot", path, "bifurcation", tmp_path / "a.png", "--x", "gamma")
    assert status == 2
    assert "15 sweep points" in err
    words = ("--select", "seed=3", "--pattern", "1")
    assert run(capsys, "plot", path, "bifurcation", tmp_path / "a.png", *words)[0] == 0
    assert (
        run(capsys, "plot", path, "portrait", tmp_path / "b.png", "--select", "seed=3", "--select", "gamma=9")[0] == 0
    )
    assert run(capsys, "plot", path, "portrait", tmp_path / "b.png", "--select", "size=3")[0] == 2
    assert run(capsys, "plot", path, "portrait", tmp_path / "b.png", "--select", "seed=x")[0] == 2


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """Archives of analyses, made by hand: nothing is computed."""
    folder = tmp_path_factory.mktemp("analysed")
    sweep, axes = ("beta", "gamma"), {"beta": [1.0, 1.2, 1.3], "gamma": [200.0, 220.0]}
    each = np.arange(6.0).reshape(3, 2)
    kinds = xr.Dataset({"kind": (sweep, (each % 4).astype(np.int8)), "period": (sweep, each.astype(int))}, axes)
    exponents = xr.Dataset({"lyapunov": ((*sweep, "exponent"), each[..., None] / 10 - 0.2)}, axes)
    basins = xr.Dataset(
        {
            "basin_fraction": (("beta", "attractor"), [[1.0, 0.0], [0.4, 0.6], [0.0, 0.9]]),
            "attractor_kind": (("beta", "attractor"), np.array([[0, 6], [1, 3], [6, 3]], np.int8)),
            "attractor_period": (("beta", "attractor"), [[4, 0], [28, 0], [0, 0]]),
            "attractor_points": (("beta", "attractor", "point", "pattern"), np.arange(60.0).reshape(3, 2, 5, 2)),
        },
        {"beta": axes["beta"], "attractor": [0, 1], "pattern": [0, 1]},
    )
    branch = xr.Dataset(
        {
            "parameter": ("branch_point", [1.0, 1.2, 1.3], {"along": "beta"}),
            "orbit_max": (("branch_point", "pattern"), [[0.1, 0.2], [0.2, 0.3], [0.3, 0.1]]),
            "unstable": ("branch_point", [0, 0, 2]),
            "special": ("branch_point", [0, 3, 0]),
            "period": ((), 4),
        },
        {"pattern": [0, 1]},
    )
    carried = kinds.expand_dims(direction=["up", "down"])
    made = {"kinds": kinds, "exponents": exponents, "basins": basins, "branch": branch, "carried": carried}
    return {name: dmfx.save(ds, folder / f"{name}.nc") for name, ds in made.items()}


@pytest.mark.parametrize(
    ("archive", "kind", "words"),
    [
        ("exponents", "lyapunov", []),
        ("exponents", "lyapunov", ["--x", "gamma"]),
        ("kinds", "phase_diagram", []),
        ("kinds", "phase_diagram", ["--x", "gamma", "--y", "beta", "--variable", "period"]),
        ("carried", "phase_diagram", ["--select", "direction=down"]),
        ("basins", "basins", []),
        ("basins", "attractors", []),
        ("branch", "continuation", ["--pattern", "1"]),
    ],
)
def test_plot_of_what_an_analysis_found(analysed, tmp_path, capsys, archive, kind, words):
    status, _, err = run(capsys, "plot", analysed[archive], kind, tmp_path / "a.png", *words)
    assert (status, err) == (0, "")
    assert (tmp_path / "a.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("archive", "kind", "words", "message"),
    [
        ("kinds", "phase_diagram", ["--variable", "colour"], "ds must have the variable 'colour', but has 'kind'"),
        ("kinds", "phase_diagram", ["--y", "time"], "y must be a sweep dim, one of 'beta', 'gamma', not 'time'"),
        ("kinds", "phase_diagram", ["--pattern", "1"], "--pattern goes with bifurcation, .*, not with phase_diagram"),
        ("exponents", "lyapunov", ["--y", "gamma"], "--y goes with phase_diagram, not with lyapunov"),
        ("basins", "basins", ["--plane", "1"], "--plane goes with bifurcation, poincare, not with basins"),
        ("basins", "portrait", ["--variable", "kind"], "--variable goes with phase_diagram, residence, not with"),
        ("kinds", "continuation", [], "continuation needs an archive of branches, which dmfx.continuation makes"),
        ("branch", "basins", [], "basins: ds must"),
        ("carried", "phase_diagram", ["--select", "direction=left"], "expected one of direction=up, direction=down"),
    ],
)
def test_plot_refuses_in_one_line(analysed, tmp_path, capsys, archive, kind, words, message):
    status, out, err = run(capsys, "plot", analysed[archive], kind, tmp_path / "a.png", *words)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert re.search(message, err), err
    assert not (tmp_path / "a.png").exists()


def test_plot_of_a_section(archive_file, tmp_path, capsys):
    picture = tmp_path / "section.png"
    assert run(capsys, "plot", archive_file, "bifurcation", picture, "--plane", 1)[0] == 0
    status, _, err = run(capsys, "plot", archive_file, "bifurcation", picture)
    assert status == 2
    assert "section.png exists; --overwrite replaces it" in err
    status, _, err = run(capsys, "plot", archive_file, "poincare", picture.with_name("other.png"))
    assert status == 2
    assert "poincare needs --plane PATTERN" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["reproduce", "figure9"], "there is no figure 'figure9': expected one of figure3a"),
        (["reproduce", "3a", "--formats", "nc,gif"], "formats must be one of 'nc', 'png', 'html', 'zarr', not 'gif'"),
        (["reproduce", "3a", "--workers", "0"], "workers must be a whole number of at least 1, not 0"),
        (["reproduce", "3a", "--workers", "1", "--scheduler", "tcp://127.0.0.1:1"], "not allowed with"),
        (["simulate", "x.nc", "--beta", "hot", "--steps", "3"], "'hot' is not a number, a list such as"),
        (["simulate", "x.nc", "--beta", "0:1", "--steps", "3"], "or a range START:STOP:COUNT"),
        (["simulate", "x.nc", "--beta", "nan", "--steps", "3"], "beta must be .* not nan"),
        (["simulate", "x.nc", "--beta=-1", "--steps", "0"], "2 problems: beta .*; steps"),
        (["simulate", "x.nc", "--beta", "1", "--steps", "3", "--weights", "gold:3"], "there is no 'gold'"),
        (
            ["simulate", "x.nc", "--beta", "1", "--steps", "3", "--weights", "segments:a"],
            "expected segments:M,SEGMENTS",
        ),
        (["simulate", "x.nc", "--beta", "1", "--steps", "3", "--seed", "1.5"], "'1.5' is not a whole number"),
        (["simulate", "x.nc", "--beta", "1", "--steps", "3", "--context-size", "8"], "goes with drawn weights"),
        (["simulate", "x.csv", "--beta", "1", "--steps", "3", "--workers", "1"], "x.csv"),
        (["simulate", "x.nc", "--beta", "1", "--steps", "9" * 400], "steps must be .* at most"),
        (["simulate", "x.nc", "--beta", "0:3:100000000000000", "--steps", "3"], "not enough memory"),
        (["simulate", "x.nc", "--beta", "1", "--steps", "3", "--weights", "paper:3"], "paper takes no numbers"),
        (["simulate", "x.nc", "--beta", "1", "--steps", "3", "--weights", "gaussian:3"], "expected gaussian:M,SCALE"),
        (["info", "missing.nc"], "missing.nc"),
        (["plot", "missing.nc", "portrait", "x.png"], "missing.nc"),
        (["plot", "missing.nc", "sculpture", "x.png"], "invalid choice: 'sculpture'"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *words)
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1, err

    assert re.search(message, err), err
    assert list(tmp_path.iterdir()) == []


def test_nobody_answers_at_the_scheduler(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("dmfx.cluster.CONNECT_SECONDS", 1)
    status, _, err = run(capsys, "reproduce", "4", "--scheduler", "tcp://127.0.0.1:9", "--output", tmp_path)
    assert status == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in err
    assert len(err.splitlines()) == 1


def test_files_that_are_there_are_kept(capsys, tmp_path):
    there = tmp_path / "poc_lopez_2024_figure4.png"
    there.write_text("mine")
    status, _, err = run(capsys, "reproduce", "4", "--output", tmp_path, "--workers", "1")
    assert status == 2
    assert "poc_lopez_2024_figure4.png exists already" in err
    assert there.read_text() == "mine"


@pytest.mark.slow
def test_reproduce_on_a_scheduler_that_is_there(tmp_path):
    """A real `dask scheduler` and worker in processes of their own, found by address."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        words = ["reproduce", "figure5", "--scheduler", cluster.scheduler_address, "--output", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-c", f"from dmfx.cli import main; raise SystemExit(main({words!r}))"],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "default"},
            check=False,
        )
    assert done.returncode == 0, done.stderr
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {f"poc_lopez_2024_figure5.{suffix}" for suffix in ("nc", "png", "html")}
    ds = dmfx.open(tmp_path / "poc_lopez_2024_figure5.nc")
    assert ds.dmft.model == dmfx.SelfAttention.paper()
    assert ds["power"].sizes["frequency"] == 10_001


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_lazy_and_found_by_short_names(name):
    assert find_figure(name.removeprefix("figure")) is FIGURES[name]
    ds = FIGURES[name].compute()
    assert all(variable.chunks is not None for variable in ds.data_vars.values())


def test_a_diagram_tells_periodic_from_chaotic(tmp_path):
    """Figure 3a at nine values of β, through the code that makes it."""
    ds = diagram(np.array([0.3, 0.9, 1.2, 1.24, 1.255, 1.26, 1.28, 2.0, 3.0]), (-1.0, 1.0), steps=3000).compute()
    assert ds["period"].to_numpy().ravel().tolist() == [4, 4, 4, 4, 0, 0, 0, 0, 24]
    assert (ds["density"].sum("value") == 3000).all()
    assert (ds["section_density"] <= ds["density"]).all()
    assert int(ds["section_density"].sel(beta=1.28).sum()) > 0
    occupied = (ds["density"] > 0).sum("value").to_numpy().ravel()
    assert occupied[0] <= 4
    assert occupied[6] > 200


def test_unknown_formats_are_refused_before_computing(tmp_path):
    with pytest.raises(ValueError, match="formats must be one of"):
        make_figure(find_figure("3a"), tmp_path, formats=["pdf"])


def test_an_archive_cut_in_half_is_refused_by_name(archive_file, tmp_path, capsys):
    half = tmp_path / "half.nc"
    half.write_bytes(archive_file.read_bytes()[: archive_file.stat().st_size // 2])
    status, out, err = run(capsys, "info", half)
    assert (status, out) == (2, "")
    assert "half.nc" in err
    assert len(err.splitlines()) == 1
