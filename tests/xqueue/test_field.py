"""What programs in the field send, over a real socket, with the answers written out."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server import Server
from tests.xqueue.program import FORM, LOGGED_IN, OK, Answer, Program

pytestmark = pytest.mark.once

WRONG: Answer = (401, {"return_code": 1, "content": "Incorrect login credentials"})
MALFORMED: Answer = (400, {"return_code": 1, "content": "Incorrect reply format"})
NOTHING_HERE: Answer = (404, {"return_code": 1, "content": "There is nothing at this address"})
TOO_LARGE: Answer = (413, {"return_code": 1, "content": "The request is larger than 26214400 bytes"})


def fetch(server: Server, path: str, **headers: str) -> tuple[bytes, Any]:
    """The body and the headers of the answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.read(), response.headers


# Addresses. ---------------------------------------------------------------------------------------------------------

DOUBLED = ["/xqueue//{0}/", "/xqueue/{0}//", "//xqueue/{0}/", "//xqueue//{0}", "///xqueue///{0}///", "/xqueue//{0}"]


@pytest.mark.parametrize("address", DOUBLED)
def test_a_run_of_slashes_counts_as_one(server: Server, name: str, password: str, address: str) -> None:
    one = Program(server)
    (submission_id,) = server.enqueue({"queue_name": name, "files": {"a.txt": "hello"}})
    form = f"username={name}&password={password}"
    assert one.ask("GET", address.format("login")) == (200, {"return_code": 1, "content": "login_required"})
    assert one.ask("GET", address.format("status")) == (200, {"return_code": 0, "content": "OK"})
    assert one.ask("POST", address.format("login"), form, Content_Type=FORM) == LOGGED_IN
    length = one.ask("GET", address.format("get_queuelen") + f"?queue_name={name}")
    assert length == (200, {"return_code": 0, "content": 1})
    _, told = one.ask("GET", address.format("get_submission") + f"?queue_name={name}")
    work = json.loads(told["content"])
    (file,) = json.loads(work["xqueue_files"]).values()
    assert file.startswith(f"{server.url}/xqueue/files/")
    body = json.dumps({"xqueue_header": work["xqueue_header"], "xqueue_body": '{"score": 1}'})
    assert one.ask("POST", address.format("put_result"), body) == OK
    refused = (200, {"return_code": 1, "content": "This account may not submit"})
    assert one.ask("POST", address.format("submit"), "a=b") == refused
    assert one.ask("POST", address.format("logout")) == (200, {"return_code": 0, "content": "Goodbye"})
    assert one.ask("GET", address.format("put_result"))[0] == 302
    (row,) = server.show(submission_id)
    assert (row["status"], row["points_earned"]) == ("retired", 1)


@pytest.mark.parametrize("path", ["//xqueue/get_submission/?queue_name=q", "/xqueue//get_submission/?queue_name=q"])
def test_who_must_log_in_is_not_sent_to_another_host(server: Server, path: str) -> None:
    headers = fetch(server, path)[1]
    assert headers["Location"] == "/xqueue/login/?next=/xqueue/get_submission/%3Fqueue_name%3Dq"


def test_a_file_is_served_with_doubled_slashes_too(server: Server, program: Program, name: str) -> None:
    server.enqueue({"queue_name": name, "files": {"a.txt": "hello"}})
    (address,) = json.loads(program.claim(name)["xqueue_files"]).values()
    path = address.removeprefix(server.url).replace("/xqueue/files/", "/xqueue//files///")
    assert fetch(server, path)[0] == b"hello"


NOWHERE = [
    "/xqueue",
    "/xqueue/",
    "//xqueue//",
    "/xqueue/no",
    "/xqueue//no//",
    "/xqueue/login/no/",
    "/xqueue/get_submission/queue",
    "/xqueue/files/",
    "/xqueue/files/x/y",
    "/XQUEUE/login/",
    "/xqueue.json",
    "/api/xqueue/login/",
    "/get_submission/",
    "//put_result//",
    "/login",
    "/submit/",
    "/get_queuelen/?queue_name=q",
    "/xqueue/%2e%2e/",
    "/xqueue/%00",
]


@pytest.mark.parametrize("path", NOWHERE)
def test_where_a_grader_may_mean_the_dialect_nothing_is_said_in_json(server: Server, path: str) -> None:
    for method in ("GET", "POST", "PUT", "FOO"):
        one = Program(server)
        assert one.ask(method, path, b"a=b" if method != "GET" else None) == NOTHING_HERE, method
        assert one.kind == "application/json"


