"""`gradequeue-grader run`, as a process, against a peer."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Typed, events
from gradequeue_grader import Beat, Busy, Client, Problem, verbs
from gradequeue_grader.cli import _heed
from gradequeue_grader.delivery import insist
from gradequeue_grader.endings import Failed, Graded
from gradequeue_grader.events import JsonLines, sentence
from gradequeue_grader.heartbeats import Heart, Held
from gradequeue_grader.sandbox import remove_leftovers
from gradequeue_grader.trial import claim_of
from gradequeue_grader.worker import Wish, Worker
from peer import TOKEN, Peer

GRADER = """
import json, sys, time
claim = json.load(sys.stdin)
exec(claim["answer"])
print(json.dumps({"score": score}))
"""
BARE = ("--sandbox", "none")


def options(peer: Peer, *more: str) -> tuple[str, ...]:
    return ("run", "--url", peer.url, "--token-file", "token", "--queue", "python", "--json", *more)


def ends(text: str) -> dict[str, int]:
    *_, last = events(text)
    assert last["event"] == "stopped"
    found: dict[str, int] = last["ends"]
    return found


@pytest.fixture
def grader(typed: Typed) -> str:
    return typed.program("grade.py", GRADER)


def until(wanted: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_jobs_are_graded_in_sandboxes_and_their_results_sent(
    peer: Peer, typed: Typed, grader: str, sandboxed: None
) -> None:
    jobs = [peer.add(f"score = {number / 10}") for number in range(6)]
    done = typed.run(*options(peer, "--once", "--jobs", "3"), "--", grader)
    assert done.returncode == 0, done.stderr
    assert [job.result["score"] for job in jobs] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert jobs[0].result["usage"]["wall_ms"] > 0
    assert ends(done.stdout) == {"graded": 6}
    assert {job.claims for job in jobs} == {1}
    assert TOKEN not in done.stdout + done.stderr


def test_the_files_of_a_submission_come_along_and_the_token_does_not(peer: Peer, typed: Typed, sandboxed: None) -> None:
    program = """
