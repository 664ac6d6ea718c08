"""Configuration files: what they become, and the file, line and key of everything that is wrong."""

import json

import numpy as np
import pytest

import dmfx
from dmfx.cli.config import ConfigError, read_config
from dmfx.cli.train import ENCODER
from dmfx.cluster import slurm_arguments

SMALL = """store = "run.zarr"

[model]
weights = "paper"

[sweep]
beta = 1.2
gamma = 220.0
steps = 100
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(text, **options):
    with open("run.toml", "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return read_config("run.toml", **options)


def swept(*lines):
    """The arguments of a sweep with further lines in its table."""
    return read(SMALL + "\n".join(lines)).arguments


def refused(text):
    """The problems of a file."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    problems = str(caught.value).split("; run.toml:")
    count, more, first = problems[0].partition(" problems: ")
    assert not more or int(count) == len(problems)
    return [first or count, *(f"run.toml:{each}" for each in problems[1:])]


def test_a_small_file():
    config = read(SMALL)
    assert config.model == dmfx.SelfAttention.paper()
    assert (config.store, config.title, config.cluster) == ("run.zarr", None, {})
    assert config.arguments == {"task": "simulate", "beta": 1.2, "gamma": 220.0, "steps": 100}


def test_the_store_of_the_command_comes_first():
    assert read(SMALL, store="other.zarr").store == "other.zarr"
    assert read(SMALL.partition("\n")[2], store="other.zarr").store == "other.zarr"


def test_byte_order_mark_and_windows_lines():
    config = read("\ufeff" + SMALL.replace("\n", "\r\n"))
    assert config.arguments["steps"] == 100
    assert refused(SMALL.replace("\n", "\r\n").replace("1.2", '"x"'))[0].startswith("run.toml:7: sweep.beta must be")


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("[1, 2.5]", [1, 2.5]),
        ("[3]", [3]),
        ("{ start = 0, stop = 3, num = 4 }", [0.0, 1.0, 2.0, 3.0]),
        ('{ start = 1, stop = 100, num = 3, spacing = "log" }', np.geomspace(1, 100, 3)),
        ("[{ start = 0, stop = 1, num = 3 }, 7]", [0.0, 0.5, 1.0, 7.0]),
        ("{ start = 3, stop = 0, num = 4 }", [3.0, 2.0, 1.0, 0.0]),
    ],
)
def test_axes(written, labels):
    found = read(SMALL.replace("1.2", written)).arguments["beta"]
    assert np.ndim(found) == np.ndim(labels)
    np.testing.assert_array_equal(found, labels)


def test_a_range_has_the_labels_of_linspace_to_the_last_bit():
    found = read(SMALL.replace("1.2", "{ start = 1.24, stop = 1.28, num = 4001 }")).arguments["beta"]
    assert found.tobytes() == np.linspace(1.24, 1.28, 4001).tobytes()


def test_whole_numbers_and_sizes():
    found = swept(
        "seed = { start = 2, stop = 5 }",
        "replica = [{ start = 0, stop = 2 }, 9]",
        'size = [{ start = 10, stop = 1000, num = 4, spacing = "log" }, inf]',
    )
    assert found["seed"].tolist() == [2, 3, 4]
    assert found["replica"].tolist() == [0, 1, 9]
    assert found["size"].tolist() == [10, 46, 215, 1000, np.inf]
    assert swept("size = inf")["size"] == np.inf
    assert swept("size = 1e6", "seed = 7")["seed"] == 7


def test_other_arguments():
    found = swept(
        "transient = 0",
        "epsilon = [0.0, 0.02]",
        'initial = "random"',
        "starts = 20",
        'carry = "beta"',
        'direction = "both"',
        'variables = ["attention"]',
        "lyapunov = true",
        'common_noise = "initial"',
        "chunks = { beta = 10 }",
        "kill_limit = 5",
    )
    found["epsilon"] = found["epsilon"].tolist()
    assert found == {
        "task": "simulate",
        "beta": 1.2,
        "gamma": 220.0,
        "steps": 100,
        "transient": 0,
        "epsilon": [0.0, 0.02],
        "initial": "random",
        "starts": 20,
        "carry": "beta",
        "direction": "both",
        "variables": ["attention"],
        "lyapunov": True,
        "common_noise": "initial",
        "chunks": {"beta": 10},
        "kill_limit": 5,
    }
    assert swept("initial = 1")["initial"] == 1
    assert swept("initial = [[0.5, 0.5], [1, 0]]")["initial"].shape == (2, 2)
    assert swept("lyapunov = 2")["lyapunov"] == 2


