"""What kustomize makes of `ops/kubernetes`, held against the schemas of Kubernetes, KEDA and the Prometheus operator.

Run by `make tutor-test`, in the environment of the plugin's tests: kubectl and the schemas are large.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

ROOT = Path(__file__).parents[2]
KUBECTL = Path(sys.executable).parent / "kubectl"
# The models of `apiVersion`s that are not of Kubernetes itself.
MODELS = {"keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": prometheus}
# The oldest that has what the manifests ask for, and the newest one known here.
RELEASES = ("1.33", "1.37")


def objects(overlay: str) -> list[dict[str, Any]]:
    place = ROOT / "ops" / "kubernetes" / "overlays" / overlay
    done = subprocess.run([KUBECTL, "kustomize", place], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return list(yaml.safe_load_all(done.stdout))


def names(overlay: str, kind: str) -> list[str]:
    return sorted(found["metadata"]["name"] for found in objects(overlay) if found["kind"] == kind)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("overlay", ["production", "trial"])
def test_each_object_is_what_its_schema_says(overlay: str, release: str) -> None:
    for found in objects(overlay):
        if models := MODELS.get(found["apiVersion"]):
            # An unknown member would be left out.
            read = getattr(models, found["kind"]).model_validate(found)
            assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == found
        else:
            kubernetes_validate.validate(found, release, strict=True)


def test_production_has_all_of_it() -> None:
    assert names("production", "Deployment") == ["gradequeue-deliveries", "gradequeue-web", "gradequeue-worker"]
    assert names("production", "NetworkPolicy") == [
        "gradequeue-deliveries", "gradequeue-housekeeping", "gradequeue-web", "gradequeue-worker"
    ]  # fmt: skip
    assert names("production", "CronJob") == ["gradequeue-clearsessions", "gradequeue-prune"]
    for kind in ("PodDisruptionBudget", "ScaledObject", "TriggerAuthentication", "ServiceMonitor", "Ingress"):
        assert len(names("production", kind)) == 1, kind


def test_a_trial_is_one_pod_with_a_volume() -> None:
    kinds = sorted(found["kind"] for found in objects("trial"))
    assert kinds == ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Service"]
    (pod,) = [found["spec"]["template"]["spec"] for found in objects("trial") if found["kind"] == "Deployment"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "gradequeue"}} in pod["volumes"]
    assert not pod["initContainers"]


def pods(overlay: str) -> dict[str, dict[str, str]]:
    """The labels of each kind of pod."""
    found = {}
    for thing in objects(overlay):
        spec = thing["spec"]["jobTemplate"]["spec"] if thing["kind"] == "CronJob" else thing.get("spec", {})
        if thing["kind"] in ("Deployment", "CronJob"):
            found[thing["metadata"]["name"]] = spec["template"]["metadata"]["labels"]
    return found


def chosen(selector: dict[str, Any], overlay: str) -> list[str]:
    wanted = selector["matchLabels"].items()
    return sorted(name for name, labels in pods(overlay).items() if wanted <= labels.items())


def test_each_selector_chooses_the_pods_that_it_means() -> None:
    means = {
        ("Service", "gradequeue"): ["gradequeue-web"],
        ("Service", "gradequeue-deliveries"): ["gradequeue-deliveries"],
        ("PodDisruptionBudget", "gradequeue-web"): ["gradequeue-web"],
        ("NetworkPolicy", "gradequeue-web"): ["gradequeue-web"],
        ("NetworkPolicy", "gradequeue-deliveries"): ["gradequeue-deliveries"],
        ("NetworkPolicy", "gradequeue-housekeeping"): ["gradequeue-clearsessions", "gradequeue-prune"],
        ("NetworkPolicy", "gradequeue-worker"): ["gradequeue-worker"],
    }
    found = {}
    for thing in objects("production"):
        spec = thing.get("spec", {})
        selector = {"matchLabels": spec["selector"]} if thing["kind"] == "Service" else None
        selector = selector or spec.get("podSelector") or spec.get("selector")
        if thing["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            found[thing["kind"], thing["metadata"]["name"]] = chosen(selector, "production")
    assert found == means


def test_a_worker_reaches_the_web_and_the_web_lets_it_in() -> None:
    policies = {
        found["metadata"]["name"]: found["spec"] for found in objects("production") if found["kind"] == "NetworkPolicy"
    }
    (_, out) = policies["gradequeue-worker"]["egress"]
    assert [chosen(to["podSelector"], "production") for to in out["to"]] == [["gradequeue-web"]]
    (into,) = policies["gradequeue-web"]["ingress"]
    inside = [chosen(source["podSelector"], "production") for source in into["from"] if "podSelector" in source]
    assert inside == [["gradequeue-worker"]]


def test_what_is_made_from_files_is_what_pods_name() -> None:
    things = objects("production")
    made = {found["metadata"]["name"] for found in things if found["kind"] == "ConfigMap"}
    text = yaml.safe_dump([found for found in things if found["kind"] in ("Deployment", "CronJob")])
    assert len(made) == 2
    assert all(name in text for name in made)