import json, sys
claim = json.load(sys.stdin)
texts = {one["name"]: open(one["path"]).read() for one in claim["files"] + claim["links"]}
try: token = open("token").read()
except OSError: token = ""
print(json.dumps({"score": 1, "extra": {"texts": texts, "token": token, "told": "gq_" in json.dumps(claim)}}))
"""
    job = peer.add("", files={"Å b.txt": b"one"}, links=[{"name": "two.txt", "url": f"{peer.url}/elsewhere/two"}])
    done = typed.run(*options(peer, "--once"), "--", typed.program("files.py", program))
    assert done.returncode == 0, done.stderr
    assert job.result["extra"] == {
        "texts": {"Å b.txt": "one", "two.txt": "/elsewhere/two"},
        "token": "",
        "told": False,
    }
    # Links are asked for without it.
    assert peer.authorizations == {f"Bearer {TOKEN}", None}


def test_a_file_is_asked_for_again_while_nobody_answers(peer: Peer, typed: Typed, grader: str) -> None:
    answers = iter((503, 502))
    peer.fault = lambda when, method, path: next(answers, None) if "/files/" in path else None
    job = peer.add("score = 1", files={"a.txt": b"one"})
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    assert (job.status, job.failures) == ("graded", []), done.stderr


def test_where_nothing_can_be_graded_jobs_are_taken_ever_more_slowly(peer: Peer, typed: Typed, grader: str) -> None:
    for answer in ("sys.exit(75)", "sys.exit(75)", "score = 1", "sys.exit(75)", "sys.exit(75)", "sys.exit(127)"):
        peer.add(answer)
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    told = [line.partition(";")[0] for line in done.stdout.splitlines() if "in a row" in line]
    assert [line.rpartition('"')[2] for line in told] == [
        "2 jobs in a row could not be graded here",
        "2 jobs in a row could not be graded here",
        "3 jobs in a row could not be graded here",
    ]


FAILURES = [
    ("sys.exit(3)", "grader", "ended with status 3"),
    ("print('too late', file=sys.stderr); sys.exit(65)", "ungradable", "too late"),
    ("sys.exit(75)", "infrastructure", "ended with status 75"),
    ("sys.exit(127)", "infrastructure", "ended with status 127"),
    ("import os; os.kill(os.getpid(), 11)", "grader", "signal 11"),
    ("time.sleep(60)", "grader", "longer than 2 s"),
    ("print('no JSON'); score = 1", "grader", "no JSON"),
    ("print('[1]'); sys.exit()", "grader", "no object"),
    ("sys.exit()", "grader", "printed nothing"),
    (r"sys.stderr.buffer.write(b'a\0b\xff\xed\xa0\x80'); sys.exit(1)", "grader", "a\ufffdb\ufffd"),
    ("score = float('nan')", "grader", "no JSON"),
    ("""print('{"score": 1, "tests": null, "unknown": 1}'); sys.exit()""", "grader", "There is no member `unknown`."),
]


def test_a_failure_has_a_kind_and_a_reason(peer: Peer, typed: Typed, grader: str) -> None:
    jobs = [peer.add(answer) for answer, _, _ in FAILURES]
    done = typed.run(*options(peer, "--once", "--time-limit", "2", "--jobs", "3", *BARE), "--", grader)
    assert done.returncode == 0, done.stderr
    assert ends(done.stdout) == {"failed": len(FAILURES)}
    for job, (_, kind, message) in zip(jobs, FAILURES, strict=True):
        (failure,) = job.failures
        assert (failure["kind"], message in failure["message"]) == (kind, True), failure


def test_a_result_that_the_queue_never_takes_is_a_failure_of_the_grader(peer: Peer, typed: Typed) -> None:
    job = peer.add("")
    program = typed.program("odd.py", """print('{"score": 1, "unknown": 2}')""")
    done = typed.run(*options(peer, "--once", *BARE), "--", program)
    (failure,) = job.failures
    assert failure["kind"] == "grader"
    assert "There is no member `unknown`." in failure["message"]
    assert ends(done.stdout) == {"failed": 1}


def test_other_refusals_are_final(peer: Peer, typed: Typed, grader: str) -> None:
    job = peer.add("score = 2")
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    assert ends(done.stdout) == {"refused": 1}
    assert (job.result, job.failures) == (None, [])
    assert sum(path.endswith("result/") for _, path, _ in peer.requests) == 1


def test_more_jobs_than_were_asked_for_are_given_back(
    peer: Peer, typed: Typed, grader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [peer.add("score = 1") for _ in range(3)]
    honest = peer.claim
    monkeypatch.setattr(peer, "claim", lambda body, key: honest(body | {"max_claims": 3}, key))
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    assert ends(done.stdout) == {"graded": 3}, done.stderr
    assert sorted(job.given_back for job in jobs) == [0, 1, 2]


@pytest.mark.parametrize("seconds", [float("inf"), 1e10, float("nan"), -1])
def test_asked_for_a_pause_out_of_all_bounds_it_goes_on(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr("gradequeue_grader.worker.LONGEST_WAIT", 0.1, raising=False)
    job, honest, first = peer.add(""), peer.claim, [{"claims": [], "poll_after_seconds": seconds}]
    monkeypatch.setattr(peer, "claim", lambda body, key: (200, first.pop()) if first else honest(body, key))
    with Client(peer.url, TOKEN) as client:
        wish = Wish(("python",), 1, 20, 0, once=False, name="w")
        worker = Worker(client, wish, lambda *_: Graded({"score": 1}), JsonLines(io.StringIO()))
        running = threading.Thread(target=worker.run, daemon=True)
        running.start()
        until(lambda: job.result)
        worker.stop.set()
        running.join()
    assert job.result == {"score": 1}


def test_what_passes_is_tried_again_and_counts_once(peer: Peer, typed: Typed, grader: str) -> None:
    jobs = [peer.add(f"score = {number / 4}") for number in range(4)]
    told: list[str] = []

    def fault(when: str, method: str, path: str) -> Any:
        """The first result of each claim: its answer is lost, or there is none; the first claims, too."""
        sort = "claims" if path == "claims/" else path
        if sort in told or path == "tokens/me/" or (when == "before" and len(told) % 2):
            return None
        told.append(sort)
        return [503, "broken", 429, 408][len(told) % 4]

    peer.fault = fault
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    assert done.returncode == 0, done.stderr
    assert [job.result["score"] for job in jobs] == [0, 0.25, 0.5, 0.75]
    assert {job.claims for job in jobs} == {1}
    assert ends(done.stdout) == {"graded": 4}
    assert any(event["event"] == "trouble" for event in events(done.stdout))


def test_heartbeats_keep_a_lease_but_not_past_the_time_limit(peer: Peer, typed: Typed, grader: str) -> None:
    peer.lease, peer.beat_every = 1.0, 0.3
    kept = peer.add("time.sleep(3); score = 1")
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    assert ends(done.stdout) == {"graded": 1}
    assert kept.claims == 1
    assert 6 <= kept.beats <= 11
    late = peer.add("time.sleep(60)")
    typed.run(*options(peer, "--once", "--time-limit", "2", *BARE), "--", grader)
    assert late.beats <= 7
    assert late.failures[0]["kind"] == "grader"


def test_a_job_that_is_taken_back_is_ended(peer: Peer, typed: Typed, grader: str) -> None:
    peer.beat_every = 0.3
    job = peer.add("time.sleep(60)", cancel=True)
    started = time.monotonic()
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    assert time.monotonic() - started < 15
    assert job.status == "cancelled"
    assert ends(done.stdout) == {"cancelled": 1}


def test_asked_to_stop_it_finishes_what_it_holds(peer: Peer, typed: Typed, grader: str) -> None:
    jobs = [peer.add("time.sleep(2); score = 1") for _ in range(3)]
    running = typed.start(*options(peer, "--jobs", "2", *BARE), "--", grader)
    until(lambda: sum(job.claims for job in jobs) == 2 and len(pids(str(typed.folder / "grade.py"))) >= 2)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    assert [job.status for job in jobs] == ["graded", "graded", "queued"]
    assert ends(out) == {"graded": 2}


def test_asked_twice_it_gives_back_what_it_holds(peer: Peer, typed: Typed, grader: str) -> None:
    job = peer.add("time.sleep(60)")
    running = typed.start(*options(peer, *BARE), "--", grader)
    until(lambda: job.claims == 1)
    for _ in range(2):
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)
    running.communicate(timeout=30)
    assert (running.returncode, job.status, job.given_back) == (0, "queued", 1)


def test_ctrl_c_at_a_terminal_ends_no_command(peer: Peer, typed: Typed, grader: str, sandboxed: None) -> None:
    """It goes to every process of the worker's group."""
    job = peer.add("time.sleep(2); score = 1")
    words = typed.words(*options(peer), "--", grader)
    with subprocess.Popen(
        words, cwd=typed.folder, env=typed.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        until(lambda: job.claims == 1 and pids(str(typed.folder / "grade.py")))
        os.killpg(running.pid, signal.SIGINT)
        out, _ = running.communicate(timeout=30)
    assert (running.returncode, job.status, job.failures) == (0, "graded", [])
    assert ends(out) == {"graded": 1}


def test_a_signal_is_heeded_in_the_midst_of_a_wait(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler runs where the main thread has the lock that it would need."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with Client(peer.url, TOKEN) as client:
        worker = Worker(client, Wish(("python",), 1, 1, 0, False, "w"), lambda *_: Failed("grader", ""), JsonLines())
        try:
            _heed(worker)
            with worker.stop._cond:  # type: ignore[attr-defined]
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.1)
            until(worker.stop.is_set)
            assert not worker.abandoned.is_set()
            os.kill(os.getpid(), signal.SIGINT)
            until(worker.abandoned.is_set)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def test_asked_to_stop_before_it_began_it_ends_as_asked(peer: Peer, typed: Typed, grader: str) -> None:
    peer.fault = lambda when, method, path: 503
    running = typed.start(*options(peer, *BARE), "--", grader)
    until(lambda: peer.requests)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, ends(out)) == (0, {}), err


