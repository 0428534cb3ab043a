"""Where the runs of a service train: what an administrator may choose, and what a command is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.executors import Resources
from study.service import devices
from study.service.machines import Cluster, Here

RAY = ["--executor", "ray"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--executor", "inline"], "--executor inline: a service trains by local or ray"),
        (RAY, "--executor ray: which cluster? Add --address auto or --address HOST:PORT."),
        (["--address", "auto"], "--address: has no effect with --executor local. Add --executor ray."),
        (
            [*RAY, "--address", "a:1", "--gpus-per-trial", "auto"],
            "--gpus-per-trial auto: a service has to know how many",
        ),
        ([*RAY, "--address", "a:1", "--cpus-per-trial", "1.5"], "--cpus-per-trial must be a whole number"),
        ([*RAY, "--address", "127.0.0.1:1"], "127.0.0.1:1: no cluster answers"),
    ],
)
def test_what_cannot_train_is_one_line_and_nothing_is_written(study, words, text):
    answer = study("serve", "--port", "0", "--home", "far", *words)
    assert (answer.code, answer.out) == (2, "")
    assert text in answer.complaint
    assert len(answer.complaint.splitlines()) == 1
    assert not Path("far").exists()


def test_a_command_is_told_of_the_cluster_and_takes_no_gpu_that_it_has_not_asked_for(tmp_path):
    assert Here(2).words("cpu") == []
    cluster = Cluster(tmp_path, Resources("auto", None, "head:6379", 2.0, 0.25, shared_home=True))
    taken = ["--executor=ray", "--address=head:6379", "--cpus-per-trial=2"]
    assert cluster.words(None) == [*taken, "--gpus-per-trial=0.25", "--shared-home"]
    assert cluster.words("cpu") == [*taken, "--shared-home"]


def test_its_slots_are_those_of_its_nodes_up_to_a_limit(tmp_path):
    cluster = Cluster(tmp_path, Resources(address="head:6379"), limit=5)
    assert (cluster.slots, cluster.nodes, cluster.named("auto")) == (0, [], "cpu")
    head = {"host": "head", "slots": 0, "used": "", "gpu": ""}
    small = {"host": "b", "slots": 0, "used": "0 of 1 CPU used", "gpu": "T4"}
    node = {"host": "a", "slots": 4, "used": "0 of 4 CPUs used", "gpu": "H200"}
    cluster._take({"slots": 4, "nodes": [head, node, small]})
    assert (cluster.slots, [each["host"] for each in cluster.nodes], cluster.named("auto")) == (4, ["a", "b"], "H200")
    assert cluster.named("cpu") == "cpu"
    cluster._take({"slots": 9, "nodes": []})
    assert cluster.slots == 5
    cluster._take({"error": "it has gone"})
    assert (cluster.slots, cluster.nodes) == (0, [])


@pytest.mark.parametrize(
    ("cpus", "gpus", "text"), [(1.0, 0.0, "1 CPU"), (4.0, 0.25, "4 CPUs, 0.25 GPU"), (1.0, None, "where there are any")]
)
def test_what_a_trial_takes_of_a_node_is_said_where_no_node_has_room(tmp_path, caplog, cpus, gpus, text):
    caplog.set_level("INFO", "study")
    cluster = Cluster(tmp_path, Resources(address="head:6379", cpus=cpus, gpus=gpus))
    assert text in cluster.taken
    cluster._take({"slots": 0, "nodes": []})
    assert caplog.messages == [
        f"cluster head:6379: no node has room for a trial, which takes {cluster.taken}; runs wait for one"
    ]


def test_this_machine_is_no_cluster():
    with Here(devices.default_slots()) as here:
        assert (here.nodes, here.named("cpu")) == (None, "cpu")
