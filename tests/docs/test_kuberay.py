"""The manifest for Kubernetes in docs/clusters.md is as KubeRay's CRD of RayCluster and Kubernetes' own schema say.

An API server drops a field that it does not know without a word, unless it is asked to be strict.
"""

from __future__ import annotations

import copy
import functools
import json
import operator
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

PAGE = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text()
(MANIFEST,) = [
    found for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind" in (found := yaml.safe_load(text))
]
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # of a DNS label, which schemas leave to the API server


@pytest.fixture(scope="module")
def schema():
    """KubeRay's part refers to Kubernetes' definitions, here those of the version that its CRD was made with."""
    bundled = files("kubernetes_validate") / "kubernetes-json-schema" / "v1.35.0-local-strict" / "_definitions.json"
    kubernetes = Resource.from_contents(json.loads(bundled.read_text()))
    rays = yaml.safe_load(Path(__file__).with_name("raycluster.yaml").read_text())
    Draft202012Validator.check_schema(rays)
    return Draft202012Validator(rays, registry=Registry().with_resource("kubernetes:", kubernetes))


def test_the_manifest_is_a_ray_cluster_with_pods_of_kubernetes(schema):
    assert [f"{fault.json_path}: {fault.message}" for fault in schema.iter_errors(MANIFEST)] == []
    assert MANIFEST["spec"]["rayVersion"] == version("ray")
    groups = MANIFEST["spec"]["workerGroupSpecs"]
    names = [MANIFEST["metadata"]["name"], *(group["groupName"] for group in groups)]
    for group in [MANIFEST["spec"]["headGroupSpec"], *groups]:
        pod = group["template"]["spec"]
        mounted = {mount["name"] for each in pod["containers"] for mount in each.get("volumeMounts", ())}
        assert mounted == {volume["name"] for volume in pod.get("volumes", ())}
        assert all(each["image"] for each in pod["containers"])
        names += [*mounted, *(each["name"] for each in pod["containers"])]
    assert [name for name in names if not NAME.fullmatch(name)] == []
    for group in groups:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


HEAD, WORKER, IN_POD = "headGroupSpec", "workerGroupSpecs.0", "template.spec.containers.0"


@pytest.mark.parametrize(
    ("where", "value", "said"),  # `...` takes away what is there
    [
        ("authOption", {}, "'authOption' was unexpected"),
        ("authOptions.mode", "yes", "'yes' is not one of ['disabled', 'token']"),
        ("managedBy", "me", "'me' is not one of"),
        (HEAD, ..., "'headGroupSpec' is a required property"),
        (f"{HEAD}.replicas", 1, "'replicas' was unexpected"),
        (f"{HEAD}.rayStartParams.num-cpus", 0, "0 is not of type 'string'"),
        (f"{HEAD}.template.metadata", {"generateName": "x"}, "'generateName' was unexpected"),
        (f"{HEAD}.template.spec.volumes.0.persistentVolumeClaim.claim", "x", "'claim' was unexpected"),
        (f"{HEAD}.{IN_POD}.volumeMount", [], "'volumeMount' was unexpected"),
        (f"{WORKER}.replicas", "4", "'4' is not of type 'integer'"),
        (f"{WORKER}.maxReplicas", 2**31, "2147483648 is greater than the maximum"),
        (f"{WORKER}.minReplicas", ..., "'minReplicas' is a required property"),
        (f"{WORKER}.template", ..., "'template' is a required property"),
        (f"{WORKER}.{IN_POD}.name", ..., "'name' is a required property"),
        (f"{WORKER}.{IN_POD}.command", "ray", "'ray' is not of type 'array'"),
        (f"{WORKER}.{IN_POD}.resources.limits.memory", "32GB", "'32GB' does not match"),
    ],
)  # fmt: skip
def test_a_manifest_with_a_fault_is_refused(schema, where, value, said):
    *way, last = [int(step) if step.isdigit() else step for step in where.split(".")]
    spoilt = copy.deepcopy(MANIFEST)
    place = functools.reduce(operator.getitem, way, spoilt["spec"])
    if value is ...:
        del place[last]
    else:
        place[last] = value
    (fault,) = schema.iter_errors(spoilt)
    assert said in fault.message
    assert list(fault.absolute_path)[: len(way) + 1] == ["spec", *way]
