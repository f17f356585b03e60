"""`ops/kubernetes`, without a cluster: what the pods run is there, and no pod may do more than it must."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import load_command_class
from django.core.management.base import CommandParser
from django.test import Client

from submissions.accounts.tokens import make_token
from submissions.models import GraderQueue
from tests.make import make
from tests.walkthrough import ROOT

pytestmark = pytest.mark.once

FOLDER = ROOT / "ops" / "kubernetes"


def objects() -> Iterator[dict[str, Any]]:
    for path in sorted(FOLDER.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


def pods() -> dict[str, dict[str, Any]]:
    found = {}
    for thing in objects():
        spec = thing.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec") or spec
        if thing["kind"] in ("Deployment", "CronJob") and "securityContext" in spec["template"]["spec"]:
            found[thing["metadata"]["name"]] = spec["template"]["spec"]
    return found


PODS = pods()
CONTAINERS = {
    f"{name}/{container['name']}": container
    for name, pod in PODS.items()
    for container in (*pod.get("initContainers", []), *pod["containers"])
}


def test_these_are_the_pods() -> None:
    assert sorted(CONTAINERS) == [
        "gradequeue-clearsessions/gradequeue",
        "gradequeue-deliveries/gradequeue",
        "gradequeue-deliveries/migrate",
        "gradequeue-prune/gradequeue",
        "gradequeue-web/gradequeue",
        "gradequeue-web/wait-for-tables",
        "gradequeue-worker/worker",
    ]


@pytest.mark.parametrize("name", sorted(PODS))
def test_a_pod_is_nobody_and_knows_nothing_of_the_cluster(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    # The worker's sandboxes need more of the kernel, and get it in a namespace of their own.
    profile = "Unconfined" if name == "gradequeue-worker" else "RuntimeDefault"
    assert pod["securityContext"]["seccompProfile"] == {"type": profile}
    assert pod.get("hostUsers", True) is (name != "gradequeue-worker")


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_container_can_change_nothing_but_its_volumes(name: str) -> None:
    container = CONTAINERS[name]
    allowed = {key: value for key, value in container["securityContext"].items() if key != "procMount"}
    assert allowed == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_no_file_is_kept_in_a_pod() -> None:
    """Where S3 was forgotten, files would go with the pod. So none can be stored, and the pod is not ready."""
    mounts = {
        name: {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
        for name, container in CONTAINERS.items()
        if not name.startswith("gradequeue-worker")
    }
    assert {name: found["/data"] for name, found in mounts.items()} == dict.fromkeys(mounts, True)
    # A trial keeps everything on its volume.
    trial = yaml.safe_load((FOLDER / "overlays" / "trial" / "one-pod.yaml").read_text())
    (container,) = trial["spec"]["template"]["spec"]["containers"]
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": False}]


@pytest.mark.parametrize("name", [name for name in sorted(CONTAINERS) if not name.startswith("gradequeue-worker")])
def test_what_a_container_runs_is_a_command(name: str) -> None:
    command, *words = CONTAINERS[name]["args"]
    app = {"serve": "gradequeue", "prune": "submissions", "clearsessions": "django.contrib.sessions"}
    parser = load_command_class(app.get(command, "django.core"), command).create_parser("gradequeue", command)
    assert isinstance(parser, CommandParser)
    # A word that it does not know ends the test.
    parser.parse_args(words)


def test_what_the_worker_runs_is_a_command() -> None:
    words = CONTAINERS["gradequeue-worker/worker"]["args"]
    command = Path(sys.executable).parent / "gradequeue-grader"
    done = subprocess.run([command, *words], capture_output=True, text=True, timeout=60, check=False)
    # All of it was understood: what is missing here is the token's file.
    assert (done.returncode, "/run/secrets/gradequeue/token" in done.stderr) == (2, True), done.stderr


def test_the_workers_grader_grades() -> None:
    claim = json.dumps({"answer": "one two three four five"})
    done = subprocess.run(
        [sys.executable, FOLDER / "worker" / "grade.py"], input=claim, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"score": 0.5, "feedback": {"text": "5 words."}}


def test_only_the_web_is_without_deliveries() -> None:
    assert CONTAINERS["gradequeue-web/gradequeue"]["args"][-2:] == ["--delivery-threads", "0"]
    assert "--delivery-threads" not in CONTAINERS["gradequeue-deliveries/gradequeue"]["args"]


def test_each_variable_is_one_of_the_service() -> None:
    known = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    settings = (FOLDER / "overlays" / "production" / "settings.env").read_text()
    trial = (FOLDER / "overlays" / "trial" / "kustomization.yaml").read_text()
    used = set(re.findall(r"\b(?:GRADEQUEUE_|DATABASE_)[A-Z_]+", settings + trial))
    assert "GRADEQUEUE_ENV" in used
    # A ConfigMap is no place for a secret.
    assert not re.search(r"^\w*(?:_URL|_AUTH|_SECRETS?|_KEY|_TOKEN)=(?!https)", settings, re.MULTILINE)
    assert used - known == set()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_ask_what_answers(path: str) -> None:
    asked = {
        probe["httpGet"]["path"]
        for container in CONTAINERS.values()
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
        if (probe := container.get(kind))
    }
    assert asked == {"/livez", "/readyz"}
    assert Client(headers={"Host": "10.0.0.7:8000"}).get(path).status_code == 200


@pytest.mark.django_db
def test_keda_asks_for_what_the_queues_statistics_tell() -> None:
    (scaled,) = [thing for thing in objects() if thing["kind"] == "ScaledObject"]
    (trigger,) = scaled["spec"]["triggers"]
    account = User.objects.create(username="scaler")
    make("python")
    GraderQueue.objects.get(name="python").observers.add(account)
    _, secret = make_token(account, scopes=["observe"], queues=["python"])
    place = urlsplit(trigger["metadata"]["url"])
    answer = Client().get(place.path, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.content
    assert answer.json()[trigger["metadata"]["valueLocation"]] == 1
    assert trigger["metadata"]["authMode"] == "bearer"
    # The host must be served, and workers take as many at once as KEDA is told.
    hosts = (FOLDER / "overlays" / "production" / "settings.env").read_text()
    assert str(place.hostname) in hosts
    assert f"--jobs={trigger['metadata']['targetValue']}" in CONTAINERS["gradequeue-worker/worker"]["args"]


def test_who_is_asked_has_a_terminal() -> None:
    """Django makes no superuser where it cannot ask."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    asked = [line for line in page.splitlines() if line.endswith("createsuperuser")]
    assert len(asked) == 2
    assert all(" exec -it " in line for line in asked)


