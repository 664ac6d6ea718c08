"""``dmfx reproduce finite_size``: finite networks beside the mean field at the published point."""

import numpy as np
import pytest

import dmfx
from dmfx.reproduce import find_figure, make_figure
from dmfx.reproduce.figures import STEPS, TRANSIENT
from dmfx.reproduce.finite_size import BETA, SIZES, draw_networks, networks


@pytest.fixture(scope="module")
def few():
    """Five sizes, three replicas, short runs; the mean field is settled all the same."""
    return networks([1e4, 1e5, 990_000, 1e9, np.inf], replicas=3, steps=2_000, transient=20_000).compute()


def test_the_sizes_go_from_a_thousand_to_a_billion_with_the_published_one():
    assert {1e3, 990_000.0, 1e9, np.inf} <= set(SIZES)
    assert list(SIZES) == sorted(set(SIZES))


def test_all_start_on_the_attractor_of_the_mean_field(few):
    """Each part is what its own function says of the same runs."""
    net = dmfx.SelfAttention.paper()
    mean_field = dmfx.simulate(net, beta=BETA, gamma=220.0, steps=1, transient=19_999)
    runs = dmfx.simulate(
        net,
        beta=BETA,
        gamma=220.0,
        size=[1e4, 1e9, np.inf],
        replica=[0, 2],
        steps=2_000,
        transient=20_000,
        initial=mean_field,
        lyapunov=1,
    ).compute()
    some = few.sel(size=[1e4, 1e9, np.inf], replica=[0, 2])
    assert np.array_equal(some["lyapunov"], runs["lyapunov"])
    assert np.array_equal(some["final_attention"], runs["final_attention"])
    distances = dmfx.attractor_distance(runs)
    for name in ("distance", "joint_distance", "distance_floor"):
        assert np.array_equal(some[name], distances[name]), name
    whole = runs["m_o_semantic"].sel(replica=0, step=few["step"])
    assert np.array_equal(some["m_o_semantic"], whole)


def test_states_are_kept_at_one_phase_of_the_position(few):
    assert set(np.diff(few["step"])) == {4}
    assert "replica" not in few["m_o_semantic"].dims


def test_noise_smears_the_torus_of_small_networks_and_not_of_large_ones(few):
    distance = few["joint_distance"].median("replica").squeeze()
    assert float(distance.sel(size=1e4)) > 0.03
    assert float(distance.sel(size=990_000)) < 0.003
    assert float(distance.sel(size=1e9)) < float(distance.sel(size=990_000))
    assert float(distance.sel(size=np.inf)) == 0
    largest = few["lyapunov"].squeeze()
    assert (largest.sel(size=1e4) > 0.02).all()
    assert (abs(largest.sel(size=[1e9, np.inf])) < 1e-3).all()


def test_the_archive_stands_alone(few, tmp_path):
    few.dmft.save(tmp_path / "few.nc")
    again = dmfx.open(tmp_path / "few.nc")
    assert again.load().equals(few)
    assert again.dmft.model == dmfx.SelfAttention.paper()
    # Both runs: that of the mean field, and that of the networks which start where it ends.
    assert again.attrs["history"].count("dmfx.simulate(") == 2
    assert "transient=19999" in again.attrs["history"]
    onward = dmfx.simulate(
        again.dmft.model, beta=BETA, gamma=220.0, size=[1e4, np.inf], replica=[1], steps=4, initial=again
    )
    assert np.isfinite(onward["attention"]).all()
    picture = draw_networks(again)
    assert len(picture) == 6


@pytest.mark.slow
def test_made_in_files(tmp_path):
    """All of it, as the shell makes it: a minute on one core."""
    figure = find_figure("finite_size")
    paths = make_figure(figure, tmp_path)
    assert {path.suffix for path in paths} == {".nc", ".png", ".html"}
    assert all(path.stat().st_size > 50_000 for path in paths)
    ds = dmfx.open(tmp_path / "poc_lopez_2024_finite_size.nc").load()
    assert ds.attrs["title"].startswith("Finite networks beside the mean field")
    assert ds.sizes["replica"] == 20
    assert (ds["noise_step"].sel(size=1e9) == STEPS + TRANSIENT).all()
    distance, floor = ds["joint_distance"].median("replica").squeeze(), float(ds["joint_distance_floor"].squeeze())
    assert (np.diff(distance.sel(size=slice(1e3, 1e8))) < 0).all()
    assert float(distance.sel(size=1e9)) < 2 * floor
    assert float(distance.sel(size=990_000)) > 3 * floor
