"""What is compared with a transformer block, as far as it needs no PyTorch: tasks, marks, choice of settings, table."""

import json

import numpy as np
import pytest

import dmfx
from benchmarks.transformer import baselines, corruption, iterated, report, tasks
from benchmarks.transformer.attractor import Attractor, train_attractor

GRID = (3, 4)


@pytest.fixture(scope="module")
def encoder():
    return dmfx.tokens.Patches((6, 8), patch=2)


@pytest.fixture(scope="module")
def tokens(encoder):
    return encoder.encode(np.random.default_rng(0).random((5, 6, 8)))


@pytest.fixture(scope="module")
def columns(tokens):
    return tasks.cases(tokens, GRID, n_replicas=2)


def test_all_columns_are_there(columns):
    assert [case.label for case in columns] == list(report.COLUMNS)


def test_masks_are_those_of_dmfx_and_hide_what_they_say(columns, tokens):
    net = dmfx.VectorAttention(dmfx.couplings.zeros(12, 5))
    for case in columns[:8]:
        assert (case.given[case.hidden] == 0).all()
        assert np.array_equal(case.given[~case.hidden], case.clean[~case.hidden])
        grid = {"grid": GRID} if case.kind == "block" else {}
        arguments = {"beta": 1.0, "gamma": 1.0, "hidden": case.kind, "fraction": case.strength, "steps": 1}
        ds = dmfx.masked_prediction(net, tokens, replica=[0, 1], **grid, **arguments)
        assert np.array_equal(ds.hidden.values.reshape(-1, 12), case.hidden)


def test_the_truth_has_no_error_and_the_opposite_has_the_largest(columns, encoder):
    for case in columns:
        marks = tasks.mark(case, case.clean, encoder)
        assert marks.overlap.shape == marks.pixels.shape == (5,)
        np.testing.assert_allclose([marks.overlap, marks.pixels], 0, atol=1e-12)
        np.testing.assert_allclose(tasks.mark(case, -case.clean, encoder).overlap, 2)


def test_marks_are_means_over_what_was_asked_for(columns, encoder):
    case = columns[1]
    got = dmfx.tokens.random(10, 12, 5, seed=3)
    marks = tasks.mark(case, got, encoder)
    slow = np.zeros((2, 2, 5))
    for row, (answer, clean, asked) in enumerate(zip(got, case.clean, case.asked, strict=True)):
        shown, true = encoder.decode(answer, clip=True), encoder.decode(clean)
        overlap, pixels = [], []
        for i in np.flatnonzero(asked):
            top, left = 2 * (i // 4), 2 * (i % 4)
            overlap.append(1 - answer[i] @ clean[i])
            pixels.append(np.mean((shown - true)[top : top + 2, left : left + 2] ** 2))
        slow[:, row // 5, row % 5] = np.mean(overlap), np.mean(pixels)
    np.testing.assert_allclose([marks.overlap, marks.pixels], slow.mean(axis=1), rtol=1e-12)


def test_answers_that_are_not_on_the_sphere_are_no_answers(columns, encoder):
    with pytest.raises(AssertionError, match=r"random 0\.1: an answer is not on the sphere"):
        tasks.mark(columns[0], 1.1 * columns[0].clean, encoder)


def test_nearest_image_finds_the_image_itself_behind_any_mask(columns, tokens, encoder):
    for case in columns[:8]:
        found = baselines.nearest_image(tokens, case.given, case.hidden)
        assert np.array_equal(found, case.clean)


def test_mean_token_does_not_look_at_what_is_given(columns, tokens):
    got = baselines.mean_token(tokens, columns[0].given, columns[0].hidden)
    expected = tokens.mean(axis=0) / np.linalg.norm(tokens.mean(axis=0), axis=1)[:, None]
    np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape))


@pytest.mark.parametrize("corrupt", [corruption.with_masks, corruption.with_noise])
def test_training_sees_all_strengths_and_other_masks_at_every_batch(corrupt):
    tokens = dmfx.tokens.random(200, 12, 5)
    rng = np.random.default_rng(0)
    given, hidden, asked = corrupt(tokens, rng, GRID)
    again = corrupt(tokens, rng, GRID)
    assert asked.any(axis=1).all()
    if corrupt is corruption.with_masks:
        counts = hidden.sum(axis=1)
        assert counts.min() == 1
        assert counts.max() == 9  # the rectangle that is nearest to 8
        assert not np.array_equal(hidden, again[1])
        assert np.array_equal(hidden, asked)
    else:
        overlap = (given * tokens).sum(-1).mean(axis=1)
        assert overlap.max() > 0.95
        assert overlap.min() < 0.75
        assert not hidden.any()
        np.testing.assert_allclose(np.linalg.norm(given, axis=-1), 1)


