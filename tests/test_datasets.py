"""The archives that ship: small, self-describing, and what this code computes today."""

from pathlib import Path

import numpy as np

import dmfx
from dmfx.reproduce.figures import STEPS, TRANSIENT, diagram, phases
from dmfx.reproduce.finite_size import SIZES, networks
from dmfx.reproduce.transient_memories import BETA, GAMMA, STORED, trained
from dmfx.reproduce.transient_memories import STEPS as MEMORY_STEPS

DATASETS = Path(__file__).parents[1] / "datasets"
ARCHIVE = DATASETS / "poc_lopez_2024_figure3a.nc"
PHASES = DATASETS / "poc_lopez_2024_phase_diagram.nc"
NETWORKS = DATASETS / "poc_lopez_2024_finite_size.nc"
MEMORIES = DATASETS / "damico_negri_2024_transient_memories.nc"


def test_small_and_self_describing():
    assert ARCHIVE.stat().st_size <= 5e6
    ds = dmfx.open(ARCHIVE)
    assert ds.sizes["beta"] == 4001
    assert ds.dmft.model == dmfx.SelfAttention.paper()
    assert ds["density"].attrs["units"] == "count"
    assert (ds["status"] == 0).all()
    assert (ds["density"].sum("value") + ds["outside"] == STEPS).all()


def test_tells_the_story_of_the_paper():
    """Periodic below about 1.243, then quasi-periodic, then chaos from about 1.265 with periodic windows."""
    period = dmfx.open(ARCHIVE)["period"].squeeze().load()
    driven = period.sel(beta=slice(0.05, 1.2425))
    assert (driven == 4).all()
    torus = period.sel(beta=slice(1.2445, 1.262))
    assert (torus == 0).mean() > 0.7
    chaos = period.sel(beta=slice(1.275, 3.0))
    assert 0.5 < float((chaos == 0).mean()) < 0.9
    assert int(period.sel(beta=3.0)) == 24


def test_computed_anew_to_the_last_count():
    shipped = dmfx.open(ARCHIVE)
    points = np.random.default_rng(1).choice(4001, 16, replace=False)
    beta = shipped["beta"].to_numpy()[np.sort(points)]
    again = diagram(beta, (-1.0, 1.0)).compute()
    for name in ("density", "section_density", "period", "final_attention", "final_phase"):
        assert again[name].to_numpy().tobytes() == shipped[name].sel(beta=beta).to_numpy().tobytes(), name


def test_the_phase_diagram_agrees_with_the_table_of_the_paper():
    assert PHASES.stat().st_size <= 1e6
    ds = dmfx.open(PHASES).load()
    assert (ds.sizes["beta"], ds.sizes["gamma"]) == (200, 200)
    assert ds.dmft.model == dmfx.SelfAttention.paper()
    names = np.array(ds["kind"].attrs["flag_meanings"].split())
    kind = ds["kind"].sel(gamma=220, method="nearest").squeeze()
    assert set(names[kind.sel(beta=slice(0.5, 1.24))]) == {"fixed"}
    assert (ds["period"].sel(gamma=220, method="nearest").sel(beta=slice(2.7, 3.0)) == 24).mean() > 0.9
    share = {name: float((ds["kind"] == number).mean()) for number, name in enumerate(names)}
    assert share["chaotic"] > 0.3
    assert share["transient"] < 0.01
    assert float(ds["agree"].mean()) > 0.99
    largest = ds["lyapunov"].isel(exponent=0)
    chaos = largest.values[names[ds["kind"]] == "chaotic"]
    # Where the exponent is zero within its error the spectrum decides: weak chaos near the border of the tori.
    assert (chaos > 0).mean() > 0.999
    assert chaos.min() > -1e-3
    assert largest.values[names[ds["kind"]] == "fixed"].max() < 0


