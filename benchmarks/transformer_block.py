"""``python -m benchmarks.transformer_block [--quick]``: dmfx beside a transformer block trained by backpropagation.

The paper's comparison: dmfx.VectorAttention, one transformer block, and the linear couplings of pl-training, on the
same images, masks and noise. Two contests: six epochs of the same 1,000 images each; and training for as long as the
validation images say that it helps. Needs the extra ``transformer``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dask
import numpy as np
import torch

from benchmarks.measure import header
from benchmarks.transformer.attractor import train_attractor
from benchmarks.transformer.baselines import as_given, mean_token, nearest_image
from benchmarks.transformer.block import Schedule, TransformerBlock, n_parameters, train
from benchmarks.transformer.corruption import with_masks, with_noise
from benchmarks.transformer.iterated import ONE_STEP, answer, keep_best
from benchmarks.transformer.linear import train_linear
from benchmarks.transformer.report import Row, compare, from_json, markdown, text, to_json
from benchmarks.transformer.tasks import Case, Marks, Split, cases, load, mark

__all__ = ["contestants", "main"]

#: Looks at the validation images without a gain that end the training of iterated networks.
PATIENCE = 3
#: Width, heads and learning rate: of as many parameters as J, and of a twelfth.
SIZES = {"large": (234, 6, 1e-3), "small": (64, 4, 3e-3)}
DROPOUT = 0.1
CORRUPTIONS = {"masks": with_masks, "noise": with_noise}


@dataclass(frozen=True)
class Contest:
    """How long is trained.

    Attributes
    ----------
    checks
        Epochs at which iterated networks are looked at, and can be kept.
    rate_of_couplings
        Learning rate of their couplings, by Adam.
    n_epochs, batch_size, patience
        Of the transformer block, as in `Schedule`.
    """

    name: str
    checks: tuple[int, ...]
    rate_of_couplings: float
    n_epochs: int
    batch_size: int
    patience: int | None


CONTESTS = (
    Contest("6 epochs", (6,), 0.05, 6, 4, None),
    Contest("until best", (6, 9, 12, 18, 24, 36, 48, 72, 96, 144, 192), 0.02, 150, 10, 6),
)


def say(what: str) -> None:
    """Progress; the table comes at the end."""
    print(f"  ... {what}", flush=True)


def marked(test: Sequence[Case], split: Split, ask: Callable[[Case], np.ndarray]) -> dict[str, Marks]:
    """Marks in the columns of these cases."""
    return {case.label: mark(case, ask(case), split.encoder) for case in test}


def baseline_rows(split: Split, test: Sequence[Case]) -> Iterator[Row]:
    """Answers that need no training."""
    noisy = [case for case in test if case.task == "noise"]
    yield Row("noisy tokens as given", marked(noisy, split, lambda case: as_given(case.given, case.hidden)))
    for name, function in (("mean training token", mean_token), ("nearest training image", nearest_image)):
        answers = partial(function, split.train)
        yield Row(name, marked(test, split, lambda case, answers=answers: answers(case.given, case.hidden)))


def iterated_rows(
    name: str, training: Callable, contest: Contest, split: Split, chosen: Sequence[Case], test: Sequence[Case]
) -> Iterator[Row]:
    """A network that is trained once and iterated: as the prototype did, and with the settings that were chosen."""
    what = f"{name}, {contest.name}"
    kept = keep_best(
        training(split.train, checks=contest.checks, learning_rate=contest.rate_of_couplings),
        chosen,
        PATIENCE,
        lambda progress: say(f"{what}, {progress}"),
    )
    first = kept["masks"]
    likelihood = first.network.likelihood(split.test)
    if len(contest.checks) == 1:
        marks = marked(test, split, lambda case: answer(first.network, case, ONE_STEP))
        yield Row(f"{what}, one step", marks, first.network.n_parameters, (first.seconds,), (first.epoch,), likelihood)
    for task, each in kept.items():
        settings = "; ".join(f"{k}: β={s.beta:g} γ={s.gamma:g} {s.steps} steps" for k, s in each.settings.items())
        say(f"{what}, {task}, epoch {each.epoch}: {settings}")
    marks = marked(
        test, split, lambda case: answer(kept[case.task].network, case, kept[case.task].settings[case.label])
    )
    epochs = tuple(dict.fromkeys(each.epoch for each in kept.values()))
    seconds = max(each.seconds for each in kept.values())
    yield Row(what, marks, first.network.n_parameters, (seconds,), epochs, likelihood)


def block_rows(
    size: str, contest: Contest, split: Split, chosen: Sequence[Case], test: Sequence[Case]
) -> Iterator[Row]:
    """One transformer block for each task."""
    width, n_heads, rate = SIZES[size]
    what = f"transformer, {size}, {contest.name}"
    marks, trained = {}, []
    for task, corrupt in CORRUPTIONS.items():
        torch.manual_seed(0)
        dropout = 0.0 if contest.patience is None else DROPOUT
        model = TransformerBlock(*split.train.shape[1:], width, n_heads, dropout)
        result = train(
            model,
            split.train,
            partial(corrupt, grid=split.encoder.grid),
            partial(block_error, cases=[case for case in chosen if case.task == task]),
            Schedule(contest.n_epochs, contest.batch_size, rate, contest.patience),
            report=lambda progress, task=task: say(f"{what}, {task}, {progress}"),
        )
        trained.append(result)
        asked = [case for case in test if case.task == task]
        marks |= marked(asked, split, lambda case, model=model: model.predict(case.given, case.hidden))
    seconds, epochs = tuple(each.seconds for each in trained), tuple(each.epoch for each in trained)
    yield Row(what, marks, n_parameters(model), seconds, epochs)


def block_error(model: TransformerBlock, cases: Sequence[Case]) -> float:
    """Error of tokens on the validation images, mean over the columns."""
    errors = []
    for case in cases:
        overlap = (model.predict(case.given, case.hidden) * case.clean).sum(axis=-1)
        errors.append(1 - overlap[case.asked].mean())
    return float(np.mean(errors))


def contestants(split: Split, quick: bool, workers: int = 1) -> Iterator[tuple[str, Callable[[], Iterable[Row]]]]:
    """Names, and functions that train and yield lines of the table."""
    grid = split.encoder.grid
    chosen, test = cases(split.validation, grid, 1), cases(split.test, grid)
    yield "baselines", lambda: baseline_rows(split, test)
    trainings = {
        "dmfx.VectorAttention": partial(train_attractor, grid=grid, workers=workers),
        "pl-training, linear": train_linear,
    }
    for contest in CONTESTS[:1] if quick else CONTESTS:
        for name, training in trainings.items():
            yield f"{name}, {contest.name}", partial(iterated_rows, name, training, contest, split, chosen, test)
        for name in SIZES:
            yield f"transformer, {name}, {contest.name}", partial(block_rows, name, contest, split, chosen, test)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transformer_block", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the first contest only")
    parser.add_argument("--mnist", type=Path, default=Path(__file__).parents[2] / "shared" / "mnist", metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch and of dmfx (default 1)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown too")
    parser.add_argument("--only", default="", metavar="TEXT", help="contestants that have this in their name")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep results there, and leave out what it has")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    before, started = header(), time.perf_counter()
    done: dict[str, Row] = {}
    with dask.config.set(scheduler="synchronous"):
        for name, run in contestants(load(options.mnist), options.quick, options.threads):
            if options.only not in name:
                continue
            kept = options.keep / f"{name.replace(' ', '_')}.json" if options.keep else None
            if kept is not None and kept.exists():
                found = [from_json(row) for row in json.loads(kept.read_text())]
            else:
                found = list(run())
                if kept is not None:
                    kept.write_text(json.dumps([to_json(row) for row in found]))
            done |= {row.name: row for row in found}
    print(f"\n{before}, torch {torch.__version__}, {options.threads} thread(s)\n\n{text(done.values())}\n")
    for name, own in done.items():
        if name.startswith("dmfx") and not name.endswith("one step"):
            contest = name.partition(", ")[2]
            for other, row in done.items():
                if other.endswith(f", {contest}") and row is not own:
                    print(compare(own, row))
    if options.markdown:
        options.markdown.write_text(markdown(done.values()) + "\n")
    print(f"\n{time.perf_counter() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