def test_where_nobody_reads_what_it_says_it_finishes_what_it_holds(peer: Peer, typed: Typed, grader: str) -> None:
    jobs = [peer.add("time.sleep(1); score = 1") for _ in range(3)]
    running = typed.start(*options(peer, "--jobs", "2", *BARE), "--", grader)
    assert running.stdout
    assert json.loads(running.stdout.readline())["event"] == "started"
    running.stdout.close()
    assert running.wait(timeout=30) == 1
    assert running.stderr
    assert "Traceback" not in running.stderr.read()
    running.stderr.close()
    assert [job.status for job in jobs] == ["graded", "graded", "queued"]


@pytest.mark.parametrize("buffered", [True, False])
def test_on_a_full_disk_its_log_is_lost_and_no_job(peer: Peer, typed: Typed, grader: str, buffered: bool) -> None:
    jobs = [peer.add("score = 1") for _ in range(3)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            typed.words(*options(peer, "--once", *BARE), "--", grader),
            cwd=typed.folder,
            env=typed.environment | {"PYTHONUNBUFFERED": "" if buffered else "1"},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
            text=True,
        )
    assert [job.status for job in jobs] == ["graded"] * 3
    assert (done.returncode, done.stderr.splitlines()[3:]) == (0, [])


def test_the_heart_beats_on_whatever_happens() -> None:
    told: list[str] = []
    answers: list[Any] = [RuntimeError("broken"), {"1": Beat(30, 10, "continue")}]

    class Odd:
        def send(self, request: Any) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    heart = Heart(Odd(), told.append)  # type: ignore[arg-type]
    held = Held(claim_of({}, "", None, 1, 1), float("inf"), 0)
    heart._beat([held])
    heart._beat([held])
    assert (told, answers, held.cancel.is_set()) == (["heartbeat: RuntimeError('broken')"], [], False)