def test_phases_computed_anew_to_the_last_bit():
    shipped = dmfx.open(PHASES)
    rng = np.random.default_rng(2)
    beta, gamma = (shipped[dim].values[np.sort(rng.choice(200, 3, replace=False))] for dim in ("beta", "gamma"))
    again = phases(beta, gamma).compute()
    for name in ("kind", "period", "frequencies", "settled", "lyapunov"):
        assert np.array_equal(again[name], shipped[name].sel(beta=beta, gamma=gamma), equal_nan=True), name


def test_networks_from_a_thousand_spins_to_a_billion():
    """Chaos by noise, then a torus on which noise brings networks together, then the mean field."""
    assert NETWORKS.stat().st_size <= 1e6
    ds = dmfx.open(NETWORKS).load().squeeze()
    assert ds.dmft.model == dmfx.SelfAttention.paper()
    assert tuple(ds["size"].values) == SIZES
    assert (ds["status"] == 0).all()
    distance, floor = ds["joint_distance"].median("replica"), float(ds["joint_distance_floor"])
    assert (distance.sel(size=slice(1e3, 1e4)) > 0.08).all()
    assert (distance.sel(size=slice(3e5, 1e9)) < 0.002).all()
    assert float(distance.sel(size=990_000)) > 3 * floor
    assert float(distance.sel(size=1e9)) < 1.5 * floor
    largest = ds["lyapunov"]
    error = largest.std("replica", ddof=1) / np.sqrt(largest.sizes["replica"])
    away = largest.mean("replica") / error.where(error > 0)
    assert (away.sel(size=slice(1e3, 1e5)) > 4).all()
    assert (away.sel(size=slice(990_000, 1e7)) < -4).all()
    assert abs(largest.sel(size=1e9)).max() < 1e-4


def test_networks_computed_anew_to_the_last_bit():
    """A point depends on its own coordinates alone, so that few of them are as good as all."""
    shipped = dmfx.open(NETWORKS).load()
    again = networks([1e4, 990_000.0, 1e9, np.inf], replicas=2, steps=STEPS, transient=TRANSIENT).compute()
    some = shipped.sel(size=again["size"], replica=again["replica"])
    for name in ("distance", "joint_distance", "distance_floor", "lyapunov", "m_o_semantic", "final_attention"):
        assert again[name].to_numpy().tobytes() == some[name].to_numpy().tobytes(), name


def test_few_images_stay_and_many_are_forgotten():
    assert MEMORIES.stat().st_size <= 1e6
    ds = dmfx.open(MEMORIES).load().squeeze()
    assert tuple(ds["stored"].values) == STORED
    held = ds["identified"].mean("initial")
    assert (held.sel(step=1) > 0.85).all()
    assert float(held.sel(stored=10).min()) == 1
    assert (np.diff(held.sel(step=50)) < 0).all()
    assert float(held.sel(stored=1000, step=50)) < 0.25
    overlap = ds["target_overlap"].mean("initial")
    assert (overlap.sel(step=50) < 0.95).all()
    assert float(overlap.sel(start="corrupted", step=1)) > float(overlap.sel(start="corrupted", step=0)) + 0.05
    alike = ds["similarity_value"].mean("pattern")
    assert float(alike.sel(similarity="mean")) < float(overlap.min()) < float(alike.sel(similarity="largest"))


def test_memories_computed_anew():
    """Runs to the last bit; training also takes Bessel functions and sums that need not have the same last bits."""
    shipped = dmfx.open(MEMORIES).load()
    net = shipped.dmft.model
    again = trained(net.patterns)
    assert np.allclose(again.couplings.dense(), net.couplings.dense(), rtol=0, atol=1e-6)
    runs = dmfx.free_running(
        net, np.arange(30), beta=BETA, gamma=GAMMA, steps=MEMORY_STEPS, variables="target_overlap"
    ).compute()
    stored = shipped["target_overlap"].sel(start="stored", initial=runs["initial"])
    assert runs["target_overlap"].to_numpy().tobytes() == stored.to_numpy().tobytes()