class Counting:
    """Is right after a number of steps at one β and γ only, and wrong otherwise."""

    betas = (0.5, 2.0)

    def __init__(self, steps=3):
        self.steps = steps

    def iterate(self, case, beta, gamma):
        for step in range(1, iterated.MOST_STEPS + 1):
            right = (beta, gamma, step) == (2.0, 10.0, self.steps)
            yield case.clean if right else -case.clean

    def likelihood(self, tokens):
        return 0.0


def test_the_setting_with_the_smallest_error_is_chosen(columns):
    chosen = iterated.choose(Counting(), columns[0])
    assert (chosen.beta, chosen.gamma, chosen.steps) == (2.0, 10.0, 3)
    assert chosen.error == pytest.approx(0, abs=1e-12)
    assert np.array_equal(iterated.answer(Counting(), columns[0], chosen), columns[0].clean)


def test_training_ends_when_nothing_improves_and_the_best_is_kept(columns):
    asked = []

    def training():
        for epoch, steps in enumerate((99, 4, 99, 99, 4), start=1):
            asked.append(epoch)
            yield Counting(steps), epoch, 10.0 * epoch

    kept = iterated.keep_best(training(), columns, patience=2)
    assert asked == [1, 2, 3, 4]
    assert {task: (each.epoch, each.seconds) for task, each in kept.items()} == {"masks": (2, 20.0), "noise": (2, 20.0)}
    assert kept["noise"].error == pytest.approx(0, abs=1e-12)


def test_the_network_of_dmfx_gets_the_same_masks_and_noise(columns, tokens):
    trained = list(train_attractor(tokens, GRID, checks=(1, 3), learning_rate=0.05, batch_size=2))
    assert [epoch for _, epoch, _ in trained] == [1, 3]
    network, _, seconds = trained[-1]
    assert seconds >= trained[0][2] > 0
    assert isinstance(network, Attractor)
    assert network.n_parameters == 12 * 11 * 25
    assert network.net.training.epochs == 3
    for case in (columns[2], columns[5], columns[9]):  # it compares masks and noise itself
        states = list(network.iterate(case, 1.0, 0.0))
        assert len(states) == iterated.MOST_STEPS
        assert np.array_equal(states[0][~case.asked], case.clean[~case.asked])


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    marks = {label: tasks.Marks(rng.random(4), rng.random(4)) for label in report.COLUMNS}
    better = {label: tasks.Marks(each.overlap - 0.1, each.pixels / 2) for label, each in marks.items()}
    noise = {label: marks[label] for label in report.NOISE}
    return [
        report.Row("given", noise),
        report.Row("one", marks, 680_000, (1.5, 200.0), (6, 9), 11.0),
        report.Row("other", better, 55_000, (3.0,), (6,)),
    ]


def test_text_has_a_line_for_each_contestant_and_measure(table):
    lines = report.text(table).splitlines()
    assert len(lines) == 1 + 2 * (1 + len(table))
    assert lines[3].split()[:7] == ["one", "680k", "6,", "9", "1.5", "+", "200"]
    assert lines[3].split()[7] == "11.0"
    assert lines[3].split()[-1] == f"{table[1].marks['noise 0.5'].overlap.mean():.4f}"


def test_markdown_is_a_table_with_the_best_of_each_column_bold(table):
    first, second = report.markdown(table).split("\n\n")
    for part in (first, second):
        widths = {line.count("|") for line in part.splitlines()}
        assert len(widths) == 1
        assert part.splitlines()[-1].count("**") == 2 * len(report.COLUMNS)
    assert "learned" in first
    assert "learned" not in second


def test_a_line_survives_as_json(table):
    for row in table:
        again = report.from_json(json.loads(json.dumps(report.to_json(row))))
        assert again.cells("overlap") == row.cells("overlap")
        assert again.cells("pixels") == row.cells("pixels")


def test_the_one_with_the_smaller_error_is_ahead_by_the_difference(table):
    assert "noise: " in report.compare(table[2], table[1])
    assert report.compare(table[2], table[1]).count("ahead by 0.1000 ± 0.0000") == 3
    assert report.compare(table[1], table[2]).count("behind by 0.1000 ± 0.0000") == 3