def test_archives_to_start_from():
    run = dmfx.simulate(dmfx.SelfAttention.paper(), beta=1.0, gamma=220.0, steps=10)
    dmfx.save(run, "before.nc")
    assert swept('initial = "before.nc"')["initial"].sizes["step"] == 10


def test_models():
    def model(*lines):
        return read(SMALL.replace('weights = "paper"', "\n".join(lines))).model

    drawn = model('weights = "segments:3,100"', "context_size = 8", "epsilon = 0.1")
    assert drawn == dmfx.SelfAttention(dmfx.weights.segments(3, 100), 8, 0.1)
    assert model('weights = "cycle:3"') == dmfx.SelfAttention(dmfx.weights.cycle(3))
    assert model('weights = "gaussian:3,0.5"').n_patterns == 3
    assert model('weights = "paper"', "epsilon = 0.1") == dmfx.SelfAttention.paper().with_epsilon(0.1)


def test_reductions():
    config = read(
        SMALL
        + """
[[reduce]]
analysis = "bifurcation"
bins = 100
value_range = [-0.5, 0.5]
[[reduce]]
analysis = "bifurcation"
name = "section"
[reduce.plane]
pattern = 1
[[reduce]]
analysis = "periodic_orbits"
max_period = 4
[[reduce]]
analysis = "doubled_orbits"
of = "periodic_orbits"
"""
    )
    assert config.arguments["reduce"] == [
        {"analysis": "bifurcation", "bins": 100, "value_range": [-0.5, 0.5]},
        {"analysis": "bifurcation", "name": "section", "plane": {"pattern": 1}},
        {"analysis": "periodic_orbits", "max_period": 4},
        {"analysis": "doubled_orbits", "of": "periodic_orbits"},
    ]
    short = read('reduce = ["fft", { analysis = "recall", threshold = 0.5 }]\n' + SMALL)
    assert short.arguments["reduce"] == [{"analysis": "fft"}, {"analysis": "recall", "threshold": 0.5}]


def test_an_argument_that_is_a_dataset_is_an_archive():
    run = dmfx.simulate(dmfx.SelfAttention.paper(), beta=1.0, gamma=220.0, steps=10)
    dmfx.save(run, "a.nc")
    reduce = '[[reduce]]\nanalysis = "attractor_distance"\nreference = "a.nc"\n'
    (found,) = read(SMALL + reduce).arguments["reduce"]
    assert found["reference"].sizes["step"] == 10


