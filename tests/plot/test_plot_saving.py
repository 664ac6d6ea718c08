import re
import shutil
import subprocess

import numpy as np
import pytest
import xarray as xr

from dmfx import plot
from dmfx.plot import _style

CHROMIUM = shutil.which("chromium")


def pixels(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


@pytest.fixture(scope="module")
def pictures(diagram, few):
    kind = np.tile(np.arange(6, dtype=np.int8), (5, 1))
    kinds = xr.Dataset({"kind": (("beta", "gamma"), kind)}, {"beta": np.arange(5.0), "gamma": np.arange(6.0)})
    return {
        "phase_diagram": plot.phase_diagram(kinds),
        "bifurcation": plot.bifurcation(diagram),
        "portrait": plot.portrait(few),
        "trajectory": plot.trajectory(few, pattern=None),
        "power_spectrum": plot.power_spectrum(few),
    }


@pytest.fixture(scope="module")
def html(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("html")
    return {name: plot.save(picture, folder / f"{name}.html") for name, picture in pictures.items()}


def test_html_loads_nothing(html):
    for path in html.values():
        text = path.read_text()
        assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
        assert len(text) < 8e6


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on PATH")
@pytest.mark.parametrize("name", ["bifurcation", "portrait", "phase_diagram"])
def test_html_is_drawn_without_network(html, tmp_path, name):
    shot = tmp_path / "shot.png"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=8000", "--window-size=1300,900", "--host-resolver-rules=MAP * ~NOTFOUND"]
    subprocess.run([*command, f"--screenshot={shot}", html[name].as_uri()], check=True, capture_output=True, timeout=60)
    picture = pixels(shot)
    dark = np.abs(picture - np.array([0x08, 0x20, 0x5C]) / 255).max(axis=-1) < 0.02
    assert (picture.min(axis=-1) < 0.9).mean() > 0.01
    assert dark.sum() > 50


@pytest.mark.parametrize(
    ("name", "size"),
    [("bifurcation", (1800, 1040)), ("portrait", (2400, 800)), ("trajectory", (2240, 1360))],
)
def test_png(pictures, tmp_path, name, size):
    picture = pixels(plot.save(pictures[name], tmp_path / f"{name}.PNG"))
    assert picture.shape[1::-1] == size
    assert 0.005 < (picture.min(axis=-1) < 0.9).mean() < 0.9
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 1).all(), "something is cut off"


def test_png_shows_the_pixels_of_the_image(diagram, tmp_path):
    """A column of the frame for each column of the image at twice the resolution."""
    picture = pixels(plot.save(plot.bifurcation(diagram), tmp_path / "a.png"))
    width, height = _style.frame(900, 520)
    left, _, _, top = _style.MARGINS
    frame = picture[2 * top : 2 * (top + height), 2 * left : 2 * (left + width)]
    coloured = (frame[4:-4].min(axis=-1) < 0.95).any(axis=0)
    assert coloured.all()


def test_zoomed_pictures_are_saved_whole(diagram, tmp_path):
    picture = plot.bifurcation(diagram)
    before = pixels(plot.save(picture, tmp_path / "before.png"))
    picture.event(x_range=(1.25, 1.26), y_range=(0.0, 0.1))
    after = pixels(plot.save(picture, tmp_path / "after.png"))
    assert np.array_equal(before, after)
    assert picture[()].get(0).bounds.lbrt()[0] == 1.25


def test_other_holoviews_objects(tmp_path):
    import holoviews as hv

    curve = hv.Curve([0.0, 1.0, 0.5])
    assert (pixels(plot.save(curve + curve, tmp_path / "two.png")) < 0.9).any()


def test_never_overwrites_unasked(pictures, tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.png exists; overwrite=True"):
        plot.save(pictures["trajectory"], path)
    assert path.read_text() == "mine"
    assert plot.save(pictures["trajectory"], str(path), overwrite=True) == path
    assert path.read_bytes().startswith(b"\x89PNG")


def test_bad_arguments(pictures, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.html or \.png, not in '\.svg'"):
        plot.save(pictures["trajectory"], tmp_path / "a.svg")
    with pytest.raises(TypeError, match=r"2 problems: picture must be a HoloViews object.*path must be a path"):
        plot.save(3, 4)
    with pytest.raises(TypeError, match=r"overwrite must be True or False"):
        plot.save(pictures["trajectory"], tmp_path / "a.png", overwrite="no")


def test_files_of_large_diagrams_are_small(density, tmp_path):
    counts = np.random.default_rng(0).integers(0, 9, (4001, 2000))
    picture = plot.bifurcation(density(counts, np.zeros(4001)))
    for name in ("a.png", "a.html"):
        path = plot.save(picture, tmp_path / name)
        assert path.stat().st_size < 8e6
