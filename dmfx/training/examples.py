"""Examples to train on: unit vectors, or numbers of the vectors of a vocabulary."""

from __future__ import annotations

import hashlib
import numbers
from dataclasses import dataclass

import numpy as np

from dmfx.tokens.codebook import Codebook
from dmfx.tokens.sphere import check_tokens, describe_place
from dmfx.validation import Problems, real_numbers

__all__ = ["Examples", "parse_examples", "parse_held_out", "parse_vocabulary"]


@dataclass(frozen=True)
class Examples:
    """A set of configurations.

    Attributes
    ----------
    tokens
        Unit vectors, shape (n, N, d), or with a vocabulary the numbers of its vectors, shape (n, N).
    vocabulary
        Unit vectors, shape (V, d), or None.
    """

    tokens: np.ndarray
    vocabulary: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, part: slice) -> Examples:
        return Examples(self.tokens[part], self.vocabulary)

    def take(self, which: np.ndarray | slice) -> np.ndarray:
        """Some of the configurations as vectors, shape (n, N, d)."""
        tokens = self.tokens[which]
        return tokens if self.vocabulary is None else self.vocabulary[tokens]

    @property
    def digest(self) -> str:
        """A fingerprint of the numbers, 32 hexadecimal digits."""
        state = hashlib.blake2b(str(self.tokens.shape).encode(), digest_size=16)
        state.update(self.tokens)
        if self.vocabulary is not None:
            state.update(self.vocabulary)
        return state.hexdigest()


def parse_vocabulary(problems: Problems, vocabulary: object, n_components: int) -> np.ndarray | None:
    """The vectors of a vocabulary, or None without one or when a problem was recorded."""
    if vocabulary is None:
        return None
    if isinstance(vocabulary, Codebook):
        vocabulary = vocabulary.vectors
    array = real_numbers(vocabulary)
    if array is None or array.ndim != 2:
        expected = f"unit vectors of shape (V, {n_components}), a dmfx.tokens.Codebook, or None"
        problems.add("vocabulary", expected, vocabulary, is_type=array is None)
        return None
    parsed = check_tokens(problems, "vocabulary", array, None, n_components)
    if parsed is None:
        return None
    if len(parsed[0]) < 2:
        problems.say("vocabulary must have at least two vectors")
    return parsed[0]


def parse_examples(
    problems: Problems,
    argument: str,
    tokens: object,
    n_tokens: int,
    n_components: int,
    vocabulary: np.ndarray | None,
    has_vocabulary: bool,
) -> Examples | None:
    """Examples of the shape of the couplings, or None when a problem was recorded.

    ``has_vocabulary`` says whether one was given, even if it was a wrong one, so that ``vocabulary`` is None.
    """
    if not has_vocabulary:
        array = real_numbers(tokens)
        if array is not None and array.dtype.kind in "iu" and array.shape[-1:] == (n_tokens,) != (n_components,):
            problems.say(f"{argument} are whole numbers, of the vectors of a vocabulary: pass vocabulary=...")
            return None
        parsed = check_tokens(problems, argument, tokens, n_tokens, n_components)
        return None if parsed is None else Examples(parsed)
    array = real_numbers(tokens)
    expected = f"whole numbers of shape (n, {n_tokens}), or ({n_tokens},) for one example, as there is a vocabulary"
    if array is None or array.ndim not in (1, 2) or array.shape[-1] != n_tokens or array.size == 0:
        problems.add(argument, expected, tokens, is_type=array is None)
        return None
    if array.dtype.kind not in "iu":
        problems.add(argument, expected, tokens, is_type=True)
        return None
    array = array.reshape(-1, n_tokens)
    if vocabulary is None:
        return None
    outside = (array < 0) | (array >= len(vocabulary))
    if outside.any():
        place = describe_place(outside, ("example", "token"))
        problems.say(f"{argument} must be from 0 to {len(vocabulary) - 1}, but has {array[outside][0]}: {place}")
        return None
    return Examples(np.ascontiguousarray(array, dtype=np.int64), vocabulary)


def parse_held_out(
    problems: Problems, held_out: object, examples: Examples | None, n_tokens: int, n_components: int
) -> tuple[Examples | None, Examples | None]:
    """Examples to train on, and those held out: the last of them, others that were given, or None."""
    if held_out is None or examples is None:
        return examples, None
    if isinstance(held_out, (bool, np.bool_)):
        problems.add("held_out", "examples, a number or fraction of examples, or None", held_out, is_type=True)
        return examples, None
    if not isinstance(held_out, numbers.Real):
        has_vocabulary = examples.vocabulary is not None
        others = parse_examples(
            problems, "held_out", held_out, n_tokens, n_components, examples.vocabulary, has_vocabulary
        )
        return examples, others
    count = held_out if isinstance(held_out, numbers.Integral) else round(float(held_out) * len(examples), 9)
    is_fraction = not isinstance(held_out, numbers.Integral)
    if not (0 < held_out < 1 if is_fraction else 0 < held_out < len(examples)) or not 0 < round(count) < len(examples):
        problems.say(
            f"held_out must leave examples on both sides: a number from 1 to {len(examples) - 1} or a fraction between "
            f"0 and 1 of {len(examples)} examples, not {held_out!r}"
        )
        return examples, None
    border = len(examples) - round(count)
    return examples[:border], examples[border:]
