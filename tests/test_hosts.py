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


WITHOUT_ROUTER = """
DATABASES["behind"] = sqlite("behind.sqlite3")
"""
ASK_REPLICA = """
for alias in connections:
    run("migrate", "--database", alias, "-v0")
from submissions.models import StudentItem, Submission
enqueue()
mine = StudentItem.objects.filter(student_id="s")
told.update({alias: Submission.objects.using(alias).filter(student_item__in=mine).count() for alias in connections})
"""


@pytest.mark.once
def test_a_platform_may_ask_a_replica_with_a_subquery_of_ours(tmp_path: Path) -> None:
    assert walk(tmp_path, WITHOUT_ROUTER, ASK_REPLICA) == {"default": 1, "behind": 0}


ANOTHER_NAME = """
DATABASES = {"default": {}, "main": sqlite("main.sqlite3", ATOMIC_REQUESTS=True)}
DATABASE_ROUTERS = ["settings.Router"]


class Router:
    def db_for_read(self, model, **hints):
        return "main"

    db_for_write = db_for_read
"""
BY_HTTP = """
run("migrate", "--database", "main", "-v0")
run("grader", "create", "ada", "--password", "secret")
token = run("token", "create", "ada", "--scope", "claim", "--queue", "*").strip()
inside = []
for name in ("claim", "claim_from"):
    def watched(*args, real=getattr(queue, name), **kwargs):
        inside.append(connections["main"].in_atomic_block)
        return real(*args, **kwargs)
    setattr(queue, name, watched)
enqueue(), enqueue("other")
http = Client()
http.post("/xqueue/login/", {"username": "ada", "password": "secret"})
told["xqueue"] = http.get("/xqueue/get_submission/", {"queue_name": "q"}).json()["return_code"]
answer = http.post(
    "/xqueue/api/external_grading/v1/claims/",
    {"queue_name": "q"},
    content_type="application/json",
    headers={"Authorization": "Bearer " + token},
)
told.update(rest=len(answer.json()["claims"]), inside=inside)
"""


@pytest.mark.once
def test_a_database_that_is_not_called_default_is_as_good(tmp_path: Path) -> None:
    told = walk(tmp_path, ANOTHER_NAME, BY_HTTP)
    assert (told["xqueue"], told["rest"]) == (0, 1)
    assert told["inside"] == [False] * len(told["inside"]) != []


class Elsewhere:
    """A database of the platform's that none of our tables is in."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool:
        return app_label != "submissions"


@pytest.mark.once
def test_what_another_database_has_recorded_of_our_migrations_is_no_fault(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django records each migration in each database; one that is migrated now and then lags behind."""
    applied = {("submissions", "0001_initial"): None}
    monkeypatch.setattr(MigrationRecorder, "applied_migrations", lambda _: applied)
    assert [error.id for error in earlier_upgrade_is_finished(None, ["default"])] == ["submissions.E002"]
    settings.DATABASE_ROUTERS = [f"{__name__}.Elsewhere"]
    assert earlier_upgrade_is_finished(None, ["default"]) == []


# Accounts of its own. -----------------------------------------------------------------------------------------------

PEOPLE = """
INSTALLED_APPS = ["people", *INSTALLED_APPS]
AUTH_USER_MODEL = "people.User"
"""
# No flag for staff, none for who is active, another way to say who is in a group, and words that we have, too.
OWN_MODEL = """
import uuid
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.db import models

class User(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    groups = models.ManyToManyField(Group, related_name="members", blank=True)
    objects = BaseUserManager()
    USERNAME_FIELD = "email"

class Subscription(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="subscriptions")

class ApiToken(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
"""
# As Open edX has it: no two accounts may have the same address.
ONE_ADDRESS_EACH = """
from django.contrib.auth.models import AbstractUser
from django.db import models

class User(AbstractUser):
    email = models.EmailField(unique=True, blank=True)
"""
MAKE_TABLES = """
run("makemigrations", "people", "-v0")
run("migrate", "-v0")
run("check")
"""
USE_ACCOUNT = (
    MAKE_TABLES
    + """
name = "ada@example.org"
run("grader", "create", name, "--password", "secret", "--queue", "q")
enqueue()
http = Client()
wrong = http.post("/xqueue/login/", {"username": name, "password": "wrong"})
right = http.post("/xqueue/login/", {"username": name, "password": "secret"})
told["logins"] = [wrong.status_code, right.status_code]
work = http.get("/xqueue/get_submission/", {"queue_name": "q"}).json()
header = json.loads(work["content"])["xqueue_header"]
body = json.dumps({"correct": True, "score": 1, "msg": "m"})
put = http.post("/xqueue/put_result/", {"xqueue_header": header, "xqueue_body": body})
told["put"] = put.json()["return_code"]
from submissions.models import GraderQueue, Token
GraderQueue.objects.get().observers.add(get_user_model().objects.get())
words = ("--scope", "claim", "--scope", "observe", "--queue", "*")
token = run("token", "create", name, *words).strip()
rest = {"headers": {"Authorization": "Bearer " + token}}
told["queues"] = len(http.get("/xqueue/api/external_grading/v1/queues/", **rest).json()["results"])
told["schema"] = http.get("/xqueue/api/external_grading/v1/schema/").status_code
from submissions.admin.tokens import TokenAdmin
told["found"] = [Token.objects.filter(**{path: name}).count() for path in TokenAdmin.routes]
"""
)


