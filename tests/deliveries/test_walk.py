"""The thinnest whole path: a job that is owed a callback, a grader over HTTP, the loop of `serve`, and a platform."""

import json

import requests

from tests.deliveries.owed import owe, wait_for
from tests.platform_stub import Platform
from tests.server import Server


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
        (call,) = platform.wait(1)
    assert call.path == "/score_update?a=%C3%A9"
    assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert call.form == {
        "xqueue_header": header,
        "xqueue_body": '{"correct": true, "score": 7, "msg": "<p>Gut, \\u00fc</p>"}',
    }
    wait_for(lambda: server.show(submission_id)[0]["deliveries"][0]["state"] == "delivered")
    (row,) = server.show(submission_id)
    assert [(one["transport"], one["state"], one["attempts"]) for one in row["deliveries"]] == [
        ("callback", "delivered", 1)
    ]