# Bodies. ------------------------------------------------------------------------------------------------------------

TYPES = [None, "", "text/plain", "text/plain; charset=utf-16", "application/octet-stream", "a/b", "nonsense", ";;", "/"]


@pytest.mark.parametrize("content_type", [*TYPES, FORM, f"{FORM}; charset=utf-8"])
def test_a_body_that_its_header_does_not_announce_says_itself_what_it_is(
    server: Server, name: str, password: str, content_type: str | None
) -> None:
    header = {} if content_type is None else {"Content_Type": content_type}
    (submission_id,) = server.enqueue({"queue_name": name})
    one = Program(server)
    fields = {"username": name, "password": password}
    assert one.ask("POST", "/xqueue/login/", json.dumps(fields | {"password": "no"}), **header) == WRONG
    for body in (json.dumps(fields), " \r\n" + json.dumps(fields), "\ufeff" + json.dumps(fields)):
        assert one.ask("POST", "/xqueue/login/", body, **header) == LOGGED_IN
    assert one.ask("POST", "/xqueue/login/", f"username={name}&password={password}", **header) == LOGGED_IN
    for body in ("", "[1]", "{", "no form", '"s"'):
        told = one.ask("POST", "/xqueue/login/", body, **header)
        assert told == (400, {"return_code": 1, "content": "Insufficient login info"})
        assert one.ask("POST", "/xqueue/put_result/", body, **header) == MALFORMED
    work = one.claim(name)
    result = {"xqueue_header": json.loads(work["xqueue_header"]), "xqueue_body": {"score": 0.5}}
    assert one.ask("POST", "/xqueue/put_result/", json.dumps(result), **header) == OK
    assert server.show(submission_id)[0]["points_earned"] == 0.5


@pytest.mark.parametrize("content_type", [None, "text/plain"])
def test_a_platforms_body_says_itself_what_it_is(server: Server, name: str, content_type: str | None) -> None:
    header = {} if content_type is None else {"Content_Type": content_type}
    (account,) = server.rows("submitter", "create", name, "--json")
    lms = Program(server)
    fields = {"username": name, "password": account["password"]}
    assert lms.ask("POST", "/xqueue/login/", json.dumps(fields), **header) == LOGGED_IN
    head = {"lms_callback_url": "http://127.0.0.1:9/", "lms_key": "k", "queue_name": name}
    handed = {"xqueue_header": json.dumps(head), "xqueue_body": json.dumps({"student_response": "x"})}
    waiting = (200, {"return_code": 0, "content": "1"})
    assert lms.ask("POST", "/xqueue/submit/", json.dumps(handed), **header) == waiting
    broken = '{"xqueue_header": "{}", "xqueue_body": "a\nb"}'
    reason = "Queue request has invalid format: control character in a text, column 42"
    assert lms.ask("POST", "/xqueue/submit/", broken, **header) == (200, {"return_code": 1, "content": reason})


# Replies that are glued together by hand. ---------------------------------------------------------------------------

GLUED = [
    ('{"correct": true, "score": 1, "msg": "a\nb"}', "control character in a text, column 40"),
    ('{"score": 1,\n "msg": "a\tb"}', "control character in a text, line 2, column 11"),
    ('{"score": 1, "msg": "a \\d"}', "a backslash that escapes nothing, column 24"),
    (
        '{"score": 1, "msg": "he said "hi""}',
        "a comma or the end is missing, or a quote in a text has no backslash, column 31",
    ),
    ('{"score": 1, "msg": "never ends', "a text without its end, column 21"),
    ("{'score': 1}", "a name in double quotes is missing, column 2"),
    ('{"score": }', "a value is missing, column 11"),
    ('{"score": 1} and so on', "there is more after the end, column 14"),
]


@pytest.mark.parametrize(("reply", "where"), GLUED)
def test_a_malformed_reply_is_told_what_and_where(
    server: Server, program: Program, name: str, reply: str, where: str
) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    header = program.claim(name)["xqueue_header"]
    told = (400, {"return_code": 1, "content": f"Incorrect reply format: {where}"})
    assert program.put(header, reply) == told
    (row,) = server.show(submission_id)
    assert (row["status"], row["last_error"]) == ("retry", f"The reply is not a JSON object: {where}.")
    assert program.put(header, '{"score": 1}') == OK


def test_a_malformed_request_and_header_are_told_where(program: Program) -> None:
    told = program.ask("POST", "/xqueue/put_result/", '{"xqueue_body": "a\nb"}')
    assert told == (
        400,
        {"return_code": 1, "content": "Incorrect reply format: control character in a text, column 19"},
    )
    where = "xqueue_header: a comma or the end is missing, or a quote in a text has no backslash, column 21"
    told = program.put('{"submission_id": 1 "submission_key": ""}', "{}")
    assert told == (400, {"return_code": 1, "content": f"Incorrect reply format: {where}"})


