"""Training: arguments checked, then epoch after epoch, from the start or from where it was left."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import numpy as np

from dmfx.progress import Progress
from dmfx.training.checkpoint import check_checkpoint, read_checkpoint, save_checkpoint
from dmfx.training.examples import parse_examples, parse_held_out, parse_vocabulary
from dmfx.training.needs import check_needs, parse_workers
from dmfx.training.run import Run, begin
from dmfx.training.settings import Settings, differences, parse_settings
from dmfx.training.threads import Workers, one_thread_each
from dmfx.validation import Problems

if TYPE_CHECKING:
    from dmfx.models.vector_attention import VectorAttention

__all__ = ["fit"]

#: Examples of a step, where there are so many and no number is given.
BATCH_SIZE = 50


def fit(
    net: VectorAttention,
    tokens: object,
    *,
    beta: float,
    epochs: int,
    batch_size: int | None,
    learning_rate: float,
    decay: float,
    optimiser: str,
    l2: float,
    symmetric: bool,
    vocabulary: object,
    held_out: object,
    patience: int | None,
    seed: int,
    resume: bool,
    checkpoint: str | os.PathLike[str] | None,
    store_patterns: bool,
    workers: int | None,
    progress: bool,
) -> VectorAttention:
    """Train a network; see `dmfx.VectorAttention.fit`, which has the defaults and says what each argument means."""
    problems = Problems("fit")
    couplings = net.couplings
    given = parse_settings(
        problems,
        beta=beta,
        batch_size=batch_size,
        learning_rate=learning_rate,
        decay=decay,
        optimiser=optimiser,
        l2=l2,
        symmetric=symmetric,
        patience=patience,
        seed=seed,
    )
    epochs = problems.count("epochs", epochs)
    workers = parse_workers(problems, workers)
    for name, value in (("resume", resume), ("store_patterns", store_patterns), ("progress", progress)):
        if not isinstance(value, (bool, np.bool_)):
            problems.add(name, "True or False", value, is_type=True)
    sizes = couplings.n_tokens, couplings.n_components
    vectors = parse_vocabulary(problems, vocabulary, couplings.n_components)
    examples = parse_examples(problems, "tokens", tokens, *sizes, vectors, vocabulary is not None)
    examples, others = parse_held_out(problems, held_out, examples, *sizes)
    if examples is not None and given["batch_size"] is None:
        given["batch_size"] = min(BATCH_SIZE, len(examples))
    elif examples is not None and given["batch_size"] > len(examples):
        problems.say(f"batch_size must be at most the number of examples, {len(examples)}, not {given['batch_size']}")
    if given["patience"] is not None and held_out is None:
        problems.say("patience needs held_out: training stops when the examples held out become less likely")
    if couplings.is_drawn:
        problems.say("the couplings are random: train those of one seed, dmfx.VectorAttention(couplings.draw(seed))")
    if resume is True and net.training is None:
        problems.say("resume needs a network that fit has trained; this one was not, or its couplings were replaced")
    path = check_checkpoint(problems, checkpoint)
    problems.raise_any()
    check_needs(problems, couplings, examples, given, workers, store_patterns, path is not None)
    problems.raise_any()

    start = net.training.settings.start if resume else couplings.digest
    settings = Settings(
        **given, start=start, tokens=examples.digest, held_out=None if others is None else others.digest
    )
    if resume and (found := differences(net.training.settings, settings)):
        problems.say(f"resume goes on with what the training began with, but others were given: {found}")
    begun = net if resume else begin(net, settings)
    target = begun.training.epochs + epochs
    if path is not None and path.exists():
        begun = read_checkpoint(problems, path, settings, begun, target)
    problems.raise_any()

    with contextlib.ExitStack() as stack:
        stack.enter_context(one_thread_each())
        run = Run(begun, settings, examples, others, stack.enter_context(Workers(workers)))
        to_do = target - run.epochs
        bar = stack.enter_context(Progress("training", to_do, unit="epoch", ends=False, shown=progress))
        while run.epochs < target and not run.stopped:
            run.epoch()
            if path is not None:
                save_checkpoint(path, run.result())
            bar.advance()
    trained = run.result()
    return trained.with_patterns(examples.take(slice(None))) if store_patterns else trained
