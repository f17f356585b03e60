"""Token, claim, result, over a real socket."""

from __future__ import annotations

from typing import Any

import requests

from tests.rest.talk import ROOT
from tests.server import Server


def test_a_grader_walks_from_its_token_to_the_score(server: Server, name: str) -> None:
    server.grader(name, name)
    (made,) = server.rows("token", "create", name, "--scope", "claim", "--queue", name, "--json")
    assert made["token"].startswith(f"gq_{made['id']}_")
    (submission_id,) = server.enqueue({"queue_name": name, "answer": "print(1)", "points_possible": 10})
    root, headers = server.url + ROOT, {"Authorization": f"Bearer {made['token']}"}

    said = requests.post(f"{root}claims/", json={"queue_name": name}, headers=headers, timeout=10)
    assert said.status_code == 200, said.text
    (claim,) = said.json()["claims"]
    assert claim["answer"] == "print(1)"
    assert claim["points_possible"] == 10

    result: Any = {"score": 0.5, "feedback": {"text": "a < b"}}
    for _ in range(2):
        said = requests.put(f"{root}claims/{claim['id']}/result/", json=result, headers=headers, timeout=10)
        assert (said.status_code, said.json()) == (200, result)
    (row,) = server.show(submission_id)
    assert (row["status"], row["points_earned"], row["points_possible"]) == ("retired", 5, 10)
    assert row["grader_reply"] == '{"correct": false, "score": 0.5, "msg": "<div><pre>a &lt; b</pre></div>"}'

    assert requests.post(f"{root}claims/", json={"queue_name": name}, headers=headers, timeout=10).json() == {
        "claims": [],
        "poll_after_seconds": 2,
    }
    assert made["token"] not in server.log.read_text()
