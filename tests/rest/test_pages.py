"""What an operator sees of results and of why there is none: the dashboard's page of a submission, and `show`."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.test import Client

from tests.make import make
from tests.rest.talk import account, grader

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(db: None) -> Client:
    client = Client()
    client.force_login(account("root", "", is_staff=True, is_superuser=True))
    return client


def test_a_result_is_a_table_with_hidden_tests_marked(browser: Client) -> None:
    job = make()
    ada = grader()
    result = {
        "score": 0.5,
        "tests": [
            {"name": "<b>adds</b>", "status": "passed", "points": 1, "max_points": 2, "output": "<script>x</script>"},
            {"name": "secret", "status": "failed", "visibility": "hidden"},
            {"name": "late", "status": "failed", "visibility": "after_due_date"},
        ],
        "grader": {"name": "unit", "version": "1.4"},
        "stdout": {"text": "seed 7"},
    }
    ada.put(f"claims/{ada.claim()['id']}/result/", result)
    page = browser.get(f"/dashboard/submissions/{job.submission_id}/").content.decode()
    assert "&lt;b&gt;adds&lt;/b&gt;" in page
    assert "1 of 2" in page
    assert '<span class="badge">hidden</span>' in page
    assert '<span class="badge">after due date</span>' in page
    assert "Grader: <bdi>unit 1.4</bdi>" in page
    assert "seed 7" in page
    assert "<script>x" not in page


def test_why_not_yet_is_one_sentence_everywhere(browser: Client, capsys: pytest.CaptureFixture[str]) -> None:
    make()
    job = make()
    sentence = "1 job ahead; no grader has ever polled this queue."
    assert sentence in browser.get(f"/dashboard/submissions/{job.submission_id}/").content.decode()
    call_command("show", str(job.submission_id), "--json")
    assert json.loads(capsys.readouterr().out)["note"] == sentence
