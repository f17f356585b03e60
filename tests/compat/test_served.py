"""The same site over HTTP: a real server migrates it, and a watcher grades what edx-submissions left there."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.compat.conftest import Rooms, Site, newest

pytestmark = pytest.mark.walk


def decoded(reply: requests.Response) -> dict[str, Any]:
    return {name: json.loads(part) for name, part in json.loads(reply.json()["content"]).items()}


@newest
def test_serve_migrates_an_old_site_and_a_watcher_grades_its_jobs(rooms: Rooms, old_site: Site) -> None:
    site = rooms.copy(old_site)
    server = site.server.start(workers=1)
    try:
        watcher, url = requests.Session(), f"{server.url}/xqueue"
        watcher.post(f"{url}/login/", data={"username": "watcher", "password": server.grader("watcher")}, timeout=30)
        jobs = [decoded(watcher.get(f"{url}/get_submission/?queue_name=python", timeout=30)) for _ in range(2)]
        assert [job["xqueue_header"]["submission_id"] for job in jobs] == [
            site.where["pulled_long_ago"],
            site.where["pending"],
        ]
        body = jobs[1]["xqueue_body"]
        assert json.loads(body["student_response"]) == {"text": "日本語 \U0001f40d \0"}
        assert json.loads(body["grader_payload"]) == {"grader": "ps1/grade.py"}
        files = {name: requests.get(at, timeout=30).content for name, at in jobs[1]["xqueue_files"].items()}
        assert files == {"hello.py": b"print('hello')\n", 'pä ck".bin': bytes(range(256))}
        result = {
            "xqueue_header": json.dumps(jobs[1]["xqueue_header"]),
            "xqueue_body": '{"correct": true, "score": 0.5, "msg": "<p>ok</p>"}',
        }
        put = watcher.post(f"{url}/put_result/", data=result, timeout=30)
        assert (put.status_code, put.json()) == (200, {"return_code": 0, "content": ""})
        (row,) = server.show(site.where["pending"])
        assert (row["status"], row["points_earned"], row["points_possible"]) == ("retired", 5, 10)
    finally:
        server.stop()