def test_however_long_it_is_asked_to_wait_it_tries_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradequeue_grader.delivery.PATIENCE_SECONDS", 0.3)
    answers: list[Any] = [Busy(Problem(503, "", "Later", ""), 1000), None]

    class Away:
        def send(self, request: Any) -> Any:
            if isinstance(answer := answers.pop(0), Exception):
                raise answer

    told: list[str] = []
    insist(Away(), verbs.give_back("x"), threading.Event(), told.append)  # type: ignore[arg-type]
    assert answers == []
    assert told == ["Later (HTTP 503); again in 0.3 s"]


def test_what_a_grader_prints_cannot_pass_for_an_event() -> None:
    facts = {"submission": "a", "kind": "grader", "message": "bad\n2026-01-01 00:00:00Z ended\x1b[2J\r\u2028\ud800é\t."}
    assert sentence("failed", facts) == (
        "submission a: no result (grader): bad\n    2026-01-01 00:00:00Z ended\\x1b[2J\n    \n    \\ud800é\t."
    )


def test_a_token_that_ends_ends_the_worker(peer: Peer, typed: Typed, grader: str) -> None:
    running = typed.start(*options(peer, *BARE), "--", grader)
    until(lambda: any(path == "claims/" for _, path, _ in peer.requests))
    peer.fault = lambda when, method, path: 401
    out, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "The token is not good any more" in out + err


def test_killed_at_once_nothing_of_the_command_stays(
    peer: Peer, typed: Typed, grader: str, sandboxed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = typed.folder / "stages"
    stages.mkdir()
    typed.environment["TMPDIR"] = str(stages)
    monkeypatch.setattr(tempfile, "tempdir", str(stages))
    job = peer.add("time.sleep(60.25)")
    # Also where it is killed while the sandbox is made: then the time limit ends the command, or the next worker does
    # what was to become its sandbox.
    running = typed.start(*options(peer, "--time-limit", "2"), "--", grader)
    until(lambda: job.claims == 1 and pids(str(typed.folder / "grade.py")))
    running.kill()
    running.communicate(timeout=10)
    for left in stages.iterdir():
        os.utime(left, (1, 1))
    remove_leftovers()
    until(lambda: not pids(str(typed.folder / "grade.py")))
    assert list(stages.iterdir()) == []


def pids(word: str) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            pass
    return found


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("--url", "nowhere"), 2, "'nowhere' is no address"),
        (("--url", "{peer}/wrong"), 1, "no address of a gradequeue"),
        (("--token-file", "nothing"), 2, "--token-file nothing: it cannot be read"),
        (("--token-file", "wrong"), 1, "The token is not good here: This token is not good. (HTTP 401)"),
        (("--token-file", "empty"), 2, "Which token?"),
        (("--token", "gq_x"), 2, "unrecognized arguments: --token"),
        (("--url", "http://me:secret@127.0.0.1:9"), 2, "the address has a name or a password"),
        (("--jobs", "0"), 2, "a whole number from 1"),
        (("--jobs", "two"), 2, "argument --jobs: a whole number from 1, not two"),
        (("--processes", "9" * 5000), 2, "argument --processes: a whole number from 1, not 9999"),
        (("--wait", "21"), 2, "argument --wait: 0 to 20, not 21"),
        (("--time-limit", "long"), 2, "argument --time-limit: a number above 0, not long"),
        (("--time-limit", "nan"), 2, "argument --time-limit: a number above 0, not nan"),
        (("--answer-file", "../x"), 2, "--answer-file: '../x' is no name for a file."),
        (("--env", "=x"), 2, "--env =x: a variable has a name."),
        (("--memory", "lots"), 2, "a size is a number with K, M or G"),
        (("--env", "GRADEQUEUE_TOKEN"), 2, "The token is not handed on"),
        (("--show", "nothing"), 2, "no such file or folder"),
        (("--protocol", "gradescope", "--jobs", "2"), 2, "there is one /autograder on this machine"),
    ],
)
def test_what_is_typed_wrong_is_said(
    peer: Peer, typed: Typed, grader: str, words: tuple[str, ...], status: int, sentence: str
) -> None:
    (typed.folder / "wrong").write_text("gq_wrong")
    (typed.folder / "empty").write_text("\n")
    more = tuple(word.format(peer=peer.url) for word in words)
    sandbox = () if "--show" in more else BARE
    done = typed.run(*options(peer, "--once", *sandbox, *more), "--", grader)
    assert (done.returncode, sentence in done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize(
    ("command", "sentence"), [((), "Which command grades?"), (("./nothing",), "no command './nothing'")]
)
def test_a_command_that_is_not_there_is_said(peer: Peer, typed: Typed, command: tuple[str, ...], sentence: str) -> None:
    done = typed.run(*options(peer), "--", *command)
    assert (done.returncode, sentence in done.stderr) == (2, True)


@pytest.mark.parametrize("protocol", ["json", "watcher"])
def test_a_command_that_is_not_executable_is_said(peer: Peer, typed: Typed, grader: str, protocol: str) -> None:
    """Otherwise each job would be taken and given back, and nobody told."""
    (typed.folder / "grade.py").chmod(0o644)
    done = typed.run(*options(peer, "--protocol", protocol, *BARE), "--", "./grade.py")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "gradequeue-grader: ./grade.py is not executable: `chmod +x ./grade.py` makes it so."
    )


