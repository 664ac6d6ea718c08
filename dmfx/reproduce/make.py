"""Making a figure: compute on the active scheduler, save the archive, draw and save the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from dmfx import archive
from dmfx.progress import Progress, compute_with_progress
from dmfx.reproduce.figures import Figure
from dmfx.validation import Problems

__all__ = ["FORMATS", "make_figure"]

#: The archive, then the pictures.
FORMATS = ("nc", "png", "html")


def make_figure(
    figure: Figure,
    directory: str | Path = ".",
    *,
    formats: Sequence[str] = FORMATS,
    overwrite: bool = False,
    progress: bool = False,
) -> list[Path]:
    """Compute a figure and write its files.

    Parameters
    ----------
    figure
        What to make, from `find_figure`.
    directory
        Where the files go; made if it is not there.
    formats
        Which of the archive (``nc``, ``zarr``) and pictures (``png``, ``html``) to write.
    overwrite
        Whether files that are there are replaced.
    progress
        Whether to show a progress bar.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    FileExistsError
        Before anything is computed, if a file is there and ``overwrite`` is not set.
    """
    problems = Problems("reproduce")
    if not isinstance(figure, Figure):
        problems.add("figure", "a Figure, from find_figure", figure, is_type=True)
    for suffix in formats:
        problems.choice("formats", suffix, (*FORMATS, "zarr"))
    problems.raise_any()
    directory = Path(directory)
    paths = {suffix: directory / f"{figure.stem}.{suffix}" for suffix in formats}
    there = [str(path) for path in paths.values() if path.exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{', '.join(there)} exists already; pass overwrite=True to replace, or choose another directory"
        )
    directory.mkdir(parents=True, exist_ok=True)
    (ds,) = compute_with_progress(figure.compute(), progress=progress, description=figure.name)
    ds.attrs["title"] = f"{figure.title} ({figure.paper}, {figure.name})"
    _write(figure, ds, paths, overwrite, progress)
    return list(paths.values())


def _write(figure: Figure, ds: xr.Dataset, paths: dict[str, Path], overwrite: bool, progress: bool) -> None:
    """Write the archive and draw the pictures, which loads the plotting libraries: seconds in all."""
    picture = None
    with Progress("writing", len(paths), unit="file", shown=progress) as bar:
        for suffix, path in paths.items():
            if suffix in ("nc", "zarr"):
                archive.save(ds, path, overwrite=overwrite)
            else:
                from dmfx import plot

                picture = figure.draw(ds) if picture is None else picture
                plot.save(picture, path, overwrite=overwrite)
            bar.advance()
