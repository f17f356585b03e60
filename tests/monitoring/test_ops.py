"""The files in `ops/`: they can be read, and every name in them is one that the service tells."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils.timezone import now
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from submissions.models import Delivery, Tally, Transport
from tests.make import make
from tests.queue.jobs import claim_one
from tests.walkthrough import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.once]

OPS = ROOT / "ops"
NAME = re.compile(r"\bgradequeue_[a-z_]+")
LABELS = re.compile(r"(gradequeue_[a-z_]+)\{([^}]*)\}")


@pytest.fixture
def told(settings: Settings) -> dict[str, set[str]]:
    """The names of all samples of a service where everything has happened, each with its labels."""
    settings.METRICS_TOKEN = "x"
    job = make("q")
    claim_one("q")
    Delivery.objects.create(job=job, transport="callback", state="due", due_at=now() - timedelta(seconds=5))
    Tally.objects.add("deliveries:callback:delivered")
    text = Client().get("/metrics", headers={"Authorization": "Bearer x"}).content.decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((OPS / "alerts.yml").read_text())["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    return list(json.loads((OPS / "grafana.json").read_text())["panels"])


def expressions() -> list[str]:
    targets = [target["expr"] for panel in panels() for target in panel["targets"]]
    assert len(targets) > 15
    return [rule["expr"] for rule in rules()] + targets


def test_every_name_in_an_expression_is_told(told: dict[str, set[str]]) -> None:
    names = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(names) > 12
    assert names - set(told) == set()


def test_the_page_lists_what_is_told_and_nothing_else(told: dict[str, set[str]]) -> None:
    table = (ROOT / "docs" / "monitoring.md").read_text().split("## Metrics", 1)[1].split("## Autoscaling", 1)[0]
    listed = set(re.findall(r"^\| `(gradequeue_[a-z_]+)` \|", table, re.MULTILINE))
    assert listed == {re.sub(r"_(bucket|count|sum)$", "", name) for name in told}


def test_every_label_in_an_expression_is_told(told: dict[str, set[str]]) -> None:
    for expression in expressions():
        for name, selector in LABELS.findall(expression):
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            assert used <= told[name], expression


def test_a_service_before_its_first_job_is_not_taken_for_a_silent_one(settings: Settings) -> None:
    settings.METRICS_TOKEN = "x"
    text = Client().get("/metrics", headers={"Authorization": "Bearer x"}).content.decode()
    told = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    missed = {name for rule in rules() for name in re.findall(r"absent\((gradequeue_\w+)", rule["expr"])}
    assert missed
    assert missed <= told


def test_every_alert_says_what_is_wrong() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules()) > 8
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["for"]


def test_panels_do_not_lie_upon_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


PROMTOOL = shutil.which("promtool")

# Nothing at all; a target that does not answer; one that answers without our numbers.
SILENT = """
rule_files: [{rules}]
tests:
  - interval: 1m
    alert_rule_test:
      - eval_time: 10m
        alertname: GradequeueIsDown
        exp_alerts: [{{exp_labels: {{severity: page, job: gradequeue}}, exp_annotations: {down}}}]
      - eval_time: 10m
        alertname: GradequeueTellsNothing
        exp_alerts: [{{exp_labels: {{severity: page}}, exp_annotations: {nothing}}}]
  - interval: 1m
    input_series: [{{series: 'up{{job="gradequeue", instance="a"}}', values: '0x10'}}]
    alert_rule_test:
      - eval_time: 10m
        alertname: GradequeueIsDown
        exp_alerts: [{{exp_labels: {{severity: page, job: gradequeue, instance: a}}, exp_annotations: {down}}}]
  - interval: 1m
    input_series:
      - {{series: 'up{{job="gradequeue", instance="a"}}', values: '1x10'}}
      - {{series: gradequeue_outbox_pending, values: '0x10'}}
    alert_rule_test:
      - {{eval_time: 10m, alertname: GradequeueIsDown, exp_alerts: []}}
      - {{eval_time: 10m, alertname: GradequeueTellsNothing, exp_alerts: []}}
"""


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
def test_something_fires_where_nothing_is_scraped(tmp_path: Path) -> None:
    said = {rule["alert"]: json.dumps(rule["annotations"]) for rule in rules()}
    test = tmp_path / "silent.yml"
    down, nothing = said["GradequeueIsDown"], said["GradequeueTellsNothing"]
    test.write_text(SILENT.format(rules=OPS / "alerts.yml", down=down, nothing=nothing))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(test)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# A queue that somebody paused, and results that were overtaken by newer ones: neither is a fault. The first one of a
# day that is given up is.
CALM = """
rule_files: [{rules}]
tests:
  - interval: 1m
    input_series:
      - {{series: 'gradequeue_workers{{queue="q", health="live"}}', values: '0x30'}}
      - {{series: 'gradequeue_waiting{{queue="q"}}', values: '5x30'}}
      - {{series: 'gradequeue_queue_paused{{queue="q"}}', values: '1x30'}}
      - {{series: 'gradequeue_deliveries_total{{transport="callback", outcome="delivered"}}', values: '0+10x40'}}
      - {{series: 'gradequeue_deliveries_total{{transport="callback", outcome="dropped"}}', values: '0+10x40'}}
      - {{series: 'gradequeue_deliveries_total{{transport="callback", outcome="given_up"}}', values: '0x20 1x20'}}
    alert_rule_test:
      - {{eval_time: 30m, alertname: GradequeueGradersAreSilent, exp_alerts: []}}
      - {{eval_time: 40m, alertname: GradequeueDeliveriesFail, exp_alerts: []}}
      - eval_time: 30m
        alertname: GradequeueDeliveriesGivenUp
        exp_alerts: [{{exp_labels: {{severity: ticket, transport: callback}}, exp_annotations: {given_up}}}]
"""


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
def test_only_faults_fire(tmp_path: Path) -> None:
    given_up = next(rule["annotations"] for rule in rules() if rule["alert"] == "GradequeueDeliveriesGivenUp")
    said = json.dumps(given_up).replace("{{ $labels.transport }}", "callback")
    (tmp_path / "calm.yml").write_text(CALM.format(rules=OPS / "alerts.yml", given_up=said))
    words = [str(PROMTOOL), "test", "rules", str(tmp_path / "calm.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_an_alert_counts_begins_at_nothing(settings: Settings) -> None:
    """Prometheus sees no increase in a series whose first value is its first event."""
    settings.METRICS_TOKEN = "x"
    told = Client().get("/metrics", headers={"Authorization": "Bearer x"}).content.decode()
    for transport in Transport.values:
        assert f'gradequeue_deliveries_total{{outcome="given_up",transport="{transport}"}} 0.0' in told


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_takes_the_rules_and_the_metrics(settings: Settings) -> None:
    checked = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(OPS / "alerts.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    settings.METRICS_TOKEN = "x"
    make("q")
    text = Client().get("/metrics", headers={"Authorization": "Bearer x"}).content
    linted = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (linted.returncode, linted.stderr) == (0, b"")