def test_a_second_queue_has_names_of_its_own(tmp_path: Path) -> None:
    """kustomize takes no name twice, and a Deployment must not choose the pods of another one."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (block,) = [found for found in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "worker-java" in found]
    shutil.copytree(FOLDER, tmp_path / "ops" / "kubernetes")
    subprocess.run(["sh", "-e", "-c", block], cwd=tmp_path, check=True, timeout=60)
    first, second = (
        {
            (thing["kind"], thing["metadata"]["name"]): thing
            for path in sorted((tmp_path / "ops" / "kubernetes" / folder).glob("[sw]*.yaml"))
            for thing in yaml.safe_load_all(path.read_text())
        }
        for folder in ("worker", "worker-java")
    )
    assert {(kind, f"{name}-java") for kind, name in first} == set(second)
    selectors, pods = zip(
        *(
            (found["spec"]["selector"]["matchLabels"].items(), found["spec"]["template"]["metadata"]["labels"].items())
            for things in (first, second)
            for (kind, _), found in things.items()
            if kind == "Deployment"
        ),
        strict=True,
    )
    assert [[selector <= labels for labels in pods] for selector in selectors] == [[True, False], [False, True]]
    text = "".join(path.read_text() for path in (tmp_path / "ops" / "kubernetes" / "worker-java").glob("*.yaml"))
    assert ("--queue=java" in text, "/queues/java/" in text, "- python3\n" in text) == (True, True, True)
    # What is made by hand or by kustomize is named with it; the image is the same one.
    assert set(re.findall(r"(?:secretName|name): (gradequeue-\S+)", text)) == {
        "gradequeue-grader-java", "gradequeue-scaler-java", "gradequeue-worker-java"
    }  # fmt: skip
    assert "image: gradequeue-grader\n" in text


def test_a_web_pod_reaches_whatever_it_talks_to() -> None:
    """Databases, Redis, S3, and mail servers: notifications are sent by whichever pod has the turn."""
    (policy,) = (
        thing["spec"]
        for thing in objects()
        if (thing["kind"], thing["metadata"]["name"]) == ("NetworkPolicy", "gradequeue-web")
    )
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert {53, 443, 3306, 5432, 6379, 25, 465, 587} <= ports


# In the place of kubectl: a token is printed as the command prints it, and a secret is kept.
KUBECTL = """#!/bin/sh
case "$*" in
  *"token create"*) echo gq_abcdefgh_secret ;;
  *--from-file=token=*) cp "${*##*=}" "secret-${*##*=}" ;;
esac
"""


def test_the_tokens_of_the_page_have_no_newline_and_do_not_stay(tmp_path: Path) -> None:
    """KEDA sends what the Secret has as a header, and Go sends none with a newline."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (block,) = [found for found in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "keda.token" in found]
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-e", "-c", block], cwd=tmp_path, env=os.environ | path, check=True, timeout=60)
    assert {place.name: place.read_text() for place in tmp_path.glob("*.token")} == {
        "secret-keda.token": "gq_abcdefgh_secret",
        "secret-worker.token": "gq_abcdefgh_secret",
    }