def test_a_byte_order_mark_is_skipped_and_not_kept(server: Server, program: Program, name: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    header = program.claim(name)["xqueue_header"]
    assert program.put("\ufeff" + header, '\ufeff{"score": 0.5}') == OK
    assert server.show(submission_id)[0]["grader_reply"] == '{"score": 0.5}'


# Clients that insist on the old type. -------------------------------------------------------------------------------


def test_an_account_may_be_switched_to_the_old_type_of_replies(server: Server, name: str) -> None:
    (made,) = server.rows("grader", "create", name, "--json", "--replies", "text/html")
    assert server.rows("grader", "list", "--json")[-1].keys() >= {"name"}
    (row,) = (row for row in server.rows("grader", "list", "--json") if row["name"] == name)
    assert row["replies"] == "text/html"
    old, form = "text/html; charset=utf-8", f"username={name}&password={made['password']}"
    one = Program(server)
    server.enqueue({"queue_name": name, "answer": "<script>"})
    assert one.ask("POST", "/xqueue/login/", form) == LOGGED_IN
    assert one.kind == old
    assert one.ask("GET", f"/xqueue/get_queuelen/?queue_name={name}")[0] == 200
    assert one.kind == old
    header = one.claim(name)["xqueue_header"]
    assert one.kind == old
    assert one.put(header, "{}") == (400, {"return_code": 1, "content": "The reply has no score."})
    assert one.kind == old
    assert one.put(header, '{"score": 1}') == OK
    assert one.kind == old
    headers = fetch(server, f"/xqueue/get_submission/?queue_name={name}", Cookie=one.cookie)[1]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert one.ask("POST", "/xqueue/logout/") == (200, {"return_code": 0, "content": "Goodbye"})
    assert one.kind == old
    server.run("grader", "replies", name, "application/json")
    assert one.ask("POST", "/xqueue/login/", form) == LOGGED_IN
    assert one.kind == "application/json"


# Logins of many at once. --------------------------------------------------------------------------------------------


def log_in_together(server: Server, name: str, password: str, number: int) -> float:
    """How long the last of `number` logins at once took (seconds)."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                Program(server).ask("POST", "/xqueue/login/", f"username={name}&password={password}")
            )
        )
        for _ in range(number)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [LOGGED_IN] * number
    return time.monotonic() - began


def cpu_of(server: Server) -> float:
    assert server.process is not None
    of_workers = psutil.Process(server.process.pid).children(recursive=True)
    return sum(sum(one.cpu_times()[:2]) for one in of_workers)


def test_twenty_watchers_with_a_chosen_password_cost_little_more_than_one(server: Server, name: str) -> None:
    server.run("grader", "create", name, "--password", "brought along")
    before = cpu_of(server)
    log_in_together(server, name, "brought along", 20)
    # Each of two workers reckons once; 20 times would be 4 s and more. Processor time: others may be at work here.
    assert cpu_of(server) - before < 2.5
    server.run("grader", "password", name, "--password", "another one")
    assert Program(server).ask("POST", "/xqueue/login/", f"username={name}&password=brought+along") == WRONG
    assert Program(server).ask("POST", "/xqueue/login/", f"username={name}&password=another+one") == LOGGED_IN
    server.run("grader", "disable", name)
    assert Program(server).ask("POST", "/xqueue/login/", f"username={name}&password=another+one") == WRONG


# Requests that are refused before they are read. --------------------------------------------------------------------

MIB = 1024 * 1024
REFUSED: list[tuple[str, str, Answer]] = [
    ("POST", "/xqueue/login/", TOO_LARGE),
    ("POST", "/xqueue/put_result/", TOO_LARGE),
    ("POST", "/xqueue/get_submission/", TOO_LARGE),
    ("POST", "/xqueue/status/", TOO_LARGE),
    ("POST", "/xqueue/submit/", (302, {"return_code": 1, "content": "login_required"})),
    ("PUT", "/xqueue/nowhere/", NOTHING_HERE),
    ("POST", "/xqueue/files/1/a.txt", (405, {"return_code": 1, "content": "A file is fetched with GET"})),
]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("method", "path", "answer"), REFUSED)
def test_who_reads_no_answer_before_it_has_sent_all_hears_the_reason(
    server: Server, method: str, path: str, answer: Answer, chunked: bool
) -> None:
    body = (b"x" * MIB for _ in range(30)) if chunked else b"x" * (30 * MIB)
    assert Program(server).ask(method, path, body) == answer


def test_a_session_changes_nothing_about_that(program: Program) -> None:
    for body in (b"x" * (30 * MIB), (b"x" * MIB for _ in range(30))):
        assert program.ask("POST", "/xqueue/put_result/", body) == TOO_LARGE


@pytest.mark.parametrize("chunked", [False, True])
def test_a_login_reads_no_more_than_it_needs(server: Server, chunked: bool) -> None:
    body: Any = b'{"username": [' + b"[]," * MIB + b"[]]}"
    told = Program(server).ask("POST", "/xqueue/login/", iter([body]) if chunked else body)
    assert told == (400, {"return_code": 1, "content": "Insufficient login info"})


def test_who_announces_a_body_and_sends_none_is_answered_soon(server: Server) -> None:
    began = time.monotonic()
    told = Program(server).ask("POST", "/xqueue/put_result/", Content_Length="99999999999")
    assert (told, time.monotonic() - began < 15) == (TOO_LARGE, True)


@pytest.fixture
def small(fresh_database: str, tmp_path: Path) -> Iterator[Server]:
    one = Server(fresh_database, tmp_path).start(workers=1)
    yield one
    one.stop()


def test_memory_does_not_grow_with_what_is_dropped(small: Server) -> None:
    Program(small).ask("POST", "/xqueue/login/", b"x" * (30 * MIB))

    before = memory_of(small)
    for _ in range(3):
        assert Program(small).ask("POST", "/xqueue/login/", (b"x" * MIB for _ in range(200))) == TOO_LARGE
    assert memory_of(small) - before < 40 * MIB


def test_nobody_known_makes_the_server_read_or_hold_what_it_sends(small: Server) -> None:
    """A bomb of nine million values at each address, twelve at once."""
    bomb = b'{"username": [' + b"[]," * (8 * MIB) + b"[]]}"
    with ThreadPoolExecutor(24) as pool:
        told = [
            pool.submit(Program(small).ask, "POST", f"/xqueue/{verb}/", bomb, Content_Type="application/json")
            for verb in ("login", "put_result", "submit")
            for _ in range(8)
        ]
        seen = [Program(small).ask("GET", "/xqueue/status/") for _ in range(10)]
        statuses = Counter(one.result()[0] for one in told)
    assert seen == [(200, {"return_code": 0, "content": "OK"})] * 10
    assert statuses == {400: 8, 302: 16}
    assert memory_of(small) < 200 * MIB


def test_twelve_large_bodies_at_login_leave_the_others_their_answers(small: Server, tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b'{"username": [' + b"[]," * (8 * MIB) + b"[]]}")
    # By programs of their own: what is measured is not this one.
    words = ["curl", "-s", "-o", os.devnull, "-H", "Expect:", "--data-binary", f"@{large}"]
    senders = [subprocess.Popen([*words, f"{small.url}/xqueue/login/"]) for _ in range(12)]
    took: list[float] = []
    while len(took) < 10 or any(one.poll() is None for one in senders):
        began = time.monotonic()
        assert Program(small).ask("GET", "/xqueue/status/") == (200, {"return_code": 0, "content": "OK"})
        took.append(time.monotonic() - began)
        time.sleep(0.05)
    assert [one.returncode for one in senders] == [0] * 12
    assert max(took) < 1, took
    assert memory_of(small) < 200 * MIB


def test_large_bodies_in_chunks_by_nobody_take_no_memory(small: Server) -> None:
    with ThreadPoolExecutor(12) as pool:
        told = [
            pool.submit(Program(small).ask, "POST", "/xqueue/put_result/", (b"x" * MIB for _ in range(24)))
            for _ in range(12)
        ]
        assert {one.result()[0] for one in told} == {302}
    assert memory_of(small) < 200 * MIB


def memory_of(server: Server) -> int:
    """The most that one of its processes has in memory (bytes)."""
    assert server.process is not None
    return max(int(one.memory_info().rss) for one in psutil.Process(server.process.pid).children(recursive=True))


def test_json_of_millions_of_values_is_refused_before_it_is_read(program: Program) -> None:
    many = '{"xqueue_header": "{}", "xqueue_body": "{}", "x": [' + "1," * 100_001 + "1]}"
    told = program.ask("POST", "/xqueue/put_result/", many.encode(), Content_Type="application/json")
    assert told == (400, {"return_code": 1, "content": "Incorrect reply format: more than 100,000 values"})
