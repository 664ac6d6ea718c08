"""Published figures, computed anew: each is a lazy Dataset and the picture of it."""

from dmfx.reproduce.figures import FIGURES, Figure, find_figure
from dmfx.reproduce.make import make_figure

__all__ = ["FIGURES", "Figure", "find_figure", "make_figure"]
