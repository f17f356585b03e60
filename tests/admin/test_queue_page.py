"""The settings of a queue: what may be set, who may pull, pausing, and the numbers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from submissions import queue
from submissions.admin.queues import QueueForm
from submissions.errors import UnknownQueue
from submissions.models import GraderQueue
from tests.activity import recorded
from tests.admin.conftest import Login, address, text, told
from tests.make import make
from tests.queue.jobs import claim_one

NO_HOST = "is no host; it is a name such as lms.example.org, without https:// and without a port."
pytestmark = pytest.mark.django_db

QUEUES = "/admin/submissions/graderqueue/"


def form(**changes: Any) -> dict[str, Any]:
    """What a browser sends for a queue as it is set up by its first job."""
    numbers = {"initial_delay_seconds": "0", "wait_milliseconds": "0"}
    return {"score_meaning": "ratio", **numbers, "notify_failures": "unknown", **changes}


def change(client: Client, row: GraderQueue, **changes: Any) -> Any:
    return client.post(address("graderqueue", "change", row.pk), form(**changes), follow=True)


def errors(response: Any) -> dict[str, list[str]]:
    return {name: list(found) for name, found in response.context["adminform"].form.errors.items()}


@pytest.fixture
def row(db: None) -> GraderQueue:
    return GraderQueue.objects.create(name="q")


def test_settings_are_changed(root: Client, row: GraderQueue) -> None:
    change(root, row, lease_seconds="60", max_failures="3", backoff_seconds="0", score_meaning="points", supersede="on")
    row.refresh_from_db()
    assert (row.lease_seconds, row.max_failures, row.backoff_seconds) == (60, 3, 0)
    assert (row.score_meaning, row.supersede, row.name) == ("points", True, "q")


def test_a_queue_is_set_up_and_its_name_stays(root: Client) -> None:
    root.post(address("graderqueue", "add"), form(name="new"))
    made = GraderQueue.objects.get(name="new")
    change(root, made, name="other")
    assert GraderQueue.objects.get().name == "new"


def test_settings_do_not_undo_what_happened_while_they_were_typed(root: Client, row: GraderQueue) -> None:
    page = root.get(address("graderqueue", "change", row.pk)).content.decode()
    assert '<input type="hidden" name="initial-paused" value="False"' in page
    GraderQueue.objects.update(paused=True)
    change(root, row, lease_seconds="60", **{"initial-paused": "False"})
    row.refresh_from_db()
    assert (row.lease_seconds, row.paused) == (60, True)
    change(root, row, lease_seconds="60", **{"initial-paused": "True"})
    row.refresh_from_db()
    assert not row.paused


def test_a_poll_that_is_noted_while_settings_are_saved_stays_noted(
    root: Client, row: GraderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def polled_now(form: QueueForm) -> int | None:
        GraderQueue.objects.update(last_polled_by="ada")
        return 60

    monkeypatch.setattr(QueueForm, "clean_lease_seconds", polled_now)
    change(root, row, lease_seconds="60")
    row.refresh_from_db()
    assert (row.lease_seconds, row.last_polled_by) == (60, "ada")


def test_what_an_empty_number_means_is_said(root: Client, row: GraderQueue) -> None:
    page = text(root.get(address("graderqueue", "change", row.pk)))
    assert "before another one may take it (seconds). Empty: 300, as SUBMISSIONS_LEASE_SECONDS says." in page
    assert "Empty: 5, as SUBMISSIONS_MAX_FAILURES says." in page
    assert "Empty: 5, as SUBMISSIONS_BACKOFF_SECONDS says." in page


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("lease_seconds", "0", "Ensure this value is greater than or equal to 1."),
        ("lease_seconds", "604801", "At most 604800 seconds: a grader that dies would hold its job for too long."),
        ("max_failures", "0", "Ensure this value is greater than or equal to 1."),
        (
            "backoff_seconds",
            "301",
            "At most 300 seconds: SUBMISSIONS_BACKOFF_CEILING_SECONDS cuts what is longer.",
        ),
        ("initial_delay_seconds", "2592001", "At most 2592000 seconds: learners would wait for a month."),
        ("push_url", "ftp://example.org/", "The address must begin with https:// or http:// and name a host."),
        ("push_url", "javascript:x", "The address must begin with https:// or http:// and name a host."),
        ("push_url", "https://ada:secret@example.org/", "The address must not hold a name or a password."),
        ("callback_hosts", "https://lms.example.org", f"'https://lms.example.org' {NO_HOST}"),
        ("webhook_url", "https://secret@example.org/", "The address must not hold a name or a password."),
        ("callback_hosts", "lms.example.org, lms.example.net", f"'lms.example.org,' {NO_HOST}"),
    ],
)
def test_what_is_refused(root: Client, row: GraderQueue, field: str, value: str, sentence: str) -> None:
    assert errors(change(root, row, **{field: value})) == {field: [sentence]}


def test_a_name_is_printable(root: Client) -> None:
    response = root.post(address("graderqueue", "add"), form(name="a\tb"))
    assert errors(response) == {"name": ["The name of a queue can have printable characters only."]}


# Who may pull. --------------------------------------------------------------------------------------------------------


def test_only_graders_are_offered_and_listing_one_closes_the_queue(root: Client, row: GraderQueue) -> None:
    ada = User.objects.create(username="ada")
    ada.groups.add(Group.objects.get_or_create(name="xqueue")[0])
    User.objects.create(username="bob")
    page = root.get(address("graderqueue", "change", row.pk))
    offered = [str(user) for user in page.context["adminform"].form.fields["graders"].queryset]
    assert offered == ["ada"]
    change(root, row, graders=[ada.pk])
    row.refresh_from_db()
    assert row.restricted
    with pytest.raises(UnknownQueue):
        queue.claim("q", grader="bob")
    assert queue.claim("q", grader="ada") == []


def test_a_queue_that_nobody_may_pull_from_is_told(root: Client, row: GraderQueue) -> None:
    response = change(root, row, restricted="on")
    assert "No grader may pull from q: the queue is restricted, and no grader is listed." in told(response)


# Pausing. -------------------------------------------------------------------------------------------------------------


def act(client: Client, action: str, *rows: GraderQueue) -> Any:
    data = {"action": action, "index": "0", "select_across": "0", "_selected_action": [row.pk for row in rows]}
    return client.post(QUEUES, data, follow=True)


def test_pause_and_resume(login: Login, row: GraderQueue) -> None:
    make("q")
    client = login("view_graderqueue", "can_pause")
    assert told(act(client, "pause", row)) == ["1 queue paused; graders receive no jobs."]
    assert queue.claim("q", grader="g") == []
    assert told(act(client, "pause", row)) == ["1 queue skipped: paused already."]
    assert told(act(client, "resume", row)) == ["1 queue resumed."]
    assert len(queue.claim("q", grader="g")) == 1
    assert [line.partition(": ")[2] for line in recorded()] == ["pause in q", "resume in q"]


def test_pausing_has_a_permission_of_its_own(login: Login, row: GraderQueue) -> None:
    act(login("view_graderqueue"), "pause", row)
    assert not GraderQueue.objects.get().paused


# Numbers. -------------------------------------------------------------------------------------------------------------


def test_numbers_lead_to_the_jobs(root: Client) -> None:
    make("q")
    make("q")
    claim_one("q")
    shown = root.get(QUEUES)
    assert "q green 1 job waiting; graders are polling 0 1 0 1" in text(shown)
    body = shown.content.decode()
    assert 'href="/admin/submissions/externalgraderdetail/?queue_name=q&amp;status__exact=waiting"' in body


def test_a_list_of_queues_asks_as_much_for_many_as_for_few(root: Client) -> None:
    make("q")
    root.get(QUEUES)
    counts = []
    for more in (0, 30):
        for number in range(more):
            make(f"queue-{number}")
        with CaptureQueriesContext(connection) as asked:
            root.get(QUEUES)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 20


def test_a_queue_that_has_jobs_is_not_deleted(root: Client) -> None:
    make("q")
    row, empty = GraderQueue.objects.get(), GraderQueue.objects.create(name="empty")
    assert root.post(address("graderqueue", "delete", row.pk), {"post": "yes"}).status_code == 403
    assert root.post(address("graderqueue", "delete", empty.pk), {"post": "yes"}).status_code == 302
    assert [one.name for one in GraderQueue.objects.all()] == ["q"]


def test_changed_settings_are_written_down_without_secrets(root: Client, row: GraderQueue) -> None:
    change(root, row, lease_seconds="600", supersede="on", webhook_secrets="whsec_" + "A" * 44, paused="on")
    assert recorded() == [
        "root: pause in q",
        "root: settings in q: lease_seconds: empty to 600, supersede: False to True, webhook_secrets",
    ]
