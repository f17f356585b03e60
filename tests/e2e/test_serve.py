"""The service itself: how it starts, how it ends, and that nobody can stop it for the others."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest
import requests

from tests.server import GRADEQUEUE, Server

pytestmark = pytest.mark.databases("postgresql")

Start = Callable[..., Server]


@pytest.fixture
def start(fresh_database: str, tmp_path: Path) -> Iterator[Start]:
    """Starts servers of this test's own; none of their processes is left behind."""
    running: list[Server] = []

    def begin(*words: str, **options: Any) -> Server:
        server = Server(fresh_database, tmp_path)
        running.append(server)
        return server.start(*words, **options)

    yield begin
    for server in running:
        if server.process and server.process.poll() is None:
            for process in [*workers(server), psutil.Process(server.process.pid)]:
                process.kill()
            server.process.wait()


def workers(server: Server) -> list[psutil.Process]:
    """The web workers; they are forks, the other children are not."""
    return [process for process in children(server) if process.name() == "gradequeue"]


def children(server: Server) -> list[psutil.Process]:
    assert server.process is not None
    return list(psutil.Process(server.process.pid).children(recursive=True))


def loops(server: Server) -> list[psutil.Process]:
    """The processes that send results."""
    return [process for process in children(server) if "--multiprocessing-fork" in _cmdline(process)]


def _cmdline(process: psutil.Process) -> list[str]:
    """Nothing of one that has just ended."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one, too
        return []


def terminate(server: Server, children: list[psutil.Process]) -> None:
    """SIGTERM to the service, and to those of `children` that have not ended yet."""
    assert server.process is not None
    server.process.terminate()
    for process in children:
        with suppress(psutil.NoSuchProcess):
            process.terminate()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return list(psutil.wait_procs(processes, timeout=20)[1])


def eventually(true: Callable[[], object], seconds: int = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "It did not come about."
        time.sleep(0.05)


def logged_in(server: Server, name: str) -> requests.Session:
    http = requests.Session()
    account = {"username": name, "password": server.grader(name)}
    assert http.post(f"{server.url}/xqueue/login/", data=account, timeout=20).status_code == 200
    return http


@pytest.fixture(scope="module")
def grader(server: Server) -> Iterator[requests.Session]:
    """A grader at the server that all tests share."""
    with logged_in(server, f"n{uuid.uuid4().hex[:10]}") as http:
        yield http


def claimed(http: requests.Session, server: Server, queue: str) -> Any:
    """The header of a job that `http` has just taken, as its text."""
    got = http.get(f"{server.url}/xqueue/get_submission/", params={"queue_name": queue}, timeout=20).json()
    assert got["return_code"] == 0, got
    return json.loads(got["content"])["xqueue_header"]


def half_sent(
    http: requests.Session,
    server: Server,
    header: str,
    message: str = "<p>Half</p>",
    *,
    chunked: bool = False,
) -> tuple[socket.socket, bytes]:
    """A put_result of which the server has the head and a part of the body; and the rest of it."""
    reply = json.dumps({"correct": True, "score": 0.5, "msg": message})
    body = urlencode({"xqueue_header": header, "xqueue_body": reply}).encode()
    cookies = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = (
        f"POST /xqueue/put_result/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {cookies}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\n{length}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    size = f"{len(body):x}\r\n".encode() if chunked else b""
    connection.sendall(head.encode() + size + body[:-20])
    return connection, body[-20:]


def answer(connection: socket.socket) -> tuple[int, Any]:
    """The status and the JSON of what the server answers."""
    with connection, HTTPResponse(connection) as response:
        response.begin()
        return response.status, json.loads(response.read())


# How it ends. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_result_that_is_being_sent_is_still_stored_and_answered(start: Start, whole_group: bool) -> None:
    server = start()
    ids = server.enqueue(*[{"queue_name": "q"}] * 6)
    with logged_in(server, "ada") as http:
        sending = [half_sent(http, server, claimed(http, server, "q")) for _ in ids]
    children = workers(server)
    assert server.process is not None
    for _ in range(3 if whole_group else 1):  # as systemd does it, and an impatient operator
        terminate(server, children if whole_group else [])
        time.sleep(0.2)
    eventually(lambda: _is_refused(server))  # so it is ending, and our six are not yet through
    time.sleep(2.5)  # longer than anybody waits before saying so again
    assert server.process.poll() is None
    for connection, rest in sending:
        connection.sendall(rest)
    assert [answer(connection) for connection, _ in sending] == [(200, {"return_code": 0, "content": ""})] * 6
    assert server.process.wait(timeout=40) == 0
    assert alive(children) == []
    assert [(row["status"], row["points_earned"]) for row in server.show(*ids)] == [("retired", 0.5)] * 6
    assert "Traceback" not in server.log.read_text()


def _is_refused(server: Server) -> bool:
    try:
        requests.get(f"{server.url}/xqueue/status/", timeout=20)
    except requests.ConnectionError:
        return True
    return False


def test_signals_that_come_upon_each_other_end_it_as_one_does(start: Start) -> None:
    server = start()
    children = workers(server)
    for _ in range(40):
        terminate(server, children)
    assert server.process is not None
    assert server.process.wait(timeout=20) == 0  # less than the 30 seconds after which a worker would be killed
    assert alive(children) == []


@pytest.mark.once
def test_a_signal_sets_an_event_whose_lock_the_interrupted_thread_holds() -> None:
    code = """
