"""Nothing of ours needs a table, or the other apps' models, to be imported: a host's app may be loaded before us."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

APPS = ("early", "django.contrib.contenttypes", "django.contrib.auth", "submissions")
MODULES = (
    "submissions.api",
    "submissions.errors",
    "submissions.models",
    "submissions.operators",
    "submissions.permissions",
    "submissions.queue",
    "submissions.queue.claim_log",
    "submissions.serializers",
    "submissions.signals",
    "submissions.statistics.standing",
    "submissions.team_api",
    "submissions.urls",
    "submissions.views",
    "submissions.views.xqueue",
)

# Without a database: whoever asks it something while apps are loaded gets an ImproperlyConfigured.
START = """
import sys
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=sys.argv[1:], AUTH_USER_MODEL="early.User", SECRET_KEY="x", USE_TZ=True)
django.setup()
from django.db.models.signals import m2m_changed
from early.models import Course, User
from submissions.models import GraderQueue
import submissions.queue
print(Course._meta.get_field("last").related_model._meta.label)
print(m2m_changed.has_listeners(GraderQueue.graders.through), m2m_changed.has_listeners(User.groups.through))
"""
# The model is there; we hear of our own grants, and of nobody else's relations.
STARTED = "submissions.Submission\nTrue False\n"

# Django's own models of accounts cannot be imported before the host's: these are made after ours.
MODELS = """
from django.db import models
import {module}
from django.contrib.auth.models import AbstractUser

class User(AbstractUser):
    pass

class Course(models.Model):
    last = models.ForeignKey("submissions.Submission", null=True, on_delete=models.SET_NULL)
"""


def start(folder: Path, module: str, apps: list[str]) -> str:
    """What a host says that has these apps, in this order; the first models of app "early" import `module`."""
    (folder / "early").mkdir()
    (folder / "early" / "__init__.py").touch()
    (folder / "early" / "models.py").write_text(MODELS.format(module=module))
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", START, *apps],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("module", MODULES)
def test_an_app_that_is_loaded_first_may_import_it(module: str, tmp_path: Path) -> None:
    assert start(tmp_path, module, list(APPS)) == STARTED


@pytest.mark.parametrize("first", range(1, len(APPS)))
def test_the_order_of_the_apps_does_not_matter(first: int, tmp_path: Path) -> None:
    apps = [*APPS[first:], *APPS[:first]]
    assert start(tmp_path, "submissions.api", apps) == STARTED


def test_we_may_stand_before_what_we_build_on(tmp_path: Path) -> None:
    assert start(tmp_path, "submissions.api", list(reversed(APPS))) == STARTED
