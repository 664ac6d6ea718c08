"""The command line of finite networks: sizes, replicas, common noise, starts, reductions and pictures."""

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.cli.options import selected, whole_numbers
from tests.test_cli import run

NET = dmfx.SelfAttention.paper()
SMALL = ("--beta", "1.2", "--steps", "24", "--transient", "8")


@pytest.fixture
def built(monkeypatch):
    """What ``dmfx simulate`` builds, computed here instead of on a cluster."""
    made = []
    monkeypatch.setattr("dmfx.cli.simulate.keep", lambda build, options: made.append(build()))
    return made


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e6", 1e6),
        ("inf", np.inf),
        ("100,1e6,inf", [100, 1e6, np.inf]),
        ("1e3:1e9:7,inf", [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, np.inf]),
        ("50:700:3", [50, 187, 700]),
        ("7,1e2:1e4:3,990000", [7, 100, 1e3, 1e4, 990_000]),
    ],
)
def test_sizes_as_they_are_written(text, values):
    assert np.array_equal(whole_numbers(text), values)
    assert np.ndim(whole_numbers(text)) == np.ndim(values)


def test_simulate_sizes_and_replicas(built, capsys):
    assert run(capsys, "simulate", "a.nc", "--size", "100,1e6,inf", "--replica", "0:3", *SMALL)[0] == 0
    expected = dmfx.simulate(
        NET, beta=1.2, gamma=220.0, size=[100, 1e6, np.inf], replica=range(3), steps=24, transient=8
    )
    assert built[0].compute().equals(expected.compute())
    assert built[0].sizes["replica"] == 3
    assert run(capsys, "simulate", "a.nc", "--size", "1000", "--replica", "5", *SMALL)[0] == 0
    assert built[1]["size"].item() == 1000
    assert built[1]["replica"].item() == 5


def test_simulate_tokens_that_share_their_noise(built, capsys):
    words = ("--size", "1e3", "--initial", "random_token", "--starts", "3", "--common-noise", "initial")
    assert run(capsys, "simulate", "a.nc", *words, *SMALL)[0] == 0
    expected = dmfx.simulate(
        NET,
        beta=1.2,
        gamma=220.0,
        size=1e3,
        initial="random_token",
        starts=3,
        common_noise="initial",
        steps=24,
        transient=8,
    )
    assert built[0].compute().equals(expected.compute())


def test_simulate_from_a_pattern_and_from_an_archive(built, capsys, tmp_path):
    assert run(capsys, "simulate", "a.nc", "--size", "50,inf", "--initial", "2", *SMALL)[0] == 0
    first = dmfx.simulate(NET, beta=1.2, gamma=220.0, size=[50, np.inf], initial=2, steps=24, transient=8).compute()
    assert built[0].compute().equals(first)
    first.dmft.save(tmp_path / "first.nc")
    words = ("--beta", "1.2", "--steps", "5", "--size", "50,inf", "--initial", tmp_path / "first.nc")
    assert run(capsys, "simulate", "b.nc", *words)[0] == 0
    whole = dmfx.simulate(NET, beta=1.2, gamma=220.0, size=[50, np.inf], initial=2, steps=29, transient=8)
    expected = whole["attention"].isel(step=slice(-5, None)).values
    assert np.array_equal(built[1]["attention"], expected)


@pytest.mark.parametrize("name", ["attractor_distance", "fluctuations"])
def test_simulate_reduced(built, capsys, name):
    words = ("--size", "1e2:1e4:2,inf", "--replica", "0:4", "--reduce", name)
    assert run(capsys, "simulate", "a.nc", *words, *SMALL)[0] == 0
    runs = dmfx.simulate(
        NET, beta=1.2, gamma=220.0, size=[100, 1e4, np.inf], replica=range(4), steps=24, transient=8
    ).compute()
    assert built[0].compute().equals(getattr(dmfx, name)(runs))


def test_settings_go_to_the_reduction(built, capsys):
    words = ("--size", "1e2:1e6:3", "--replica", "0:4", "--reduce", "fluctuations", "--set", "min_size=1e4")
    assert run(capsys, "simulate", "a.nc", *words, *SMALL)[0] == 0
    assert built[0]["fluctuation_exponent"].attrs["min_size"] == 1e4


