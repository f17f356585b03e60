"""A platform with ORA2, as small as it can be; the database is that of TEST_DATABASE."""

import os
import tempfile
from pathlib import Path

import environ

from tests import databases

KIND = os.environ.get("TEST_DATABASE", "sqlite")
SERVER = databases.server_url(KIND)
if SERVER is None:
    raise SystemExit(f"There is no {KIND} server to run the tests on.")
FOLDER = Path(tempfile.mkdtemp(prefix="gradequeue-ora2-"))
URL = f"sqlite:///{FOLDER / 'main.sqlite3'}" if KIND == "sqlite" else SERVER
DATABASES = {"default": environ.Env.db_url_config(URL)}
DATABASES["default"]["TEST"] = {"NAME": f"gq_ora2_{os.getpid()}" if KIND != "sqlite" else str(FOLDER / "test.sqlite3")}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "submissions",
    "openassessment",
    "openassessment.assessment",
    "openassessment.fileupload",
    "openassessment.staffgrader",
    "openassessment.workflow",
    "openassessment.xblock",
]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
FEATURES: dict[str, bool] = {}
MEDIA_ROOT = str(FOLDER / "media")
ROOT_URLCONF = "submissions.urls"
SECRET_KEY = "ora2"
TIME_ZONE = "UTC"
USE_TZ = True
