from itertools import combinations

import numpy as np
import pytest

from dmfx import plot
from dmfx.plot import _style
from dmfx.plot._colours import ATTRACTORS, DIVERGING, KINDS, NOTHING, blend, sequence, tints
from dmfx.variables import KINDS as NAMES

#: What is seen with one sort of cones missing, in linear RGB (Machado, Oliveira & Fernandes 2009).
VISION = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour, vision):
    """CIE L*a*b* of a colour as it is seen."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.clip(vision @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
    white = np.array([0.95047, 1.0, 1.08883])
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear / white
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("colours", "apart"), [(list(KINDS.values()), 25), ([*ATTRACTORS, NOTHING], 15)])
def test_colours_are_told_apart_with_any_colour_vision(colours, apart, vision):
    seen = [lab(colour, np.array(VISION[vision])) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > apart


def test_every_kind_has_a_colour():
    assert tuple(KINDS) == NAMES


def test_mixtures():
    assert blend("#102030", "#102030", 0.3) == "#102030"
    assert tints("#000000", [0.0, 0.5]) == ["#808080", "#000000"]
    assert sequence(1) == sequence(3)[1:2]
    assert len(set(sequence(12))) == 12
    assert sequence(11, DIVERGING) == DIVERGING


def test_legends_of_many_entries_take_rows_of_the_frame():
    one = _style.frame(400, 400)
    assert one == _style.frame(400, 400, ["a", "b"]) == _style.frame(400, 400, ["a", "b"], "β = 1")
    wordy = ["a long text of an entry", "another long text", "x", "y"]
    assert _style.frame(400, 400, wordy)[1] < one[1]
    assert _style.frame(400, 400, wordy, "title")[1] == _style.frame(400, 400, wordy)[1] - _style.ROW
    assert _style.frame(900, 400, wordy)[1] == one[1]
    assert _style.frame(400, 400, bar=True)[0] == one[0] - _style.BAR


def test_long_legends_are_drawn_whole(tmp_path):
    import holoviews as hv
    from matplotlib.image import imread

    _style.load()
    names = [f"entry {number} of a legend" for number in range(7)]
    curves = [_style.curve(hv.Curve([(0, 0), (1, number)], label=name), number) for number, name in enumerate(names)]
    many = [hv.Curve([(0, 0), (1, -number)]) for number in range(30)]  # HoloViews would leave the legend out
    picture = _style.picture(hv.Overlay([*curves, *many]), 460, 400, "a title above the legend")
    for _ in range(2):
        state = hv.renderer("bokeh").get_plot(picture).state
        assert [item.label.value for item in state.legend[0].items] == names
    figure = hv.renderer("matplotlib").get_plot(picture).state
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == names
    drawn = imread(plot.save(picture, tmp_path / "a.png"))[..., :3]
    assert drawn.shape[1::-1] == (920, 800)
    assert (drawn.min(axis=-1)[:, [0, -1]] == 1).all()
    assert (drawn.min(axis=-1)[[0, -1]] == 1).all()