def people(folder: Path, models: str) -> None:
    (folder / "people").mkdir()
    (folder / "people" / "__init__.py").touch()
    (folder / "people" / "models.py").write_text(models)


@pytest.mark.once
def test_accounts_need_have_no_more_than_groups_and_a_name(tmp_path: Path) -> None:
    people(tmp_path, OWN_MODEL)
    told = walk(tmp_path, PEOPLE, USE_ACCOUNT)
    assert told == {"logins": [401, 200], "put": 0, "queues": 1, "schema": 401, "found": [0, 1]}


TWO_ACCOUNTS = (
    MAKE_TABLES
    + """
run("grader", "create", "ada")
run("grader", "create", "bob")
run("submitter", "create", "lms")
told["addresses"] = sorted(get_user_model().objects.values_list("email", flat=True))
get_user_model().objects.create(username="cleo", email="a.b@gradequeue.invalid")
for name in ("bob", "a@b"):
    try:
        run("grader", "create", name)
    except CommandError as error:
        told[name] = str(error)
"""
)


@pytest.mark.once
def test_where_no_two_accounts_may_have_the_same_address_there_can_be_several_all_the_same(tmp_path: Path) -> None:
    people(tmp_path, ONE_ADDRESS_EACH)
    told = walk(tmp_path, PEOPLE, TWO_ACCOUNTS)
    assert told["addresses"] == ["", "bob@gradequeue.invalid", "lms@gradequeue.invalid"]
    assert told["bob"] == "There is an account 'bob' already."
    assert told["a@b"] == "The account cannot be made: UNIQUE constraint failed: people_user.email"


# Threads. -----------------------------------------------------------------------------------------------------------

ASK_AND_WAIT = """
import time

run("migrate", "-v0")
run("grader", "create", "ada", "--password", "secret")
token = run("token", "create", "ada", "--scope", "claim", "--queue", "*").strip()
begun = time.monotonic()
answer = Client().post(
    "/xqueue/api/external_grading/v1/claims/",
    {"queue_name": "q", "wait_seconds": 5},
    content_type="application/json",
    headers={"Authorization": "Bearer " + token},
)
told.update(answer=answer.json(), seconds=time.monotonic() - begun)
"""


@pytest.mark.once
def test_a_platform_that_says_nothing_of_threads_has_none_held_by_graders(tmp_path: Path) -> None:
    """A process of it may have one alone, and serve pages for learners with it."""
    told = walk(tmp_path, "", ASK_AND_WAIT)
    assert told.pop("seconds") < 4
    assert told == {"answer": {"claims": [], "poll_after_seconds": 2}}


# Clocks. ------------------------------------------------------------------------------------------------------------

CLOCK = """
import environ

DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])}
if "sqlite" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
"""
TELL_TIMES = """
from django.db import connection
from django.utils.timezone import now
from submissions.admin import display
from submissions.models import ExternalGraderDetail as Job
from submissions.upkeep import doctor

run("migrate", "-v0")
run("grader", "create", "ada", "--password", "secret")
soon = (datetime.now().astimezone() + timedelta(minutes=30)).isoformat()
token = run("token", "create", "ada", "--scope", "claim", "--queue", "*", "--expires-at", soon).strip()
enqueue()
answer = Client().post(
    "/xqueue/api/external_grading/v1/claims/",
    {"queue_name": "q"},
    content_type="application/json",
    headers={"Authorization": "Bearer " + token},
)
[claim] = answer.json()["claims"]
until = datetime.fromisoformat(claim["lease_expires_at"])
told["lease"] = (until - datetime.now().astimezone()).total_seconds()
told["token"] = answer.status_code
told["ages"] = [display.age(time) for time in Job.objects.values_list("created_at", "pulled_at")[0]]
told["shown"] = "time" in display.moment(Job.objects.get().created_at)
told["clock"] = [one.fine for one in doctor.findings() if one.check == "clock"]
"""


@pytest.mark.parametrize(
    "zone",
    [
        'USE_TZ, TIME_ZONE = False, "Australia/Sydney"',
        'USE_TZ = True\nDATABASES["default"]["TIME_ZONE"] = "America/New_York"',
        'USE_TZ = True\nDATABASES["default"]["TIME_ZONE"] = "Europe/Paris"',
    ],
)
def test_whatever_the_zone_of_a_platform_its_times_are_true(zone: str, empty_database: str, tmp_path: Path) -> None:
    told = walk(tmp_path, f"{CLOCK}{zone}\n", TELL_TIMES, DATABASE_URL=empty_database)
    assert 290 < told.pop("lease") < 310
    ages = told.pop("ages")
    assert all(age.endswith(" s ago") for age in ages), ages
    assert told == {"token": 200, "shown": True, "clock": [True]}
