"""The table, in plain text and in Markdown, and who is ahead by how much."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.transformer.tasks import FRACTIONS, KINDS, NOISES, Marks

__all__ = ["Row", "compare", "from_json", "markdown", "text", "to_json"]

MASKS = tuple(f"{kind} {fraction:g}" for kind in KINDS for fraction in FRACTIONS)
NOISE = tuple(f"noise {noise:g}" for noise in NOISES)
COLUMNS = (*MASKS, *NOISE)
TITLES = {"overlap": "error of tokens, 1 - overlap", "pixels": "mean squared error of pixels, which are from 0 to 1"}


@dataclass(frozen=True)
class Row:
    """One contestant.

    Attributes
    ----------
    name
        Who it is.
    marks
        What it got in each column that it can do.
    parameters
        How many numbers were learned, by networks that are used for one task.
    seconds
        Of training; of two networks where masks and noise have one each.
    epochs
        After which the weights were kept; for masks and for noise where they differ.
    likelihood
        log P(x_i | rest) per token of the test images, where it is defined.
    """

    name: str
    marks: Mapping[str, Marks]
    parameters: int | None = None
    seconds: tuple[float, ...] = ()
    epochs: tuple[int, ...] = ()
    likelihood: float | None = None

    def cells(self, measure: str) -> list[str]:
        """The line as text."""
        learned = "" if self.parameters is None else f"{self.parameters / 1000:,.0f}k"
        seconds = " + ".join(f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in self.seconds)
        likelihood = "" if self.likelihood is None else f"{self.likelihood:.1f}"
        errors = (f"{getattr(self.marks[c], measure).mean():.4f}" if c in self.marks else "" for c in COLUMNS)
        return [self.name, learned, ", ".join(map(str, self.epochs)), seconds, likelihood, *errors]


def to_json(row: Row) -> dict[str, object]:
    """The line as JSON types."""
    marks = {label: [each.overlap.tolist(), each.pixels.tolist()] for label, each in row.marks.items()}
    return {**vars(row), "marks": marks}


def from_json(kept: Mapping[str, object]) -> Row:
    """The line that `to_json` was given."""
    marks = {label: Marks(*map(np.array, arrays)) for label, arrays in kept["marks"].items()}
    return Row(**{**kept, "marks": marks, "seconds": tuple(kept["seconds"]), "epochs": tuple(kept["epochs"])})


def text(rows: Collection[Row]) -> str:
    """Aligned columns: first the errors of tokens, then those of pixels."""
    head = ["", "learned", "epochs", "train s", "log P", *COLUMNS]
    short = [name.replace("random ", "rnd ").replace("block ", "blk ").replace("noise ", "noi ") for name in head]
    parts = {measure: [row.cells(measure) for row in rows] for measure in TITLES}
    every = [short, *(line for lines in parts.values() for line in lines)]
    widths = [max(len(line[i]) for line in every) for i in range(len(head))]
    out = [_aligned(short, widths)]
    for measure, lines in parts.items():
        out += [f"-- {TITLES[measure]} ".ljust(len(out[0]), "-"), *(_aligned(line, widths) for line in lines)]
    return "\n".join(out)


def markdown(rows: Collection[Row]) -> str:
    """One table for each of the two errors; the best of each column is bold."""
    tables = []
    for measure, title in TITLES.items():
        head = [title, *((), ("learned", "epochs", "training, s", "log P"))[measure == "overlap"], *COLUMNS]
        lines = [row.cells(measure) for row in rows]
        for column in range(5, len(lines[0])):
            values = [float(line[column]) for line in lines if line[column]]
            for line in lines:
                if line[column] and float(line[column]) == min(values):
                    line[column] = f"**{line[column]}**"
        if measure != "overlap":
            lines = [[line[0], *line[5:]] for line in lines]
        table = ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines)]
        tables.append("\n".join(table))
    return "\n\n".join(tables)


def compare(one: Row, other: Row) -> str:
    """How far ``one`` is ahead of ``other``: difference of errors and its standard error over the test images."""
    parts = []
    for what, columns in (("random masks", MASKS[:4]), ("blocks", MASKS[4:]), ("noise", NOISE)):
        a, b = (np.mean([row.marks[column].overlap for column in columns], axis=0) for row in (one, other))
        difference = b - a
        error = difference.std(ddof=1) / np.sqrt(difference.size)
        side = "ahead" if difference.mean() > 0 else "behind"
        parts.append(
            f"{what}: {a.mean():.4f} against {b.mean():.4f}, {side} by {abs(difference.mean()):.4f} ± {error:.4f}"
        )
    return f"{one.name}, beside {other.name}: " + "; ".join(parts)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
