"""``dmfx analyse``, and the analyses and kinds of sweep that ``dmfx simulate`` offers."""

import numpy as np
import pytest

import dmfx
from tests.test_cli import run

NET = dmfx.SelfAttention.paper()


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    path = tmp_path_factory.mktemp("archives") / "states.nc"
    ds = dmfx.simulate(NET, beta=[1.0, 1.2], gamma=[200.0, 220.0], steps=30, transient=2000)
    return ds.dmft.save(path)


@pytest.mark.slow
def test_analyse_keeps_what_the_function_returns(states, tmp_path, capsys):
    made = tmp_path / "spectrum.zarr"
    status, out, err = run(capsys, "analyse", states, "lyapunov", made, "--set", "n=2", "--set", "steps=100")
    assert (status, err.count("Error")) == (0, 0)
    assert str(made) in out
    expected = dmfx.lyapunov(dmfx.open(states), n=2, steps=100).compute()
    assert dmfx.open(made).load().equals(expected)
    status, _, err = run(capsys, "analyse", states, "lyapunov", made)
    assert status == 2
    assert "--overwrite" in err


@pytest.mark.slow
def test_analyse_one_selected_point(states, tmp_path, capsys):
    made = tmp_path / "branch.nc"
    words = ("continuation", made, "--select", "beta=1.2", "--select", "gamma=220", "--workers", "1")
    settings = ("--set", "limits=[1.19,1.26]", "--set", "step=0.005")
    status, _, _ = run(capsys, "analyse", states, *words, *settings)
    assert status == 0
    branch = dmfx.open(made)
    assert branch.sizes["beta"] == branch.sizes["gamma"] == 1
    special = branch["special"].attrs["flag_meanings"].split()
    found = branch["parameter"].values[branch["special"].values == special.index("neimark_sacker")]
    assert np.abs(found - 1.243).min() < 1e-3


@pytest.mark.slow
def test_simulate_carried_with_exponents(tmp_path, capsys):
    words = ["--beta", "1.25:1.27:3", "--steps", "40", "--transient", "60", "--workers", "1"]
    made = tmp_path / "carried.nc"
    status, _, _ = run(
        capsys, "simulate", made, *words, "--carry", "beta", "--direction", "both", "--lyapunov", "2", "--starts", "2"
    )
    assert status == 0
    expected = dmfx.simulate(
        NET,
        beta=np.linspace(1.25, 1.27, 3),
        gamma=220.0,
        steps=40,
        transient=60,
        carry="beta",
        direction="both",
        lyapunov=2,
        initial="random",
        starts=2,
    ).compute()
    assert dmfx.open(made).load().equals(expected)


@pytest.mark.slow
def test_simulate_classified(tmp_path, capsys):
    made = tmp_path / "kinds.nc"
    words = [
        "--beta",
        "0.5,1.26,3",
        "--transient",
        "20000",
        "--steps",
        "4000",
        "--reduce",
        "classify",
        "--workers",
        "1",
    ]
    assert run(capsys, "simulate", made, *words)[0] == 0
    kinds = dmfx.open(made)
    names = kinds["kind"].attrs["flag_meanings"].split()
    assert [names[kind] for kind in kinds["kind"].values.ravel()] == ["fixed", "quasi_periodic", "periodic"]
    assert kinds["period"].values.ravel().tolist() == [4, 0, 24]
    assert "steps=4000" in kinds.attrs["history"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("analyse", "STATES", "lyapunov", "out.nc", "--set", "m=3"),
            "expected NAME=VALUE with a NAME out of n, steps",
        ),
        (("analyse", "STATES", "lyapunov", "out.nc", "--set", "n"), "expected NAME=VALUE"),
        (("analyse", "STATES", "lyapunov", "out.nc", "--set", "n=99"), "lyapunov: n must be at most 12"),
        (("analyse", "STATES", "lyapunov", "out.nc", "--set", "steps=few"), "steps must be a whole number"),
        (("analyse", "STATES", "basins", "out.nc"), "initial"),
        (("analyse", "STATES", "poincare", "out.nc"), "poincare needs --set plane=VALUE"),
        (
            ("simulate", "out.nc", "--beta", "1", "--steps", "5", "--reduce", "basins"),
            "basins needs --starts N",
        ),
        (
            ("simulate", "out.nc", "--beta", "1", "--steps", "500", "--reduce", "classify", "--lyapunov", "3"),
            "--lyapunov goes with trajectories",
        ),
        (("analyse", "STATES", "guess", "out.nc"), "invalid choice: 'guess'"),
        (("analyse", "nothing.nc", "classify", "out.nc"), "nothing.nc"),
        (("analyse", "STATES", "classify", "out.txt"), ".nc"),
        (("analyse", "STATES", "classify", "out.nc", "--select", "alpha=1"), "there is no dim 'alpha'"),
        (("simulate", "out.nc", "--beta", "1", "--steps", "5", "--set", "n=3"), "--set goes with --reduce"),
        (("simulate", "out.nc", "--beta", "1", "--steps", "5", "--lyapunov", "few"), "'few' is not a whole number"),
        (("simulate", "out.nc", "--beta", "1", "--steps", "5", "--carry", "seed"), "carry must be one of"),
        (("simulate", "out.nc", "--beta", "1", "--steps", "5", "--direction", "up"), "direction goes with carry="),
        (("simulate", "out.nc", "--beta", "1", "--steps", "5", "--starts", "0"), "starts must be"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(states, words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *(states if word == "STATES" else word for word in words))
    assert status == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
