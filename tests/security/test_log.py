"""A whole day of the service, and then its log: every secret that was used is looked for in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests import databases
from tests.server import Server

pytestmark = [pytest.mark.walk, pytest.mark.once]

FORGED = "2026-01-01 00:00:00,000 INFO submissions.queue: submission 1 in queue q: scored 10 of 10"


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    url = databases.create("sqlite", "", "log", tmp_path)
    # All that the app has to say, with the numbers behind a token.
    environment = {"GRADEQUEUE_LOG_LEVEL": "DEBUG", "GRADEQUEUE_METRICS_TOKEN": "the-token-of-the-monitors"}
    running = Server(url, tmp_path, GRADEQUEUE_LOG_FORMAT=request.param, **environment).start(workers=1)
    yield running
    running.stop()


@pytest.mark.parametrize("server", ["json"], indirect=True)
def test_no_secret_is_in_the_log(server: Server) -> None:
    secrets, words = a_day(server)
    server.stop()
    log = server.log.read_text() + words
    for said in ("claimed by ada", "scored 1 of 1", "failure 1", "login of ada", "refused", "retired"):
        assert said in log
    assert [name for name, secret in secrets.items() if secret in log] == []


@pytest.mark.parametrize("server", ["line"], indirect=True)
def test_nobody_writes_a_line_of_the_log(server: Server) -> None:
    password = server.grader("ada")
    for name in (f"ada\n{FORGED}", f"ada\r\n{FORGED}", f"ada\u2028{FORGED}", f"ada\x85{FORGED}", "\x1b[2Jada"):
        requests.post(f"{server.url}/xqueue/login/", {"username": name, "password": "x"}, timeout=20)
        requests.get(f"{server.url}/{name}", timeout=20)
        requests.get(
            f"{server.url}/livez",
            headers={
                "User-Agent": name.encode("latin-1", "replace").decode("latin-1").replace("\n", " ").replace("\r", " ")
            },
            timeout=20,
        )
        host = {"Host": f"{name.encode('ascii', 'replace').decode().split()[0]}.example"}
        assert requests.get(f"{server.url}/admin/", headers=host, timeout=20).status_code == 400
    http = requests.Session()
    assert http.post(f"{server.url}/xqueue/login/", {"username": "ada", "password": password}, timeout=20).ok
    server.enqueue({"queue_name": "q"})
    work = json.loads(http.get(f"{server.url}/xqueue/get_submission/?queue_name=q", timeout=20).json()["content"])
    reply = {"xqueue_header": work["xqueue_header"], "xqueue_body": json.dumps({"score": f"x\n{FORGED}"})}
    assert http.post(f"{server.url}/xqueue/put_result/", reply, timeout=20).status_code == 400
    http.close()
    server.stop()
    text = server.log.read_bytes().decode()
    assert "login of ada" in text
    assert [
        line for line in re.split(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text) if line.startswith(FORGED[:20])
    ] == []
    # Nor does a name of a host that is not ours, past every format.
    assert [word for word in ("HTTP_HOST", "Traceback") if word in text] == []
    assert "\x1b" not in text


def a_day(server: Server) -> tuple[dict[str, str], str]:
    """Secrets that were used, by what they are; and what the commands wrote to standard error."""
    secrets = {
        "wrong password": "my-old-password-of-1999",
        "answer": "print('the answer of a learner')",
        "file": "the content of a file",
        "reply": "well done, dear learner",
        "unscorable reply": "a traceback of a learner",
        "payload": "tests that learners must not see",
        "student info": "what the platform says of a learner",
        "session that is none": "5.notasessionnotasessionnotas",
        "token of monitors": "the-token-of-the-monitors",
    }
    secrets["password"] = server.grader("ada")
    job = {
        "queue_name": "q",
        "answer": secrets["answer"],
        "grader_payload": secrets["payload"],
        "student_info": secrets["student info"],
        "files": {"a.py": secrets["file"]},
    }
    server.enqueue(job, {**job, "student_id": "s2"}, {**job, "student_id": "s3"})
    login = f"{server.url}/xqueue/login/"
    for password in (secrets["wrong password"], secrets["wrong password"] + "!"):
        assert requests.post(login, {"username": "ada", "password": password}, timeout=20).status_code == 401
    with requests.Session() as http:
        assert http.post(login, {"username": "ada", "password": secrets["password"]}, timeout=20).ok
        secrets["session"] = str(http.cookies["sessionid"])
        secrets["csrf token"] = str(http.cookies.get("csrftoken"))
        for number, reply in enumerate(
            (
                {"score": 1, "msg": secrets["reply"]},
                {"score": secrets["unscorable reply"]},
                {"score": 99},
            )
        ):
            got = http.get(f"{server.url}/xqueue/get_submission/?queue_name=q", timeout=20).json()
            work = json.loads(got["content"])
            secrets[f"key {number}"] = json.loads(work["xqueue_header"])["submission_key"]
            address = json.loads(work["xqueue_files"])["a.py"]
            secrets[f"signature {number}"] = re.findall("signature=([^&]+)", address)[0]
            assert requests.get(address, timeout=20).text == secrets["file"]
            assert requests.get(address + "x", timeout=20).status_code == 403
            result = {"xqueue_header": work["xqueue_header"], "xqueue_body": json.dumps(reply)}
            wrong = {**result, "xqueue_header": work["xqueue_header"].replace('_key": "', '_key": "x')}
            assert http.post(f"{server.url}/xqueue/put_result/", wrong, timeout=20).status_code == 409
            for _ in range(2):
                http.post(f"{server.url}/xqueue/put_result/", result, timeout=20)
    gone = {"Cookie": f"sessionid={secrets['session that is none']}"}
    requests.get(f"{server.url}/xqueue/get_submission/?queue_name=q", headers=gone, allow_redirects=False, timeout=20)
    token = {"Authorization": f"Bearer {secrets['token of monitors']}"}
    assert requests.get(f"{server.url}/metrics", headers=token, timeout=20).ok
    words = [server.run("retire", "--queue", "q").stderr, server.run("retire-user", "s3").stderr]
    secrets["new password"] = str(server.rows("grader", "password", "ada", "--json")[0]["password"])
    words += [server.run("audit", check=False).stderr, server.run("prune", "--older-than", "1").stderr]
    secrets["secret key"] = (Path(server.env["GRADEQUEUE_DATA"]) / "secret_key").read_text()
    return secrets, "\n".join(words)
