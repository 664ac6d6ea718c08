"""``dmfx plot`` of recall and of tasks."""

import numpy as np
import pytest

import dmfx
from tests.test_cli import run


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memories")
    patterns = dmfx.tokens.random(4, 8, 5)
    net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    runs = dmfx.free_running(net, beta=[1.0, 2.0], gamma=1.0, noise=0.2, steps=12)
    found = dmfx.recall(runs)
    made = {
        "runs": runs,
        "found": found,
        "own": runs[["target_overlap"]],
        "own_found": dmfx.recall(runs, variable="target_overlap"),
        "task": dmfx.denoising(net, patterns, beta=1.0, gamma=np.array([0.5, 1.0, 2.0]), noise=0.2, steps=3),
    }
    return {name: dmfx.save(ds, folder / f"{name}.nc") for name, ds in made.items()}


@pytest.mark.parametrize(
    ("archive", "kind", "words"),
    [
        ("runs", "recall", []),
        ("runs", "recall", ["--view", "nearest"]),
        ("found", "recall", []),
        ("found", "recall", ["--view", "lifetimes"]),
        ("own", "recall", []),
        ("own_found", "recall", []),
        ("task", "task", ["--x", "gamma"]),
        ("task", "task", []),
    ],
)
def test_plot(archives, tmp_path, capsys, archive, kind, words):
    picture = tmp_path / "a.png"
    if archive in ("runs", "found") and "lifetimes" not in words:
        words = [*words, "--select", "beta=1", *(["--select", "initial=0"] if not words and archive == "runs" else [])]
    assert run(capsys, "plot", archives[archive], kind, picture, *words) == (0, f"{picture}\n", "")
    assert picture.stat().st_size > 5000


@pytest.mark.parametrize(
    ("archive", "kind", "words", "message"),
    [
        ("found", "recall", ["--view", "overlaps"], "view='overlaps', but is what dmfx.recall returned"),
        ("own", "recall", ["--view", "nearest"], "view must be 'lifetimes'"),
        ("task", "task", ["--view", "nearest"], "--view goes with recall, not with task"),
        ("task", "task", ["--x", "ablation"], "x must be a sweep dim"),
        ("runs", "recall", ["--view", "sculpture"], "invalid choice: 'sculpture'"),
    ],
)
def test_plot_refuses_in_one_line(archives, tmp_path, capsys, archive, kind, words, message):
    status, out, err = run(capsys, "plot", archives[archive], kind, tmp_path / "a.png", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert not (tmp_path / "a.png").exists()