def test_a_token_without_the_scope_is_said(peer: Peer, typed: Typed, grader: str) -> None:
    peer.scopes = ["observe"]
    done = typed.run(*options(peer, *BARE), "--", grader)
    assert (done.returncode, "The token may not claim; it is for observe." in done.stderr) == (1, True)


def test_without_a_sandbox_it_says_so_loudly(peer: Peer, typed: Typed, grader: str) -> None:
    done = typed.run(*options(peer, "--once", *BARE), "--", grader)
    assert done.stderr.startswith("!!! There is no sandbox: --sandbox none.")
    hidden = typed.run(*options(peer, "--once"), "--", grader, PATH=str(typed.folder))
    assert hidden.stderr.startswith("!!! There is no sandbox: bubblewrap is not installed (`apt install bubblewrap`).")
    asked = typed.run(*options(peer, "--once", "--sandbox", "bwrap"), "--", grader, PATH=str(typed.folder))
    assert (asked.returncode, "bubblewrap is not installed" in asked.stderr) == (2, True)


def test_the_token_may_be_in_the_environment_and_goes_no_further(peer: Peer, typed: Typed) -> None:
    job = peer.add("")
    program = """
import json, os
try: theirs = open(f"/proc/{os.getppid()}/environ").read()
except OSError: theirs = ""
print(json.dumps({"score": 1, "extra": {"own": "GRADEQUEUE_TOKEN" in os.environ, "theirs": "gq_" in theirs}}))
"""
    words = [word for word in options(peer, "--once", *BARE) if word not in ("--token-file", "token")]
    done = typed.run(*words, "--", typed.program("env.py", program), GRADEQUEUE_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert job.result["extra"] == {"own": False, "theirs": False}


def test_at_a_terminal_there_is_a_bar_for_each_run(peer: Peer, typed: Typed, grader: str) -> None:
    peer.add("time.sleep(1.5); score = 1")
    words = [word for word in options(peer, "--once", *BARE) if word != "--json"]
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        typed.words(*words, "--", grader), cwd=typed.folder, env=typed.environment | {"TERM": "xterm"}, stderr=terminal
    ) as running:
        os.close(terminal)
        shown = b"".join(iter(lambda: read(screen), b""))
    os.close(screen)
    assert running.returncode == 0
    drawn = shown.decode()
    assert peer.jobs[0].uuid[:8] in drawn
    assert "━" in drawn
    assert "nothing graded; 1 running" in drawn
    assert "1 graded; none running" in drawn


def read(screen: int) -> bytes:
    try:
        return os.read(screen, 4096)
    except OSError:  # the other end is closed
        return b""


def test_in_a_log_there_are_lines(peer: Peer, typed: Typed, grader: str) -> None:
    peer.add("score = 1")
    words = [word for word in options(peer, "--once", *BARE) if word != "--json"]
    done = typed.run(*words, "--", grader)
    lines = done.stderr.splitlines()[3:]
    assert [" ".join(line.split()[2:4]) for line in lines] == [
        f"asks {peer.url}",
        f"submission {peer.jobs[0].uuid}:",
        f"submission {peer.jobs[0].uuid}:",
        "ends; 0",
        "ended: 1",
    ]
    assert done.stdout == ""
