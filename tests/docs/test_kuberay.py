"""The manifest for Kubernetes in docs/clusters.md has the fields and types of KubeRay's RayCluster, ray.io/v1.

The fields are those of KubeRay's API reference (docs/reference/api.md of its repository) and of Kubernetes' core v1,
as far as the manifest could use them. An API server drops a field that it does not know without a word.
"""

from __future__ import annotations

import copy
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

PAGE = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text()
(MANIFEST,) = [
    found for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind" in (found := yaml.safe_load(text))
]
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
RESOURCES = {"*": QUANTITY}
CONTAINER = {
    "name!": NAME, "image!": str, "imagePullPolicy": ("Always", "IfNotPresent", "Never"), "command": [str],
    "args": [str], "env": [{"name!": str, "value": str, "valueFrom": {"*": dict}}], "workingDir": str,
    "resources": {"limits": RESOURCES, "requests": RESOURCES},
    "volumeMounts": [{"name!": NAME, "mountPath!": str, "readOnly": bool, "subPath": str}],
    "ports": [{"containerPort!": int, "name": NAME}],
}  # fmt: skip
VOLUME = {
    "name!": NAME, "persistentVolumeClaim": {"claimName!": NAME, "readOnly": bool}, "emptyDir": {"*": str},
    "secret": {"secretName!": NAME},
}  # fmt: skip
POD = {
    "metadata": {"labels": {"*": str}, "annotations": {"*": str}},
    "spec!": {
        "containers!": [CONTAINER], "initContainers": [CONTAINER], "volumes": [VOLUME], "nodeSelector": {"*": str},
        "serviceAccountName": NAME, "tolerations": [{"*": str}],
    },
}  # fmt: skip
GROUP = {"rayStartParams": {"*": str}, "template!": POD}
CLUSTER = {
    "apiVersion!": ("ray.io/v1",), "kind!": ("RayCluster",), "metadata!": {"name!": NAME, "namespace": NAME},
    "spec!": {
        "rayVersion": str, "suspend": bool, "managedBy": str, "enableInTreeAutoscaling": bool,
        "authOptions": {"mode": ("disabled", "token")}, "autoscalerOptions": {"*": object},
        "gcsFaultToleranceOptions": {"*": object}, "headServiceAnnotations": {"*": str},
        "headGroupSpec!": {**GROUP, "serviceType": str, "enableIngress": bool, "headService": {"*": object}},
        "workerGroupSpecs": [{
            **GROUP, "groupName!": NAME, "replicas": int, "minReplicas": int, "maxReplicas": int, "numOfHosts": int,
            "suspend": bool, "idleTimeoutSeconds": int, "scaleStrategy": {"*": object},
        }],
    },
}  # fmt: skip


def faults(value, wanted, where="manifest"):
    """Say where a value is not as the fields want it; `!` ends a field that must be there, `*` is any name."""
    match wanted:
        case dict():
            if not isinstance(value, dict):
                return [f"{where} is no object"]
            known = {name.rstrip("!"): kind for name, kind in wanted.items()}
            lacking = [name for name in wanted if name.endswith("!") and name.rstrip("!") not in value]
            unknown = [name for name in value if name not in known and "*" not in known]
            found = [f"{where} lacks {name.rstrip('!')}" for name in lacking]
            found += [f"{where} has {name}, which there is not" for name in unknown]
            there = {name: known.get(name, known.get("*")) for name in value if name not in unknown}
            return found + [
                each for name, kind in there.items() for each in faults(value[name], kind, f"{where}.{name}")
            ]
        case tuple():
            return [] if value in wanted else [f"{where} is none of {wanted}"]
        case [kind]:
            if not isinstance(value, list):
                return [f"{where} is no list"]
            return [each for index, one in enumerate(value) for each in faults(one, kind, f"{where}[{index}]")]
        case re.Pattern():
            return (
                [] if isinstance(value, str) and wanted.fullmatch(value) else [f"{where}: {value!r} is not so written"]
            )
        case _:
            fits = isinstance(value, wanted) and (wanted is not int or not isinstance(value, bool))
            return [] if fits else [f"{where} is no {wanted.__name__}"]


def test_the_manifest_has_the_fields_of_a_ray_cluster():
    assert faults(MANIFEST, CLUSTER) == []
    assert MANIFEST["spec"]["rayVersion"] == version("ray")
    for group in [MANIFEST["spec"]["headGroupSpec"], *MANIFEST["spec"]["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        mounted = {mount["name"] for each in pod["containers"] for mount in each.get("volumeMounts", ())}
        assert mounted == {volume["name"] for volume in pod.get("volumes", ())}
    for group in MANIFEST["spec"]["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def worker(manifest):
    return manifest["spec"]["workerGroupSpecs"][0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda each: each["spec"].update(authOption={}), "manifest.spec has authOption, which there is not"),
        (lambda each: each["spec"]["authOptions"].update(mode="yes"), "manifest.spec.authOptions.mode is none of"),
        (lambda each: each["spec"].pop("headGroupSpec"), "manifest.spec lacks headGroupSpec"),
        (lambda each: each["spec"]["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}), "num-cpus is no str"),
        (lambda each: worker(each).update(replicas="4"), "workerGroupSpecs[0].replicas is no int"),
        (lambda each: worker(each)["template"]["spec"]["containers"][0].pop("image"), "containers[0] lacks image"),
    ],
)  # fmt: skip
def test_a_manifest_with_a_fault_is_found_out(spoil, said):
    spoilt = copy.deepcopy(MANIFEST)
    spoil(spoilt)
    (found,) = faults(spoilt, CLUSTER)
    assert said in found
