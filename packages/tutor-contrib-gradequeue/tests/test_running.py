"""`tutor local do init` on a real MariaDB, the service as compose would start it, and the commands against it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.conftest import GRADEQUEUE, Site, sql
from tests.test_rendered import HARD, assigned


@pytest.fixture(scope="module")
def ready(site: Site, names: dict[str, str]) -> Site:
    """After `init`, with passwords that are hard to write."""
    site.save(
        MYSQL_HOST="127.0.0.1",
        MYSQL_ROOT_PASSWORD="",
        XQUEUE_MYSQL_USERNAME=names["user"],
        XQUEUE_MYSQL_DATABASE=names["old"],
        GRADEQUEUE_MYSQL_DATABASE=names["ours"],
        GRADEQUEUE_ENVIRONMENT={
            "GRADEQUEUE_DATA": str(site.folder / "data"),
            "GRADEQUEUE_LOGIN_FREE_FAILURES": 1000,
            "GRADEQUEUE_ALLOWED_HOSTS": "127.0.0.1",
        },
    )
    for name in ("XQUEUE_MYSQL_PASSWORD", "XQUEUE_AUTH_PASSWORD", "GRADEQUEUE_GRADER_PASSWORD"):
        site.save(**{name: HARD})
    site.tutor("local", "do", "init", "--limit", "gradequeue")
    return site


@pytest.fixture(scope="module")
def running(ready: Site) -> Iterator[str]:
    """The address of the service, started with the words and the environment of its container."""
    container = ready.compose("local/docker-compose.yml")["gradequeue"]
    environment = {name: value.replace("$$", "$") for name, value in container["environment"].items()}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = [*container["entrypoint"], *container["command"]]
    words[words.index("--host") + 1], words[words.index("--port") + 1] = "127.0.0.1", port
    with (ready.folder / "serve.log").open("wb") as log:
        process = subprocess.Popen([str(GRADEQUEUE), *words[1:]], env=os.environ | environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        assert process.poll() is None, (ready.folder / "serve.log").read_text()
        try:
            if requests.get(f"{url}/readyz", timeout=5).ok:
                break
        except requests.RequestException:
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(timeout=60)


def manage(site: Site, *words: str) -> str:
    given = site.compose("local/docker-compose.jobs.yml")["gradequeue-job"]["environment"]
    environment = os.environ | {name: value.replace("$$", "$") for name, value in given.items()}
    done = subprocess.run(
        [str(GRADEQUEUE), *words], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_init_made_database_tables_and_accounts(ready: Site, names: dict[str, str]) -> None:
    assert (
        sql(f"SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = '{names['ours']}'")
        == "utf8mb4\n"
    )
    assert [json.loads(line)["name"] for line in manage(ready, "submitter", "list", "--json").splitlines()] == ["lms"]
    assert [json.loads(line)["name"] for line in manage(ready, "grader", "list", "--json").splitlines()] == ["grader"]


def submit(url: str, interface: dict[str, Any], answer: str) -> dict[str, Any]:
    """As the LMS does, with the settings that were rendered for it."""
    session = requests.Session()
    assert session.post(f"{url}/xqueue/login/", data=interface["django_auth"], timeout=30).json()["return_code"] == 0
    header = {
        "lms_callback_url": f"{interface['callback_url']}/courses/x/xqueue/1/y/score_update",
        "lms_key": answer,
        "queue_name": "openedx",
    }
    body = {"student_info": "{}", "grader_payload": "{}", "student_response": answer}
    told = {"xqueue_header": json.dumps(header), "xqueue_body": json.dumps(body)}
    return dict(session.post(f"{url}/xqueue/submit/", data=told, timeout=30, allow_redirects=False).json())


def test_a_submission_is_counted_shown_and_graded(ready: Site, running: str) -> None:
    interface = assigned(ready.text("apps/openedx/settings/lms/production.py"), "XQUEUE_INTERFACE")
    assert interface["django_auth"] == {"username": "lms", "password": HARD}
    assert submit(running, interface, "print(1)") == {"return_code": 0, "content": "1"}

    def ask(*words: str) -> dict[str, Any]:
        done = ready.tutor("xqueue", "submissions", "--url", running, *words)
        return dict(json.loads(done.stdout))

    assert ask("count") == {"return_code": 0, "content": 1}
    shown = ask("show")
    assert shown["body"]["student_response"] == "print(1)"
    assert ask("count")["content"] == 0
    assert ask("grade", str(shown["id"]), shown["key"], "0.5", "true", "Well done") == {"return_code": 0, "content": ""}
    assert ask("show")["return_code"] == 1
    row = json.loads(manage(ready, "show", "--json", str(shown["id"])))
    assert (row["status"], row["grader"]) == ("retired", "grader")
    assert json.loads(row["grader_reply"]) == {"correct": True, "score": 0.5, "msg": "Well done"}
    (told,) = row["deliveries"]
    # Nobody is called lms here; inside the network of containers it is.
    assert told["destination"].startswith("http://lms:8000/")


def test_what_the_queue_refuses_is_said(ready: Site, running: str) -> None:
    done = ready.tutor("gradequeue", "submissions", "--url", f"{running}/nothing", "count", check=False)
    assert done.returncode == 1
    assert f"{running}/nothing/xqueue/ refuses the account 'grader': There is nothing at this address" in done.stderr
    done = ready.tutor("gradequeue", "submissions", "count", check=False, TUTOR_XQUEUE_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "http://127.0.0.1:1/xqueue/ cannot be reached" in done.stderr


def test_init_again_ends_no_session_and_the_lms_may_grade_where_it_is_told(ready: Site, running: str) -> None:
    session = requests.Session()
    account = {"username": "lms", "password": HARD}
    assert session.post(f"{running}/xqueue/login/", data=account, timeout=30).json()["return_code"] == 0

    def poll() -> str:
        answer = session.get(f"{running}/xqueue/get_submission/?queue_name=openedx", timeout=30, allow_redirects=False)
        return f"{answer.status_code} {answer.json()['content']}"

    assert poll() == "200 Queue 'openedx' not found"
    ready.save(GRADEQUEUE_SHARED_ACCOUNT=True)
    ready.tutor("local", "do", "init", "--limit", "gradequeue")
    assert poll() == "200 Queue 'openedx' is empty"
    ready.save(GRADEQUEUE_SHARED_ACCOUNT=False)
    ready.tutor("local", "do", "init", "--limit", "gradequeue")
    assert poll() == "200 Queue 'openedx' not found"


def test_what_waits_in_the_old_service_is_taken_over(ready: Site, names: dict[str, str]) -> None:
    head = json.dumps(
        {"lms_callback_url": "http://lms:8000/courses/x/xqueue/9/y/score_update", "lms_key": "k", "queue_name": "old"}
    )
    sql(
        f"""CREATE DATABASE {names["old"]}; USE {names["old"]};
        GRANT ALL ON {names["old"]}.* TO '{names["user"]}'@'%';
        CREATE TABLE queue_submission (id integer AUTO_INCREMENT PRIMARY KEY, requester_id varchar(128),
        lms_callback_url varchar(128), queue_name varchar(128), xqueue_header varchar(1024), xqueue_body text,
        s3_keys varchar(1024), s3_urls varchar(1024), grader_id varchar(128), pullkey varchar(128), grader_reply text,
        arrival_time datetime(6) NOT NULL, pull_time datetime(6), push_time datetime(6), return_time datetime(6),
        num_failures integer NOT NULL, lms_ack bool NOT NULL, retired bool NOT NULL);
        INSERT INTO queue_submission VALUES (1, '10.0.0.1', 'http://lms:8000/courses/x/xqueue/9/y/score_update', 'old',
        '{head}', '{{"student_info": "{{}}", "grader_payload": "{{}}", "student_response": "x"}}', '{{}}', '{{}}',
        '', '', '', '2026-01-31 12:00:00', NULL, NULL, NULL, 0, 0, 0);"""
    )
    ready.tutor("local", "do", "gradequeue-import-xqueue", "--dry-run")
    assert waiting(ready) == {"openedx": 0}
    ready.tutor("local", "do", "gradequeue-import-xqueue")
    assert waiting(ready) == {"openedx": 0, "old": 1}


def waiting(site: Site) -> dict[str, int]:
    return {row["queue_name"]: row["waiting"] for row in map(json.loads, manage(site, "queues", "--json").splitlines())}
