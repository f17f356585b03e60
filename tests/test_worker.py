"""What a web worker sets for itself, in a process of its own as there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

SETTLED = """
import sys, threading
from gradequeue.wsgi import application
from gradequeue import worker
worker.settle()
"""


def run(code: str, folder: Path, url: str = "") -> subprocess.CompletedProcess[str]:
    env = os.environ | {"DATABASE_URL": url or f"sqlite:///{folder}/db.sqlite3", "GRADEQUEUE_DATA": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", SETTLED + code], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_settings_are_what_they_were(tmp_path: Path) -> None:
    code = """
from django.conf import settings
from django.test import override_settings
from submissions.conf import conf
print(settings.SESSION_COOKIE_NAME, conf.GRADER_GROUP, hasattr(settings, "NO_SUCH"), settings.is_overridden("DEBUG"))
with override_settings(SESSION_COOKIE_NAME="other", SUBMISSIONS_GRADER_GROUP="graders"):
    print(settings.SESSION_COOKIE_NAME, conf.GRADER_GROUP)
print(settings.SESSION_COOKIE_NAME, conf.GRADER_GROUP)
"""
    assert run(code, tmp_path).stdout.splitlines() == [
        "sessionid xqueue False True",
        "other graders",
        "sessionid xqueue",
    ]


def test_each_thread_has_its_own_connection(tmp_path: Path) -> None:
    code = """
from django.db import connections
def ask():
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
    found.append(connections["default"])
found = []
ask()
thread = threading.Thread(target=ask)
thread.start()
thread.join()
print(len({id(one) for one in found}), found[0] is connections["default"], len(connections.all(initialized_only=True)))
connections.close_all()
print(found[0].connection, found[1].connection is None)
"""
    assert run(code, tmp_path).stdout.splitlines() == ["2 True 1", "None False"]


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux alone has it")
def test_what_works_goes_on_working(tmp_path: Path) -> None:
    code = """
import os
print(os.sched_getscheduler(0) == os.SCHED_BATCH)
"""
    assert run(code, tmp_path).stdout.splitlines() == ["True"]


@pytest.mark.parametrize("url", ["mysql://root@127.0.0.1:1/none", "postgres://root@127.0.0.1:1/none"])
def test_the_log_says_why_there_is_no_connection(url: str, tmp_path: Path) -> None:
    code = """
environ = {
    "REQUEST_METHOD": "GET", "PATH_INFO": "/xqueue/get_submission/", "QUERY_STRING": "queue_name=q",
    "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "HTTP_COOKIE": "sessionid=1." + 26 * "a",
    "wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http",
}
print(application(environ, lambda status, headers: print(status)))
"""
    done = run(code, tmp_path, url)
    assert done.stdout.splitlines() == [
        "500 Internal Server Error",
        '[b\'{"return_code":1,"content":"Internal error; please try again"}\']',
    ]
    assert "OperationalError" in done.stderr
    assert "'NoneType' object" not in done.stderr
