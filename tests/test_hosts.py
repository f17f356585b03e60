"""Platforms that embed the app, each a process of its own: databases, accounts and clocks are not as the service's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from submissions.checks import earlier_upgrade_is_finished

SETTINGS = """
import os
from pathlib import Path

SECRET_KEY = "platform"
ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SUBMISSIONS_TRANSPORTS = ["signal"]
SUBMISSIONS_DELIVER_AT_ONCE = False
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "submissions",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
PROCESSORS = [f"django.{name}" for name in (
    "template.context_processors.request",
    "contrib.auth.context_processors.auth",
    "contrib.messages.context_processors.messages",
)]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": PROCESSORS},
}]


def sqlite(name, **more):
    options = {"transaction_mode": "IMMEDIATE"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / name, "OPTIONS": options, **more}


DATABASES = {"default": sqlite("platform.sqlite3")}
"""
URLS = """
from django.urls import include, path

urlpatterns = [path("xqueue/", include("submissions.urls"))]
"""
BEGIN = """
import io, json, sys
import django
django.setup()
from datetime import datetime, timedelta
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import Client
from submissions import api, deliveries, queue, signals

ITEM = {"course_id": "c", "item_id": "i", "item_type": "problem", "student_id": "s"}
told = {}


def run(*words):
    out = io.StringIO()
    call_command(*words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def enqueue(student="s"):
    return api.create_external_grader_detail({**ITEM, "student_id": student}, "1", "q", "k", points_possible=10)


"""
END = "\nprint(json.dumps(told))\n"


def walk(folder: Path, settings: str, script: str, **environment: str) -> dict[str, Any]:
    """What `script` puts into `told`, in a platform that has these settings beside the usual ones."""
    (folder / "settings.py").write_text(SETTINGS + settings)
    (folder / "urls.py").write_text(URLS)
    (folder / "walk.py").write_text(BEGIN + script + END)
    variables = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "settings", **environment}
    done = subprocess.run(
        [sys.executable, "walk.py"], cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


# Several databases. -------------------------------------------------------------------------------------------------

REPLICA = """
DATABASES["behind"] = sqlite("behind.sqlite3")
DATABASE_ROUTERS = ["settings.Router"]


class Router:
    def db_for_read(self, model, **hints):
        return "behind" if model._meta.app_label == "submissions" else None

    def db_for_write(self, model, **hints):
        return "default"
"""
# Nothing that is written ever comes to the replica.
GRADE = """
for alias in connections:
    run("migrate", "--database", alias, "-v0")
replies = []
signals.result_ready.connect(lambda message, **_: replies.append(message.reply), weak=False)
enqueue(), enqueue("other")
reply = '{"correct": true, "score": 0.5, "msg": "m"}'
[first] = queue.claim("q", grader="g")
def complete(job):
    return queue.complete(job.submission_id, job.pullkey, score=0.5, reply=reply).points_earned


done = [complete(first)]
with transaction.atomic():  # by the general verbs
    [second] = queue.claim("q", grader="g")
    done.append(complete(second))
done.append(complete(first))
deliveries.deliver_due()
told.update(done=done, replies=[json.loads(one)["score"] for one in replies])
told["scores"] = [api.get_score({**ITEM, "student_id": name})["points_earned"] for name in ("s", "other")]
from submissions.files import storage
job = api.create_external_grader_detail(ITEM, "1", "q", "k", files={"a.py": b"a"})
told["kept"] = storage._is_committed(job.pk, job.files.get().uuid)
"""


@pytest.mark.once
def test_where_a_router_reads_from_a_replica_nothing_goes_by_what_is_behind(tmp_path: Path) -> None:
    told = walk(tmp_path, REPLICA, GRADE)
    assert told == {"done": [5, 5, 5], "replies": [5, 5], "scores": [5, 5], "kept": True}
