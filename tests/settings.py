"""The service's own settings on the database that TEST_DATABASE names, with what only tests want."""

import os
import tempfile
from pathlib import Path

from tests import databases

KIND = os.environ.get("TEST_DATABASE", "sqlite")
SERVER = databases.server_url(KIND)
if SERVER is None:
    raise SystemExit(f"There is no {KIND} server to run the tests on.")
FOLDER = Path(tempfile.mkdtemp(prefix="gradequeue-tests-"))
os.environ["GRADEQUEUE_DATA"] = str(FOLDER)
os.environ["DATABASE_URL"] = f"sqlite:///{FOLDER / 'main.sqlite3'}" if KIND == "sqlite" else SERVER
os.environ["GRADEQUEUE_LOG_LEVEL"] = "WARNING"

# Read only now: the service's settings look at the environment once.
from gradequeue.settings import *  # noqa: E402, F403
from gradequeue.settings import DATABASES, INSTALLED_APPS  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "tests.emptying"]
# Every test that logs in would otherwise wait for a slow hash; what it hashes is not what is tested.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests fail to log in all the time; those of the throttle set it themselves.
SUBMISSIONS_LOGIN_FREE_FAILURES = 100_000
# As `serve` does, by its threads.
SUBMISSIONS_MAX_WAITING = 8
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "gradequeue.http.static.VersionedStorage"},
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: threads and processes must meet on it as they do in production.
    DATABASES["default"]["TEST"] = {"NAME": str(DATABASES["default"]["NAME"])}
else:
    # Of this run alone: another run may be going on on the same server.
    DATABASES["default"]["TEST"] = {"NAME": f"gq_{FOLDER.name[-8:].lower()}_{os.getpid()}"}