import os, signal, threading
from submissions.management.interrupts import aside
stop = threading.Event()
signal.signal(signal.SIGTERM, aside(stop.set))
with stop._cond:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
print(stop.wait(20))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"


@pytest.mark.once
def test_the_process_beside_the_workers_does_the_chores(fresh_database: str, tmp_path: Path) -> None:
    code = """
import os, signal, django
django.setup()
from gradequeue.processes import background, chores
def run():
    print("chores", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
chores.run = run
background.run(1, "http://127.0.0.1:1")
"""
    server = Server(fresh_database, tmp_path)
    server.env["DJANGO_SETTINGS_MODULE"] = "gradequeue.settings"
    server.run("migrate")
    done = subprocess.run(
        [sys.executable, "-c", code], env=server.env, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "chores\n"


@pytest.mark.once
def test_a_worker_is_told_twice_to_end_and_no_third_time() -> None:
    """It can miss the first time; the third would stop all of its threads."""
    code = """
import os, signal, time
from gradequeue.processes import granian
told = []
class Signal:
    def set(self):
        told.append(time.monotonic())
granian._set_sync_signals(Signal)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
    os.kill(os.getpid(), number)
assert len(told) == 1, told
time.sleep(3 * granian.AGAIN_SECONDS)
print(len(told))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "2\n"


def test_each_job_that_was_handed_out_before_ctrl_c_took_effect_reached_its_grader(start: Start) -> None:
    server = start()
    server.enqueue(*[{"queue_name": "q"}] * 3000)
    with logged_in(server, "ada") as http:
        cookies = http.cookies
    received: list[int] = []

    def pull_until_refused() -> None:
        with requests.Session() as http:
            http.cookies.update(cookies)
            with suppress(requests.ConnectionError):
                while True:
                    received.append(json.loads(claimed(http, server, "q"))["submission_id"])

    threads = [threading.Thread(target=pull_until_refused) for _ in range(12)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(received) > 10)
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=40) == 0
    for thread in threads:
        thread.join()
    handed_out = [row["submission"] for row in server.rows("jobs", "--state", "grading", "--all", "--json")]
    assert sorted(received) == sorted(handed_out)
    assert len(handed_out) < 3000, "the queue was empty before the end; the test has shown nothing"


def test_a_request_that_never_ends_does_not_hold_the_end_for_ever(start: Start) -> None:
    server = start("--drain", "1")
    server.enqueue({"queue_name": "q"})
    with logged_in(server, "ada") as http:
        connection, _ = half_sent(http, server, claimed(http, server, "q"))
    everybody = children(server)
    assert server.stop() == 0
    assert alive(everybody) == []
    connection.close()


def test_a_killed_delivery_loop_is_replaced_and_does_not_outlive_a_killed_service(start: Start) -> None:
    server = start()
    eventually(lambda: len(loops(server)) == 1)
    (first,) = loops(server)
    first.kill()
    eventually(lambda: [one for one in loops(server) if one != first])
    everybody = children(server)
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    assert alive(everybody) == []


def test_the_delivery_loop_can_run_elsewhere(start: Start) -> None:
    server = start("--delivery-threads", "0")
    assert loops(server) == []
    assert server.stop() == 0


def test_a_killed_worker_is_replaced_and_no_worker_outlives_a_killed_service(start: Start) -> None:
    server = start()
    first, second = workers(server)
    eventually(lambda: _answer_of_each(server, [first, second]))  # the second one may still be loading
    first.kill()
    eventually(lambda: len(set(workers(server)) - {first, second}) == 1)
    eventually(lambda: _answer_of_each(server, workers(server)))
    assert server.process is not None
    assert server.process.poll() is None
    replaced = workers(server)
    server.process.kill()
    server.process.wait()
    assert alive(replaced) == []
    assert _is_refused(server)


def _answer_of_each(server: Server, processes: list[psutil.Process]) -> bool:
    """Whether each of these processes has a part of forty connections, and all of them get an answer."""
    http = [requests.Session() for _ in range(40)]
    answers = [one.get(f"{server.url}/xqueue/status/", timeout=20).json() for one in http]
    busy = [process for process in processes if _established(process)]
    for one in http:
        one.close()
    return answers == [{"return_code": 0, "content": "OK"}] * 40 and busy == processes


def _established(process: psutil.Process) -> bool:
    return any(one.status == psutil.CONN_ESTABLISHED for one in process.net_connections("tcp"))


# One for all. -------------------------------------------------------------------------------------------------------


def test_every_worker_answers(server: Server) -> None:
    assert len(workers(server)) == 2
    eventually(lambda: _answer_of_each(server, workers(server)))


def test_requests_that_hang_do_not_stop_the_others(server: Server, grader: requests.Session, name: str) -> None:
    server.enqueue({"queue_name": name})
    header = claimed(grader, server, name)
    hanging = [half_sent(grader, server, header) for _ in range(24)]
    assert [requests.get(f"{server.url}/xqueue/status/", timeout=5).status_code for _ in range(10)] == [200] * 10
    for connection, _ in hanging:
        connection.close()


def test_a_result_that_broke_off_changes_nothing(server: Server, grader: requests.Session, name: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    header = claimed(grader, server, name)
    connection, _ = half_sent(grader, server, header)
    connection.shutdown(socket.SHUT_WR)
    assert answer(connection) == (400, {"return_code": 1, "content": "The request broke off"})
    half_sent(grader, server, header)[0].close()
    (row,) = server.show(submission_id)
    assert (row["status"], row["num_failures"], row["grader_reply"]) == ("pulled", 0, None)
    connection, rest = half_sent(grader, server, header)
    connection.sendall(rest)
    assert answer(connection) == (200, {"return_code": 0, "content": ""})


def test_a_result_in_chunks_that_broke_off_changes_nothing(server: Server, grader: requests.Session, name: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    header = claimed(grader, server, name)
    connection, _ = half_sent(grader, server, header, chunked=True)
    connection.shutdown(socket.SHUT_WR)
    told = {"return_code": 1, "content": "Incorrect reply format: it may have broken off"}
    assert answer(connection) == (400, told)
    (row,) = server.show(submission_id)
    assert (row["status"], row["num_failures"], row["grader_reply"]) == ("pulled", 0, None)
    connection, rest = half_sent(grader, server, header, chunked=True)
    connection.sendall(rest + b"\r\n0\r\n\r\n")
    assert answer(connection) == (200, {"return_code": 0, "content": ""})


def test_a_large_result_that_broke_off_changes_nothing(server: Server, grader: requests.Session, name: str) -> None:
    """A large body is read by the view itself."""
    (submission_id,) = server.enqueue({"queue_name": name})
    header, message = claimed(grader, server, name), "x" * 2 * 1024 * 1024
    connection, _ = half_sent(grader, server, header, message)
    connection.shutdown(socket.SHUT_WR)
    assert answer(connection) == (400, {"return_code": 1, "content": "Incorrect reply format"})
    half_sent(grader, server, header, message)[0].close()
    (row,) = server.show(submission_id)
    assert (row["status"], row["num_failures"], row["grader_reply"]) == ("pulled", 0, None)
    connection, rest = half_sent(grader, server, header, message)
    connection.sendall(rest)
    assert answer(connection) == (200, {"return_code": 0, "content": ""})


def test_a_result_in_chunks_without_a_length_is_read(server: Server, grader: requests.Session, name: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    body = urlencode({"xqueue_header": claimed(grader, server, name), "xqueue_body": '{"score": 1}'}).encode()
    put = grader.post(
        f"{server.url}/xqueue/put_result/",
        data=iter([body[:10], body[10:30], body[30:]]),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=20,
    )
    assert (put.status_code, put.json()) == (200, {"return_code": 0, "content": ""})
    assert server.show(submission_id)[0]["points_earned"] == 1


def test_a_body_in_chunks_that_never_stops_growing_is_refused(server: Server) -> None:
    megabyte = b"x" * 1024 * 1024
    put = requests.post(
        f"{server.url}/xqueue/login/",
        data=(megabyte for _ in range(26)),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=60,
    )
    assert (put.status_code, put.json()["return_code"]) == (413, 1)


# What it serves besides. --------------------------------------------------------------------------------------------


def test_static_files_are_served(server: Server) -> None:
    styles = requests.get(f"{server.url}/static/admin/css/base.css", timeout=20)
    assert (styles.status_code, styles.headers["content-type"]) == (200, 'text/css; charset="utf-8"')
    assert "--primary" in styles.text


def test_the_root_leads_to_the_dashboard(server: Server) -> None:
    root = requests.get(f"{server.url}/", timeout=20)
    assert (root.status_code, root.url) == (200, f"{server.url}/dashboard/login/?next=/dashboard/")


@pytest.mark.parametrize("path", ["/xqueue/nowhere/", "/xqueue/", "/xqueue", "/xqueue/files/", "/xqueue/%00"])
def test_an_unknown_path_of_the_dialect_is_told_in_the_envelope(server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        told = requests.request(method, f"{server.url}{path}", timeout=20)
        assert (told.status_code, told.json()) == (
            404,
            {"return_code": 1, "content": "There is nothing at this address"},
        )


@pytest.mark.parametrize("path", ["/nowhere", "/static/nowhere.css", "/..%2f..%2fetc/passwd", "/%ff"])
def test_any_other_unknown_path_is_a_plain_404(server: Server, path: str) -> None:
    told = requests.get(f"{server.url}{path}", timeout=20)
    assert (told.status_code, told.text) == (404, "There is nothing at this address\n")


def test_a_host_that_is_not_ours_is_refused(server: Server) -> None:
    told = requests.get(f"{server.url}/xqueue/login/", headers={"Host": "elsewhere.example"}, timeout=20)
    assert (told.status_code, told.json()) == (400, {"return_code": 1, "content": "Bad request"})


# How it does not start. ---------------------------------------------------------------------------------------------


def serve(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GRADEQUEUE, "serve", *words], env=server.env, capture_output=True, text=True, timeout=60)


def test_a_port_that_another_service_has_is_told_in_a_sentence(server: Server) -> None:
    done = serve(server, "--port", str(server.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"CommandError: Nothing can listen on 127.0.0.1, port {server.port}: Address already in use.\n"
    )


@pytest.mark.once
def test_a_port_that_anybody_else_has_is_told_in_a_sentence(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = serve(server, "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"CommandError: Nothing can listen on 127.0.0.1, port {port}: Address already in use.\n"


@pytest.mark.once
def test_an_address_that_is_not_of_this_machine_is_told_in_a_sentence(server: Server) -> None:
    done = serve(server, "--host", "192.0.2.1", "--port", "8000")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "CommandError: Nothing can listen on 192.0.2.1, port 8000: Cannot assign requested address.\n"


@pytest.mark.once
@pytest.mark.parametrize("words", [("--port", "0"), ("--port", "65536"), ("--port", "²"), ("--workers", "0")])
def test_a_wrong_number_is_wrong_usage(server: Server, words: tuple[str, str]) -> None:
    done = serve(server, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: argument {words[0]}" in done.stderr


def test_without_tables_it_names_the_command_that_makes_them(empty_database: str, tmp_path: Path) -> None:
    server = Server(empty_database, tmp_path)
    done = serve(server, "--port", str(server.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "CommandError: The database's tables are not up to date; run 'gradequeue migrate', or serve with --migrate.\n"
    )
