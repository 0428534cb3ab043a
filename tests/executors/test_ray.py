"""The executor for a Ray cluster, beyond its contract: nodes, workers and coordinators that are killed; refusals."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from study.engine import checkpoint
from study.errors import InputError
from study.events import Died, Epoch, Started, Stopped
from study.executors import Resources
from study.executors.table import EXECUTORS
from study.record import atomic_files
from study.record.journal import Journal, TrialFolder
from study.sampling import storage
from study.service import machines
from study.settings import Settings
from tests.conftest import WITHOUT_MLFLOW
from tests.contracts.clauses import Caller
from tests.waiting import until

FILE = """
from study import Recipe, Study
study = Study(
    name="mine",
    recipe=Recipe(dataset="digits", model="cnn2", epochs=20, batch_size=16),
    variants={f"lr{n}": {"lr": n / 1000} for n in range(1, 5)},
)
"""
TRIALS = 4
EPOCHS = 20 * TRIALS


def trials(name, home="far"):
    return Journal(Path(home).absolute() / "studies" / name).trials()


def epochs(home, name="mine"):
    """The epochs of each trial by its recipe, as their log has them."""
    found = {}
    for trial in trials(name, home):
        history = trial.history()
        key = json.dumps(trial.recipe(), sort_keys=True)
        assert key not in found
        found[key] = [(epoch.number, repr(dict(epoch.metrics))) for epoch in history.epochs]
    return found


def under_way(name):
    """Count the trials that are being trained."""
    each = [trial.history() for trial in trials(name)]
    return sum(bool(history.epochs) and history.ended is None for history in each)


def wait_for(condition):
    until(condition, 240, said)


def trained(name):
    return sum(map(len, epochs("far", name).values()))


@contextmanager
def asleep(process):
    """Suspend a search, which does not end meanwhile."""
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


@pytest.fixture
def begin():
    """Begin a search in a process of its own, which ends with the test; what it says is in the file of its number."""
    begun = []

    def start(home, *words, name="mine"):
        command = [*WITHOUT_MLFLOW, "run", "mine.py", "--trials", str(TRIALS), "--device", "cpu"]
        with Path(f"said-{len(begun)}").open("w") as file:
            more = ["--home", home, "--name", name, *words]
            begun.append(subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=file, text=True))
        return begun[-1]

    yield start
    for each in begun:
        each.kill()
        each.communicate()


def finished(ended):
    ended.communicate(timeout=240)
    assert ended.returncode == 0, said()


def said():
    return "".join(place.read_text() for place in sorted(Path().glob("said-*")))


def stored(database):
    """The trials of each study, as Optuna has them."""
    import optuna

    with storage.opened(database) as there:
        names = optuna.get_all_study_names(there)
        studies = {name: optuna.load_study(study_name=name, storage=there) for name in names}
        return {name: [trial.state.name for trial in study.trials] for name, study in studies.items()}


@pytest.mark.slow
def test_two_searches_whose_nodes_workers_and_coordinator_are_killed_are_those_of_one_machine_to_the_bit(
    cluster, postgres, begin
):
    Path("mine.py").write_text(FILE)
    database = postgres()
    far = ("--executor", "ray", "--storage", database)
    other = begin("far", *far, "--slots", "1", name="other")
    wait_for(lambda: trained("other"))
    with asleep(other):
        first = begin("far", *far, "--slots", "2")
        wait_for(lambda: trained("mine"))
        there = cluster.trainers()
        with asleep(first):
            node = cluster.add(cpus=1)
        wait_for(lambda: under_way("mine") == 2)
    os.kill(there[0], signal.SIGKILL)
    wait_for(lambda: "retry 1 of 3" in said())
    cluster.lose(node)
    wait_for(lambda: "is lost" in said())
    assert trained("mine") < EPOCHS
    first.kill()
    first.wait()
    left = next(trial for trial in trials("mine") if trial.history().ended is None)
    left.append("started", device="cpu", chip="another kind", host="gone")
    finished(begin("far", *far, "--slots", "2"))
    finished(other)
    finished(begin("near", "--workers", "2"))
    assert len(epochs("near")) == TRIALS
    assert epochs("far") == epochs("far", "other") == epochs("near")
    assert f"trial {left.number}: it was begun on another kind, of which no node is left" in said()
    assert all(line.startswith("[") and ".cc:" not in line for line in said().splitlines()), said()
    assert stored(database) == {"mine": ["COMPLETE"] * TRIALS, "other": ["COMPLETE"] * TRIALS}


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["sent", "in the shared home"])
def test_what_an_older_attempt_of_a_trial_sends_or_writes_is_neither_told_nor_taken(cluster, shared):
    """As a node does that hung: its trial has begun elsewhere since."""
    import ray

    with closing(EXECUTORS["ray"].load()(Resources("cpu", 1, shared_home=shared))) as executor:
        caller = Caller(executor)
        job = caller.job()
        executor.submit(job)
        assert [caller.next()[1].epochs, caller.next()[1].number] == [0, 1]
        late = ray.get(executor._training(0)[0].actor.next.remote())
        assert "checkpoint.pt" in (late.moved if shared else late.files)
        assert not (shared and late.files)
        executor.kill(0)
        assert isinstance(caller.next()[1], Died)
        executor.submit(job)
        assert [caller.next()[1].epochs, caller.next()[1].number] == [1, 1]
        before = job.checkpoint.read_bytes()
        executor._take(executor._training(0)[0], late)
        assert list(executor.events(0.0)) == []
        assert job.checkpoint.read_bytes() == before
        executor.answer(0, go_on=True)
        assert caller.next()[1].number == 2
        assert [epoch["number"] for epoch in checkpoint.load(job.checkpoint)["epochs"]] == [1, 2]
        assert atomic_files.before(job.checkpoint).read_bytes() == before
        attempts = list(job.checkpoint.parent.glob(".attempt-*"))
        assert len(attempts) == 2 * shared
        TrialFolder(job.checkpoint.parent).discard_checkpoint()
        assert not any(place.exists() for place in attempts)


@pytest.mark.slow
def test_a_measured_share_of_a_gpu_lets_several_trials_train_on_it_and_one_without_memory_is_tried_with_more(cluster):
    """On a node that says it has a GPU: a trainer there tells what a trial needed as one with a GPU does."""
    node = cluster.add(cpus=2, num_gpus=1)
    with closing(EXECUTORS["ray"].load()(Resources("auto", gpus="auto"))) as executor:
        caller = Caller(executor)
        (slot,) = executor._pool.ready
        assert (executor.slots, slot.gpus) == (1, 1.0)
        executor.submit(caller.job())
        caller.next()
        assert caller.next()[1].number == 1
        executor._measured(slot, Epoch(1, {}), 0.4)
        executor.answer(0, go_on=False)
        assert isinstance(caller.next()[1], Stopped)
        assert executor.slots == 0  # its trainer takes all of the GPU
        assert executor.call("work:half_done", 21) == 42  # another one is waited for
        wait_for(lambda: list(executor.events(0.1)) == [] and executor.slots == 2)
        assert {slot.gpus for slot in executor._pool.slots} == {0.5}
        executor.submit(caller.job(fault="memory"))
        assert [type(caller.next()[1]) for _ in range(2)] == [Started, Epoch]
        executor.answer(0, go_on=True)
        assert caller.next()[1] == Died("too little memory with 0.5 of a GPU; trials take 1 now", is_own=False)
        wait_for(lambda: list(executor.events(0.1)) == [] and executor.slots == 1)
        executor.submit(caller.job())
        assert caller.next()[1].epochs == 1
    cluster.remove(node)


@pytest.mark.slow
def test_doctor_lists_the_nodes_and_says_why_a_cluster_cannot_be_used(cluster, study, monkeypatch):
    found = next(line for line in study("doctor").out.splitlines() if line.split()[1] == "cluster")
    assert found.endswith(f": 1 node that can train: {platform.node()} (0 of 2 CPUs used)")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    answer = study("doctor")
    assert answer.code == 1
    assert "BAD  cluster    127.0.0.1:1: no cluster answers" in answer.out


@pytest.mark.slow
def test_a_service_sees_the_nodes_come_and_go_and_waits_for_a_cluster_that_is_away(cluster, tmp_path):
    places = Settings(tmp_path, f"sqlite:///{tmp_path}/optuna.db", f"sqlite:///{tmp_path}/mlflow.db")
    with machines.Cluster(places, Resources(address=cluster.nodes.address)) as watched:
        assert (watched.slots, watched.named("auto")) == (2, "cpu")
        node = cluster.add(cpus=1)
        wait_for(lambda: watched.slots == 3)
        cluster.lose(node)
        wait_for(lambda: watched.slots == 2)
        assert {each["host"] for each in watched.nodes} == {platform.node()}
        watched._process.kill()
        wait_for(lambda: watched.slots == 0)
        wait_for(lambda: watched.slots == 2)
    assert watched._process.wait(30) != 0


def refused(answer, text):
    assert answer.code == 2, answer
    assert answer.out == ""
    assert len(answer.complaint.splitlines()) == 1, answer.err
    assert text in answer.complaint
    assert not Path("far").exists()


@pytest.fixture
def run(study):
    """Run a search on the cluster that is to be refused."""
    Path("mine.py").write_text(FILE)
    return lambda *words: study("run", "mine.py", "--home", "far", "--executor", "ray", *words)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--address", "127.0.0.1:1"], "no cluster answers"),
        (["--address", "nonsense"], "not an address of a cluster: 'nonsense'"),
        (["--cpus-per-trial", "64"], "no node has 64 CPUs and 0 GPUs for a trial. The largest has 2 and 0."),
        (["--gpus-per-trial", "0.5"], "no node has 1 CPUs and 0.5 GPUs for a trial. The largest has 2 and 0."),
    ],
    ids=["nobody there", "no address", "too few CPUs", "too few GPUs"],
)
def test_a_cluster_that_cannot_be_used_is_one_line_and_nothing_is_written(cluster, run, words, text):
    refused(run(*words), text)


@pytest.mark.slow
def test_a_wrong_token_is_one_line_and_nothing_is_written(cluster, monkeypatch, begin):
    Path("mine.py").write_text(FILE)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    ended = begin("far", "--executor", "ray")
    out = ended.communicate(timeout=60)[0]
    lines = [line for line in said().splitlines() if not line.startswith("[I ")]
    assert (ended.returncode, out, len(lines)) == (2, "", 1), said()
    assert "the cluster refuses our token" in lines[0]
    assert not Path("far").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ray_version", "python_version"])
def test_a_cluster_with_another_ray_or_python_is_one_line_and_nothing_is_written(cluster, run, name):
    from ray._raylet import GcsClient

    key, space = b"CLUSTER_METADATA", b"cluster"
    client = GcsClient(address=cluster.nodes.address)
    before = client.internal_kv_get(key, space)
    other = json.dumps({**json.loads(before), name: "1.2.3"}).encode()
    client.internal_kv_put(key, other, overwrite=True, namespace=space)
    try:
        refused(run(), "1.2.3")
    finally:
        client.internal_kv_put(key, before, overwrite=True, namespace=space)


@pytest.mark.slow
def test_a_node_with_another_torch_is_one_line_and_nothing_is_written(cluster, run, monkeypatch):
    """As torch says of itself where the search is: nodes and coordinator have it from the same package."""
    about = Path("elsewhere/torch-0.1.dist-info/METADATA")
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(str(about.parents[1].absolute()))
    refused(run(), f"node {platform.node()} has torch")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python", "torch", "ray", "study"])
def test_every_version_that_must_be_equal_is_compared(name):
    from study.executors import cluster

    theirs = {**cluster.versions(), name: "0.1"}
    with pytest.raises(InputError, match=f"node far has {name} 0.1, and here is {name} {cluster.versions()[name]}"):
        cluster.require_same(theirs, "far")