def test_clusters():
    def where(text):
        return read(SMALL + text).cluster

    assert where("[cluster]\nworkers = 4") == {"workers": 4}
    assert where('[cluster]\nscheduler = "tcp://10.0.0.1:8786"') == {"scheduler": "tcp://10.0.0.1:8786"}
    limits = {"minimum": 0, "maximum": 8}
    assert where("[cluster]\nadaptive = { minimum = 0, maximum = 8 }") == {"adaptive": limits}
    jobs = '[cluster.slurm]\ncores = 8\nmemory = "16GB"\n'
    described = {"cores": 8, "memory": "16GB"}
    assert where(f"{jobs}jobs = 3") == {"slurm": {**described, "jobs": 3}}
    assert where(f"{jobs}[cluster.adaptive]\nminimum = 0\nmaximum = 8") == {"slurm": described, "adaptive": limits}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network that knows how its tokens are made from digits."""
    images = dmfx.tokens.digits(examples=slice(0, 20))["image"]
    encoder = dmfx.tokens.Patches.of(images, 4, 1.0)
    patterns = encoder.encode(images)[:2]
    net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    run = dmfx.simulate(net, beta=1.0, gamma=0.0, steps=1).assign_attrs({ENCODER: json.dumps(encoder.spec())})
    path = tmp_path_factory.mktemp("networks") / "net.nc"
    dmfx.save(run, path)
    return path


def of_network(path, *lines):
    return f'store = "run.zarr"\n[model]\nnetwork = "{path}"\n[sweep]\nbeta = 1.0\ngamma = 0\n' + "\n".join(lines)


def test_tasks_of_vector_spins(network):
    config = read(
        of_network(network, 'task = "denoising"', "noise = [0.1, 0.2]", 'data = "digits"', 'examples = "3:7"')
    )
    assert isinstance(config.model, dmfx.VectorAttention)
    encoder = dmfx.tokens.Patches.from_spec(json.loads(dmfx.open(network).attrs[ENCODER]))
    images = dmfx.tokens.digits(examples=slice(3, 7))["image"]
    np.testing.assert_array_equal(config.arguments["tokens"], encoder.encode(images))
    assert config.arguments["noise"].tolist() == [0.1, 0.2]
    masked = read(of_network(network, 'task = "masked_prediction"', 'hidden = "block"', 'examples = "0:2"')).arguments
    assert (masked["grid"], masked["tokens"].shape[0]) == ([2, 2], 2)
    ablated = read(of_network(network, 'task = "ablations"', 'ablated = "denoising"', 'examples = ":2"')).arguments
    assert (ablated["task"], ablated["ablated"], len(ablated["tokens"])) == ("ablations", "denoising", 2)
    free = read(of_network(network, 'task = "free_running"', "steps = 3", "starts = 4")).arguments
    assert "tokens" not in free
    assert read(of_network(network, "steps = 3", 'initial = "patterns"')).arguments["initial"] == "patterns"


AXIS = "a finite number, a list of them or a range such as { start = 0.0, stop = 3.0, num = 100 }"
WHOLE = "a whole number, a list of them or a range such as { start = 0, stop = 10 }, which is 0 to 9"
WEIGHTS = '"paper", "segments:M,SEGMENTS", "random:M,COLUMNS", "cycle:M", "gaussian:M,SCALE", "uniform:M"'


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('replica = "x"', f'sweep.replica must be {WHOLE}, not "x" (a string)'),
        ("seed = 1.5", f"sweep.seed must be {WHOLE}, not 1.5"),
        ("seed = true", f"sweep.seed must be {WHOLE}, not true"),
        ("seed = [1, 2.0]", f"sweep.seed must be {WHOLE}, not 2.0 at position 1"),
        ("seed = []", f"sweep.seed must be {WHOLE}, not []"),
        (
            "seed = { start = 0, stop = 3, num = 3 }",
            "sweep.seed.num: whole numbers follow each other: { start = 0, stop = 10 }, which is 0 to 9",
        ),
        (
            "seed = { start = 3, stop = 3 }",
            "sweep.seed.stop must be above start, 3, by at most 10000000, as it is left out itself, not 3",
        ),
        ("seed = { start = 0, stop = 3.0 }", "sweep.seed.stop must be a whole number, not 3.0"),
        ("epsilon = nan", f"sweep.epsilon must be {AXIS}, not nan"),
        ("epsilon = inf", f"sweep.epsilon must be {AXIS}, not inf"),
        ("epsilon = 2026-11-22", f"sweep.epsilon must be {AXIS}, not 2026-11-22"),
        ("epsilon = [[0.1]]", f"sweep.epsilon must be {AXIS}, not [0.1] at position 0"),
        ("epsilon = { start = 0.1, stop = 0.2 }", "sweep.epsilon.num is missing: expected the number of labels, both"),
        ("epsilon = { stop = 1, num = 2 }", "sweep.epsilon.start is missing: expected a range such as { start = 0.0"),
        ("epsilon = { start = 0, stop = 1, nmu = 2 }", "sweep.epsilon.nmu: there is no such key; did you mean num?"),
        (
            "epsilon = { start = 0, stop = 1, num = 0 }",
            "sweep.epsilon.num must be a whole number from 1 to 10000000, not 0",
        ),
        ("epsilon = { start = 0, stop = inf, num = 3 }", "sweep.epsilon.stop must be a finite number, not inf"),
        (
            'epsilon = { start = 0, stop = 1, num = 3, spacing = "log" }',
            'sweep.epsilon.start must be a number above 0 where spacing is "log", not 0',
        ),
        (
            'epsilon = { start = 0, stop = 1, num = 3, spacing = "geometric" }',
            'sweep.epsilon.spacing must be "linear" or "log", not "geometric" (a string)',
        ),
        (
            'size = "big"',
            "sweep.size must be a number of spins or inf, a list of them or a range such as { start = 1e3",
        ),
        ("size = nan", "sweep.size must be a number of spins or inf"),
        ("transient = -1", "sweep.transient must be a whole number of at least 0, not -1"),
        ("starts = 0", "sweep.starts must be a whole number of at least 1, not 0"),
        ("kill_limit = 0", "sweep.kill_limit must be a whole number of at least 1, not 0"),
        ("lyapunov = 0", "sweep.lyapunov must be true, for all exponents, or how many of the largest, not 0"),
        ("variables = 3", "sweep.variables must be variables to keep: a string or a list of strings, not 3"),
        ("carry = 1", 'sweep.carry must be the dim along which runs go on, "beta", "gamma" or "epsilon", not 1'),
        ("direction = []", 'sweep.direction must be "up", "down" or "both", not []'),
        ('chunks = "many"', 'sweep.chunks must be "auto", a whole number for every dim, or a table such as { beta'),
        ('initial = "rnadom"', 'sweep.initial must be "random", "random_token", "patterns", the number of a pattern'),
        ('initial = [[1], "a"]', 'sweep.initial must be "random", "random_token", "patterns", the number of a pattern'),
        ('initial = "gone.nc"', "sweep.initial: there is no archive at "),
        ('initial = "run.toml.zarr"', "sweep.initial: there is no archive at "),
        ("sede = 3", "sweep.sede: there is no such key; did you mean seed?"),
        ("'odd key' = 3", "sweep.odd key: there is no such key; expected beta, gamma, seed, steps, transient"),
        ('store = "x.zarr"', "sweep.store: it belongs at the top of the file, before the first table"),
        ("context_size = 8", "sweep.context_size: it belongs in [model]"),
        ("workers = 8", "sweep.workers: it belongs in [cluster]"),
        ("retry_failed = true", "sweep.retry_failed: it is an option of the command, --retry-failed"),
        ("noise = 0.3", 'sweep.noise: it goes with task = "denoising", not with "simulate"'),
        ('data = "digits"', 'sweep.data: it goes with task = "masked_prediction", not with "simulate"'),
        ("tokens = [1]", "sweep.tokens: examples are named by data, split and examples, as data"),
        (
            'task = "simulat"',
            "sweep.task must be one of simulate, masked_prediction, denoising, free_running, ablations",
        ),
        ('task = "ablations"', "sweep.ablated is missing: expected the task that is done without parts of the network"),
    ],
)
def test_wrong_lines_of_the_sweep(line, problem):
    problems = refused(f"{SMALL}\n# further\n{line}\n")
    found = [each for each in problems if each.startswith(("run.toml:12: ", "run.toml:6: sweep.ablated"))]
    assert len(found) == len(problems) == 1
    assert found[0].partition(": ")[2].startswith(problem)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('store = "run.zarr"', "", "run.toml:1: store is missing: expected the path of a folder to keep the sweep in"),
        ("run.zarr", "run.nc", 'run.toml:1: store must be a path that ends in .zarr, not "run.nc" (a string)'),
        ('"run.zarr"', "7", "run.toml:1: store must be the path of a folder to keep the sweep in, as store = "),
        ('store = "run.zarr"', "store = 'run.zarr'\ntitle = 7", "run.toml:2: title must be a string, what the sweep"),
        ('store = "run.zarr"', "store = 'run.zarr'\nbeta = 7", "run.toml:2: beta: it belongs in [sweep]"),
        ("[sweep]", "[sweeps]", "run.toml:6: sweeps: there is no such key; did you mean sweep?"),
        ("[model]\nweights", "model.weight", "run.toml:3: model.weight: there is no such key; did you mean weights?"),
        ('"paper"', '"papre"', f'run.toml:4: model.weights must be one of {WEIGHTS}, not "papre" (a string)'),
        ('"paper"', "3", f"run.toml:4: model.weights must be one of {WEIGHTS}, not 3"),
        ('"paper"', '"segments:3"', 'run.toml:4: model.weights must be "segments:M,SEGMENTS" with numbers'),
        ('"paper"', '"segments:3,x"', 'run.toml:4: model.weights must be "segments:M,SEGMENTS" with numbers'),
        ('"paper"', '"segments:0,5"', 'run.toml:4: model.weights: "segments:0,5": segments: n_patterns'),
        ('"paper"', '"cycle:3"\nepsilon = 2', "run.toml:5: model.epsilon must be a finite number from 0 to 1, not 2 "),
        ('"paper"', '"paper"\nepsilon = 2', "run.toml:5: model.epsilon must be a finite number from 0 to 1, not 2 "),
        (
            '"paper"',
            '"cycle:3"\nepsilon = "x"',
            'run.toml:5: model.epsilon must be a finite number, not "x" (a string)',
        ),
        (
            '"paper"',
            '"cycle:3"\ncontext_size = 0',
            "run.toml:5: model.context_size must be a whole number of at least 1",
        ),
        (
            '"paper"',
            '"paper"\ncontext_size = 4',
            "run.toml:5: model.context_size: goes with drawn weights; the paper's",
        ),
        (
            '"paper"',
            '"paper"\nnetwork = "a.nc"',
            "run.toml:4: model.weights: cannot stand beside network, whose archive",
        ),
        ('weights = "paper"', 'network = "a.nc"', "run.toml:4: model.network: there is no archive at "),
        (
            'weights = "paper"',
            'network = "a"',
            "run.toml:4: model.network must be the path of an archive, .nc or .zarr",
        ),
        ('weights = "paper"', "", "run.toml:3: model.weights is missing: expected weights, which is"),
        ("beta = 1.2", "", "run.toml:6: sweep.beta is missing: expected inverse temperature β, as beta = "),
        ("gamma = 220.0", "", "run.toml:6: sweep.gamma is missing: expected attention strength γ, as gamma = 220.0"),
        ("beta = 1.2", "btea = 1.2", "run.toml:7: sweep.btea: there is no such key; did you mean beta?"),
        ("steps = 100", "steps = 100.0", "run.toml:9: sweep.steps must be a whole number of at least 1, not 100.0"),
        ("beta = 1.2", "beta = [\n 1.0,\n '2',\n]", f'run.toml:9: sweep.beta must be {AXIS}, not "2" (a string) at'),
        ("beta = 1.2", "beta.start = 1\nbeta.stop = 2\nbeta.num = 'x'", "run.toml:9: sweep.beta.num must be a whole"),
        ('"paper"', '"""paper\n\n"""', "run.toml:4: model.weights must be one of"),
    ],
)
def test_wrong_lines_elsewhere(old, new, problem):
    assert old in SMALL
    problems = refused(SMALL.replace(old, new, 1))
    found = [each for each in problems if each.startswith(problem)]
    assert len(found) == 1, problems


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("[reduce]\nanalysis = 'fft'", "run.toml:11: reduce must be a list of tables: write its header as [[reduce]]"),
        ("[[reduce]]", "run.toml:11: reduce.analysis is missing: expected the name of an analysis: attractor_distance"),
        ("[[reduce]]\nanalysis = 3", "run.toml:12: reduce.analysis must be one of attractor_distance, autocorrelation"),
        (
            "[[reduce]]\nanalysis = 'fft'\nwindwo = 'hann'",
            "run.toml:13: reduce.windwo: there is no such key; did you mean",
        ),
        ("[[reduce]]\nanalysis = 'recall'\nchunks = 3", "run.toml:13: reduce.chunks: there is no such key; expected"),
        (
            "[[reduce]]\nanalysis = 'bifurcation'\nbins = 1.5",
            "run.toml:13: reduce.bins must be a whole number, not 1.5",
        ),
        (
            "[[reduce]]\nanalysis = 'bifurcation'\ntolerance = 'x'",
            "run.toml:13: reduce.tolerance must be a finite number",
        ),
        ("[[reduce]]\nanalysis = 'bifurcation'\nvariable = 3", "run.toml:13: reduce.variable must be a string, not 3"),
        (
            "[[reduce]]\nanalysis = 'poincare'\ninterpolate = 1\nplane = {}",
            "run.toml:13: reduce.interpolate must be true or",
        ),
        (
            "[[reduce]]\nanalysis = 'poincare'",
            "run.toml:11: reduce.plane is missing: expected a value, which dmfx.poincare",
        ),
        (
            "[[reduce]]\nanalysis = 'residence'",
            "run.toml:11: reduce.attractors is missing: expected the path of an archive",
        ),
        (
            "[[reduce]]\nanalysis = 'residence'\nattractors = 'a.nc'",
            "run.toml:13: reduce.attractors: there is no archive",
        ),
        ("[[reduce]]\nanalysis = 'residence'\nattractors = 3", "run.toml:13: reduce.attractors must be the path of an"),
        (
            "[[reduce]]\nanalysis = 'fft'\n[[reduce]]\nanalysis = 'fft'",
            "run.toml:14: reduce.analysis: there is a reduction",
        ),
        (
            "[[reduce]]\nanalysis = 'fft'\nof = 'x'",
            "run.toml:13: reduce.of must be the name of an earlier reduction, not",
        ),
        (
            "[[reduce]]\nanalysis = 'fft'\nname = 'a b'",
            "run.toml:13: reduce.name must be what the reduction is called in",
        ),
        ("[cluster]\nworkers = 0", "run.toml:12: cluster.workers must be a whole number of at least 1, not 0"),
        ("[cluster]\nworker = 2", "run.toml:12: cluster.worker: there is no such key; did you mean workers?"),
        ("[cluster]\nscheduler = 8786", "run.toml:12: cluster.scheduler must be the address of a scheduler, such as"),
        ("[cluster]\nworkers = 1\nscheduler = 'a'", "run.toml:13: cluster.scheduler: cannot stand beside workers"),
        ("[cluster]\njobs = 3", "run.toml:12: cluster.jobs: it belongs in [cluster.slurm]"),
        (
            "[cluster]\nslurm = 3",
            "run.toml:12: cluster.slurm must be a table of arguments of dask_jobqueue.SLURMCluster",
        ),
        (
            "[cluster]\nadaptive = 3",
            "run.toml:12: cluster.adaptive must be a table such as { minimum = 1, maximum = 20 }",
        ),
        (
            "[cluster]\nadaptive = { minimum = 1 }",
            "run.toml:12: cluster.adaptive.maximum is missing: expected both limits",
        ),
        (
            "[cluster]\nadaptive = { minimum = 3, maximum = 2 }",
            "run.toml:12: cluster.adaptive.maximum must be at least",
        ),
        (
            "[cluster]\nadaptive = { minimum = -1, maximum = 2 }",
            "run.toml:12: cluster.adaptive.minimum must be a whole",
        ),
        (
            "[cluster.slurm]\ncores = 2\nmemory = '1GB'",
            "run.toml:11: cluster.slurm.jobs is missing: expected the number of jobs, or",
        ),
        (
            "[cluster.slurm]\njobs = 0\ncores = 2\nmemory = '1GB'",
            "run.toml:12: cluster.slurm.jobs must be a whole number of at least 1, not 0",
        ),
        (
            "[cluster.slurm]\njobs = 1\nqueu = 2\ncores = 2\nmemory = '1GB'",
            "run.toml:13: cluster.slurm.queu: there is no such key; did you mean",
        ),
        (
            "[cluster.slurm]\njobs = 1\nmemory = '1GB'",
            "run.toml:11: cluster.slurm.cores is missing: expected cores of one",
        ),
        ("[clutser]", "run.toml:11: clutser: there is no such key; did you mean cluster?"),
        ("[[sweep.x]]", "run.toml:11: sweep.x: there is no such key; expected beta, gamma"),
    ],
)
def test_wrong_tables(table, problem):
    problems = refused(f"{SMALL}\n{table}\n")
    assert len(problems) == 1, problems
    assert problems[0].startswith(problem)


def test_reductions_in_a_list_have_lines_of_their_own():
    text = 'reduce = [\n  "fft",\n  { analysis = "recall",  windwo = 3 },\n  7 ]\n'
    problems = refused(text + SMALL)
    assert problems[0] == "run.toml:3: reduce.windwo: there is no such key; did you mean window?"
    assert problems[1].startswith("run.toml:4: reduce must be tables, [[reduce]] with analysis")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (['task = "denoising"', "nois = 0.3"], "run.toml:8: sweep.nois: there is no such key; did you mean noise?"),
        (['task = "denoising"', "examples = 7"], 'run.toml:8: sweep.examples must be which examples, as "0:100", the'),
        (['task = "denoising"', 'examples = "a:b"'], 'run.toml:8: sweep.examples must be which examples, as "0:100"'),
        (['task = "denoising"', 'split = "tset"'], "run.toml:8: sweep.split must be one of train, test, not"),
        (['task = "denoising"', 'data = "dogs"'], "run.toml:8: sweep.data must be one of digits, mnist, cifar10"),
        (['task = "denoising"', 'data = "digits:a"'], "run.toml:8: sweep.data: digits comes with scikit-learn"),
        (['task = "denoising"', 'data = "mnist:gone"'], "run.toml:8: sweep.data: "),
        (['task = "denoising"', 'ablated = "denoising"'], 'run.toml:8: sweep.ablated: it goes with task = "ablations"'),
        (['task = "denoising"', "carry = 'beta'"], 'run.toml:8: sweep.carry: it goes with task = "simulate", not with'),
        (['task = "free_running"'], "run.toml:4: sweep.steps is missing: expected steps to keep of each run"),
        (
            ['task = "ablations"', 'ablated = "x"'],
            "run.toml:8: sweep.ablated must be one of masked_prediction, denoising",
        ),
        (['task = "masked_prediction"', "grid = [1]"], "run.toml:8: sweep.grid must be rows and columns of the tokens"),
    ],
)
def test_wrong_lines_of_tasks(network, lines, problem):
    problems = refused(of_network(network, *lines))
    assert len(problems) == 1, problems
    assert problems[0].startswith(problem)


def test_tasks_need_networks_that_know_their_tokens(network):
    of_spins = SMALL + 'task = "denoising"\n'
    (problem,) = refused(of_spins)
    assert problem.startswith('run.toml:10: sweep.task: "denoising" needs vector spins: network = "net.nc" in [model]')
    ds = dmfx.open(network)
    del ds.attrs[ENCODER]
    dmfx.save(ds, "bare.nc")
    (problem,) = refused(of_network("bare.nc", 'task = "denoising"'))
    assert problem.startswith("run.toml:3: model.network holds no network that dmfx train made")
    dmfx.save(dmfx.bifurcation(dmfx.simulate(dmfx.SelfAttention.paper(), beta=1, gamma=1, steps=2)), "x.nc")
    assert read(of_network("x.nc", "steps = 3")).model == dmfx.SelfAttention.paper()
    ds.attrs.clear()
    dmfx.save(ds, "foreign.nc")
    (problem,) = refused(of_network("foreign.nc", "steps = 3"))
    assert problem == "run.toml:3: model.network: foreign.nc holds no network; dmfx train makes one"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = ", "run.toml:1: not TOML: Invalid value"),
        ("x = 1\n[sweep\nb = 2", "run.toml:2: not TOML: Expected ']' at the end of a table declaration (column 7)"),
        ("a = 1\n\nb = [1,\n2\nc = 3", "run.toml:5: not TOML: Unclosed array (column 1)"),
        ("[a]\n[a]", "run.toml:2: not TOML: Cannot declare ('a',) twice (column 3)"),
        ('a = """\n\n', "run.toml:1: not TOML: "),
        ("a b = 3", "run.toml:1: not TOML: "),
    ],
)
def test_not_toml(text, problem):
    (found,) = refused(text)
    assert found.startswith(problem)


