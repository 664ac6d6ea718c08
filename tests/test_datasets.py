"""The archive that ships: small, self-describing, and what this code computes today."""

from pathlib import Path

import numpy as np

import dmfx
from dmfx.reproduce.figures import STEPS, diagram

ARCHIVE = Path(__file__).parents[1] / "datasets" / "poc_lopez_2024_figure3a.nc"


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
