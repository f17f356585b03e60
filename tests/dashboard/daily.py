"""A server with what a day brings, and a browser in front of it: one of each for all tests that only press and look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext

from tests.dashboard.browser import chromium, log_in
from tests.dashboard.hand import MODES
from tests.server import Server

# For each mode its own queues, learners, hosts and graders.
FILL = """
import io, json
from datetime import timedelta
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils.timezone import now
from submissions import api, operators, queue
from submissions.activity import Actor
from submissions.models import Delivery, Door, GraderQueue, Told

User.objects.create_superuser("boss", password="secret")
ids = {}

def make(name, learner="learner", number=1):
    learner = {"student_id": learner, "course_id": "c", "item_id": "i", "item_type": "problem"}
    return [
        api.create_external_grader_detail(learner, "print(1)", queue_name=name, queue_key=None).submission_id
        for _ in range(number)
    ]

def failed(name, number):
    made = make(name, number=number)
    GraderQueue.objects.filter(name=name).update(max_failures=1)
    for _ in made:
        (job,) = queue.claim(name, grader="broken-box")
        queue.fail(job.submission_id, job.pullkey, reason="The reply has no score.")
    return made

def delivery(name, host, state, **fields):
    (one,) = make(name)
    (job,) = queue.claim(name, grader="box")
    queue.complete(job.submission_id, job.pullkey, score=1, reply="{}")
    address = f"https://{host}/"
    fields |= {"destination": address, "host": host, "state": state, "result": Told.SCORE, "last_error": "HTTP 500"}
    Delivery.objects.create(job_id=job.pk, transport="callback", ready_at=now(), **fields)

for mode in MODES:
    (ids[f"s17-{mode}"],) = make(f"why-{mode}", f"s17-{mode}")
    (ids[f"end-{mode}"],) = make(f"end-{mode}")
    make(f"pause-{mode}")
    make(f"export-{mode}", number=2)
    failed(f"cause-{mode}", 2)
    failed(f"many-{mode}", 3)
    failed(f"some-{mode}", 3)
    (ids[f"log-{mode}"],) = failed(f"log-{mode}", 1)
    operators.RETRY.run(ids[f"log-{mode}"], operators.RETRY.by(Actor("ada", Door.DASHBOARD), "the disk was full"))
    (ids[f"held-{mode}"],) = make(f"held-{mode}")
    GraderQueue.objects.filter(name=f"held-{mode}").update(lease_seconds=3600)
    queue.claim(f"held-{mode}", grader=f"box-{mode}")
    delivery(f"again-{mode}", f"dead-{mode}.example.org", "given_up")
    due = {"due_at": now() + timedelta(hours=1), "attempts": 3}
    delivery(f"again-{mode}", f"slow-{mode}.example.org", "due", **due)
    delivery(f"again-{mode}", f"lost-{mode}.example.org", "due", **due)
    for what in ("drain", "disable", "rotate"):
        words = ["grader", "create", f"{what}-{mode}", "--queue", f"why-{mode}", "--json", "--server", "http://127.0.0.1"]
        call_command(*words, stdout=io.StringIO(), stderr=io.StringIO())
print(json.dumps(ids))
"""


@dataclass(frozen=True)
class Daily:
    site: Server
    browser: Browser
    ids: dict[str, int]
    """Of submissions, by what they are made for."""
    contexts: dict[str, BrowserContext]
    """One for each mode, all with the session of one login."""


@contextmanager
def running(folder: Path) -> Iterator[Daily]:
    site = Server(f"sqlite:///{folder / 'main.sqlite3'}", folder).start("--delivery-threads", "0")
    try:
        script = FILL.replace("MODES", repr([mode.name for mode in MODES]))
        ids = dict(json.loads(site.run("shell", "-c", script).stdout.splitlines()[-1]))
        with chromium() as browser:
            yield Daily(site, browser, ids, _contexts(site, browser))
    finally:
        site.stop()


def _contexts(site: Server, browser: Browser) -> dict[str, BrowserContext]:
    with browser.new_context(base_url=site.url) as first:
        log_in(first.new_page(), "boss", "secret")
        session = first.storage_state()
    return {
        mode.name: browser.new_context(
            base_url=site.url, storage_state=session, timezone_id="UTC", locale="en-GB", **mode.options
        )
        for mode in MODES
    }