def test_not_text():
    with open("run.toml", "wb") as file:
        file.write(b'store = "run.zarr"\ntitle = "\xff"\n')
    with pytest.raises(ConfigError, match=r"^run\.toml:2: not UTF-8, the encoding of TOML: invalid start byte$"):
        read_config("run.toml")
    with pytest.raises(FileNotFoundError, match=r"gone\.toml"):
        read_config("gone.toml")


def test_all_problems_come_at_once_in_the_order_of_the_lines():
    problems = refused(SMALL.replace("1.2", "'x'").replace("100", "0").replace('"paper"', "'x:1'") + "[[reduce]]\n")
    assert [each.split(":")[1] for each in problems] == ["4", "7", "9", "10"]


def located(text, message, kind=ValueError):
    config = read(text)
    return str(config.located(kind(message)))


def test_errors_of_functions_get_lines():
    text = (
        SMALL
        + 'initial = "random"\nstarts = 3\n[[reduce]]\nanalysis = "fft"\nwindow = "no"\n'
        + '[[reduce]]\nanalysis = "recall"\n'
    )
    one = "simulate: beta must be a number or a 1-D array of finite numbers of at least 0, not -1.0"
    assert located(text, one) == f"run.toml:7: sweep.beta{one[14:]}"
    two = "sweep: 2 problems: steps must be so; or so; starts has gone"
    assert located(text, two) == (
        "2 problems: run.toml:9: sweep.steps must be so; or so; run.toml:11: sweep.starts has gone"
    )
    # Of an argument that is not in the file, and of the store.
    assert located(text, "simulate: epsilon must be x") == "run.toml:6: sweep: epsilon must be x"
    assert located(text, "sweep: store must be new", TypeError) == "run.toml:1: store must be new"
    # Of analyses, by place or by name.
    assert located(text, "sweep: reduce[0]: fft: window must be x") == "run.toml:14: reduce.window must be x"
    assert located(text, "sweep: reduce[1]: recall needs more") == "run.toml:15: reduce: recall needs more"
    assert located(text, "fft: window: there is no 'no'") == "run.toml:14: reduce.window: there is no 'no'"
    mixed = "sweep: 3 problems: reduce[1]: no; gamma=1 is wrong; reduce[0]: fft: 2 problems"
    assert located(text, mixed).split("; ") == [
        "3 problems: run.toml:8: sweep.gamma=1 is wrong",
        "run.toml:12: reduce: 2 problems",
        "run.toml:15: reduce: no",
    ]


