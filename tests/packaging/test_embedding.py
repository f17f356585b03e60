"""A platform with the app alone: the wheel without any extra, Django's settings, and a job over XQueue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradequeue import cli

pytestmark = [pytest.mark.walk, pytest.mark.once]
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SETTINGS = """\
from pathlib import Path

SECRET_KEY = "platform"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["testserver"]
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": Path(__file__).parent / "platform.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE"},
}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "submissions",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
"""
URLS = """\
from django.urls import include, path

urlpatterns = [path("xqueue/", include("submissions.urls"))]
"""
WALK = """\
import json, sys
import django
django.setup()
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from submissions import api

call_command("migrate", verbosity=0)
call_command("check")
grader = User.objects.create_user("ada", password="secret")
grader.groups.add(Group.objects.get_or_create(name="xqueue")[0])
item = {"course_id": "c", "item_id": "i", "item_type": "problem", "student_id": "s"}
api.create_external_grader_detail(item, "1 + 1", queue_name="q", queue_key="k", points_possible=10)
http = Client()
replies = [http.post("/xqueue/login/", {"username": "ada", "password": "secret"}).json()]
got = http.get("/xqueue/get_submission/", {"queue_name": "q"}).json()
header = json.loads(got["content"])["xqueue_header"]
body = json.dumps({"correct": False, "score": 0.5, "msg": "half"})
replies.append(http.post("/xqueue/put_result/", {"xqueue_header": header, "xqueue_body": body}).json())
tokens = http.get("/xqueue/api/external_grading/v1/tokens/me/").status_code
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"replies": replies, "score": api.get_score(item)["points_earned"], "rest": tokens, "loaded": loaded}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel, and nothing that it does not require."""
    folder = tmp_path_factory.mktemp("alone")
    variables = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    python = folder / "venv" / "bin" / "python"
    wheel = folder / "gradequeue-0.2.0-py3-none-any.whl"
    for words in (
        ("build", "--wheel", "--out-dir", folder, ROOT),
        ("venv", "--python", sys.executable, folder / "venv"),
        ("pip", "install", "--python", python, wheel),
    ):
        subprocess.run([UV, "--quiet", *map(str, words)], env=variables, check=True, timeout=300)
    return python.parent


def run(environment: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "settings"}
    return subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_a_job_is_graded_with_nothing_of_the_service(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "urls.py").write_text(URLS)
    (tmp_path / "walk.py").write_text(WALK)
    done = run(environment, tmp_path, str(environment / "python"), "walk.py")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert [reply["return_code"] for reply in told["replies"]] == [0, 0]
    assert (told["score"], told["rest"]) == (5, 401)
    assert [module for module in (*cli.SERVICE, "gradequeue") if module in told["loaded"]] == []


def test_the_command_says_what_is_missing(environment: Path, tmp_path: Path) -> None:
    done = run(environment, tmp_path, str(environment / "gradequeue"), "serve")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gradequeue: the service needs more packages: pip install 'gradequeue[service]'.\n"
