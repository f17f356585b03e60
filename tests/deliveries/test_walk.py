"""The thinnest whole path: a job that is owed a callback, a grader over HTTP, `deliver`, and a platform that hears."""

import json
import subprocess

import requests

from tests.deliveries.owed import owe
from tests.platform_stub import Platform
from tests.server import GRADEQUEUE, Server


def test_a_result_over_http_reaches_the_platform(server: Server, name: str) -> None:
    password = server.grader(name)
    (submission_id,) = server.enqueue({"queue_name": name, "points_possible": 10})
    with Platform() as platform:
        header = json.dumps({"lms_callback_url": f"{platform.url}/score?a=é", "lms_key": "k", "queue_name": name})
        owe(server, submission_id, f"{platform.url}/score_update?a=%C3%A9", header)
        with requests.Session() as http:
            http.post(f"{server.url}/xqueue/login/", data={"username": name, "password": password})
            got = http.get(f"{server.url}/xqueue/get_submission/", params={"queue_name": name}).json()
            content = json.loads(got["content"])
            reply = '{"correct": true, "score": 0.7, "msg": "<p>Gut, \\u00fc</p>"}'
            put = {"xqueue_header": content["xqueue_header"], "xqueue_body": reply}
            answer = http.post(f"{server.url}/xqueue/put_result/", data=put)
        assert answer.json() == {"return_code": 0, "content": ""}
        environment = server.env | {"GRADEQUEUE_OUTBOUND_NETWORKS": "127.0.0.0/8"}
        subprocess.run([GRADEQUEUE, "deliver", "--once"], env=environment, check=True, timeout=60)
        (call,) = platform.calls
    assert call.path == "/score_update?a=%C3%A9"
    assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert call.form == {
        "xqueue_header": header,
        "xqueue_body": '{"correct": true, "score": 7, "msg": "<p>Gut, \\u00fc</p>"}',
    }
    (row,) = server.show(submission_id)
    assert [(one["transport"], one["state"], one["attempts"]) for one in row["deliveries"]] == [
        ("callback", "delivered", 1)
    ]
