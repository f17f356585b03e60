"""The thinnest whole path: a submission in, a grader over HTTP, a score out."""

import json

import requests

from tests.server import Server


def test_a_grader_pulls_over_http_and_its_score_is_stored(server: Server, name: str) -> None:
    password = server.grader(name)
    (submission_id,) = server.enqueue({"queue_name": name, "answer": "print('hé')", "points_possible": 10})
    http = requests.Session()
    login = http.post(f"{server.url}/xqueue/login/", data={"username": name, "password": password})
    assert (login.status_code, login.json()) == (200, {"return_code": 0, "content": "Logged in"})
    got = http.get(f"{server.url}/xqueue/get_submission/", params={"queue_name": name}).json()
    assert got["return_code"] == 0
    content = json.loads(got["content"])
    assert json.loads(content["xqueue_body"])["student_response"] == "print('hé')"
    reply = json.dumps({"correct": True, "score": 0.7, "msg": "<p>Good</p>"})
    put = http.post(
        f"{server.url}/xqueue/put_result/", data={"xqueue_header": content["xqueue_header"], "xqueue_body": reply}
    )
    assert (put.status_code, put.json()) == (200, {"return_code": 0, "content": ""})
    (row,) = server.show(submission_id)
    assert (row["status"], row["points_earned"], row["points_possible"]) == ("retired", 7, 10)
    assert row["grader_reply"] == reply