@pytest.mark.slow
def test_an_archive_by_way_of_the_cluster(tmp_path, capsys):
    made = tmp_path / "distances.nc"
    words = ("--size", "1e3:1e5:2,inf", "--replica", "0:3", "--reduce", "attractor_distance", "--workers", "1")
    status, out, _ = run(capsys, "simulate", made, *words, *SMALL)
    assert status == 0
    assert "distances.nc" in out
    runs = dmfx.simulate(
        NET, beta=1.2, gamma=220.0, size=[1e3, 1e5, np.inf], replica=range(3), steps=24, transient=8
    ).compute()
    assert dmfx.open(made).load().equals(dmfx.attractor_distance(runs))


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Results of analyses, made by hand."""
    folder = tmp_path_factory.mktemp("finite")
    size = np.array([1e2, 1e4, np.inf])
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(3, 4, 40, 2)) / np.sqrt(np.where(np.isfinite(size), size, 1e12))[:, None, None, None]
    waves = np.sin(np.arange(40)[:, None] / 3 + np.arange(2)) + noise
    runs = xr.Dataset(
        {"m_o_semantic": (("size", "replica", "step", "pattern"), waves)},
        {"size": size, "replica": np.arange(4), "step": np.arange(40), "pattern": [0, 1]},
    )
    exponents = xr.Dataset({"lyapunov": (("size", "exponent"), [[0.1, -0.2], [0.0, -0.3], [-0.01, -0.3]])})
    made = {
        "runs": runs,
        "distances": dmfx.attractor_distance(runs),
        "fluctuations": dmfx.fluctuations(runs),
        "exponents": exponents.assign_coords(size=size),
    }
    return {name: dmfx.save(ds, folder / f"{name}.nc") for name, ds in made.items()}


@pytest.mark.parametrize(
    ("archive", "kind", "words"),
    [
        ("distances", "attractor_distance", []),
        ("distances", "attractor_distance", ["--pattern", "1"]),
        ("runs", "attractor_distance", []),
        ("fluctuations", "fluctuations", ["--pattern", "0"]),
        ("runs", "fluctuations", []),
        ("exponents", "lyapunov", ["--x", "size"]),
        ("runs", "portrait", ["--select", "replica=2"]),
        ("runs", "portrait", ["--select", "replica=2", "--select", "size=inf"]),
    ],
)
def test_plot(archives, tmp_path, capsys, archive, kind, words):
    picture = tmp_path / "a.png"
    assert run(capsys, "plot", archives[archive], kind, picture, *words) == (0, f"{picture}\n", "")
    assert picture.stat().st_size > 5000


def test_selection_of_sizes():
    ds = xr.Dataset(coords={"size": [1e2, 1e4, np.inf]})
    for text, size in (("inf", np.inf), ("1e4", 1e4), ("9e3", 1e4), ("1e12", 1e4), ("1", 100)):
        assert selected(ds, [f"size={text}"])["size"].item() == size
    with pytest.raises(ValueError, match="near nothing"):
        selected(ds, ["size=nan"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "many"], "'many' is not a number, a list such as 100,1e6,inf"),
        (["--size", "1e3:inf:4"], "'1e3:inf:4' is not a number, a list"),
        (["--size", "1e3:1e6:0"], "is not a number, a list"),
        (["--size", "0"], "size must be whole numbers from 1 to 2^53"),
        (["--size=-5"], "size must be whole numbers from 1 to 2^53"),
        (["--size", "10.5"], "not 10.5"),
        (["--size", "1e20"], "size must be whole numbers from 1 to 2^53"),
        (["--size", "nan"], "size must be whole numbers"),
        (["--size", "100,1e2"], "size has repeated values"),
        (["--replica", "0:5"], "replica, the realisation of the thermal noise, goes with size="),
        (["--size", "100", "--replica", "0.5"], "'0.5' is not a whole number"),
        (["--size", "100", "--replica", "3:3"], "replica must be"),
        (["--common-noise", "initial"], "common_noise"),
        (["--size", "100", "--common-noise", "replica", "--replica", "0:2"], "replicas are what has different noise"),
        (["--size", "100", "--common-noise", "initial"], "there is no dim 'initial'"),
        (["--initial", "random_token", "--starts", "3"], "initial='random_token' needs a finite size="),
        (["--size", "100", "--initial", "random_token"], "needs --starts N"),
        (["--size", "100", "--initial", "2", "--starts", "3"], "--starts goes with --initial random or random_token"),
        (["--size", "100", "--initial", "7"], "a pattern from 0 to 2"),
        (["--size", "100", "--initial", "token"], "--initial token: expected random, random_token, patterns, the"),
        (["--size", "100", "--initial", "missing.nc"], "missing.nc"),
        (["--size", "100,1000", "--reduce", "attractor_distance"], "must have an entry size = inf"),
        (["--size", "100,1000", "--reduce", "fluctuations"], "fluctuations needs --size and --replica"),
        (["--size", "100,1000", "--reduce", "fluctuations", "--replica", "1"], "at least two replicas"),
        (["--size", "100", "--reduce", "residence"], "residence needs --set attractors=VALUE"),
        (["--size", "100", "--reduce", "residence", "--set", "attractors=none.nc"], "none.nc"),
        (["--size", "100", "--reduce", "classify"], "classify"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "simulate", "a.nc", *SMALL, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1, err
    assert not list(tmp_path.iterdir())


def test_plots_that_lack_something_say_so_in_one_line(archives, tmp_path, capsys):
    for archive, kind, message in (
        ("runs", "residence", "attractors"),
        ("exponents", "fluctuations", "dims step and pattern"),
    ):
        status, out, err = run(capsys, "plot", archives[archive], kind, tmp_path / "a.png")
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert message in err