def test_an_argument_that_has_the_name_of_an_analysis():
    text = SMALL + 'lyapunov = 50\n[[reduce]]\nanalysis = "lyapunov"\nn = 3\n'
    assert located(text, "simulate: lyapunov: too many") == "run.toml:10: sweep.lyapunov: too many"
    assert located(text, "lyapunov: n must be less") == "run.toml:13: reduce.n must be less"


def test_errors_about_something_else_stay_as_they_are():
    error = ValueError("run.zarr: it is damaged; copy it again")
    assert read(SMALL).located(error) is error


def test_what_simulate_refuses_is_told_with_its_line():
    """Messages as they really are."""
    text = SMALL.replace("1.2", "[1.2, -1.0]") + 'carry = "gamam"\nreplica = 3\n'
    config = read(text)
    arguments = {name: value for name, value in config.arguments.items() if name != "task"}
    with pytest.raises(ValueError, match="problems") as caught:
        dmfx.simulate(config.model, **arguments)
    assert str(config.located(caught.value)).split("; run") == [
        "3 problems: run.toml:7: sweep.beta must be a number or a 1-D array of finite numbers of at least 0, not -1.0 "
        "at position 1",
        ".toml:10: sweep.carry must be one of 'beta', 'gamma', not 'gamam' (str)",
        ".toml:11: sweep.replica, the realisation of the thermal noise, goes with size=: the mean field has no noise",
    ]


def test_names_of_slurm():
    assert {"cores", "memory", "queue", "walltime", "interface", "job_extra_directives"} <= set(slurm_arguments())
