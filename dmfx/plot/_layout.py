"""Panels side by side."""

from __future__ import annotations

from typing import Any

__all__ = ["arrange"]


def arrange(pictures: list[Any], columns: int) -> Any:
    """One picture as it is, several as a layout; axes of the same dims zoom together.

    It sets no option of the layout: HoloViews would give every panel drawn on demand those of the first.
    """
    import holoviews as hv

    return pictures[0] if len(pictures) == 1 else hv.Layout(pictures).cols(columns)
