"""Hostile programs in the sandbox: what they try does not succeed, and nothing of them stays."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from conftest import BWRAP, PYTHON
from gradequeue_grader.execution import run
from gradequeue_grader.sandbox import Bare, Bubblewrap, stage
from gradequeue_grader.tasks import MIB, Limits, Outcome, Task

pytestmark = pytest.mark.usefixtures("sandboxed")

SMALL = Limits(seconds=20, cpu_seconds=10, memory=128 * MIB, processes=24, disk=16 * MIB)


def attempt(
    program: str, limits: Limits = SMALL, shows: tuple[Path, ...] = (), hidden: tuple[Path, ...] = (), answer: str = ""
) -> Outcome:
    """A Python program in a sandbox of its own."""
    box = Bubblewrap(BWRAP or "", tuple((path, str(path)) for path in shows), hidden)
    task = Task((PYTHON, "-c", program), root="/job", folder="/job", answer=answer or None)
    with stage() as folder:
        return run(task, box, limits, folder, threading.Event())


def said(outcome: Outcome) -> str:
    assert outcome.status == 0, outcome
    return outcome.stdout.text.strip()


def test_it_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"""
import socket
for place in (("127.0.0.1", {port}), ("192.0.2.1", 80)):
    try:
        socket.create_connection(place, timeout=2)
        print("connected")
    except OSError as error:
        print(error.strerror or error)
print([name for _, name in socket.if_nameindex()])
"""
        lines = said(attempt(program)).splitlines()
    assert lines[0] == "Connection refused"  # its own loopback, where nobody listens
    assert lines[1] == "Network is unreachable"
    assert lines[2] == "['lo']"


@pytest.mark.parametrize("name", ["abstract", "path"])
def test_it_reaches_no_socket_of_this_machine(folder: Path, name: str) -> None:
    place = "\0gradequeue-test-socket" if name == "abstract" else str(folder / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen()
        program = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({place!r})"
        assert attempt(program).status == 1


def test_it_cannot_read_the_token(folder: Path) -> None:
    token = folder / "secret-token"
    token.write_text("gq_secret")
    link = folder / "link"
    link.symlink_to(token)
    program = f"print([open(path).read() for path in ({str(token)!r}, {str(link)!r})])"
    assert said(attempt(program, shows=(folder,))) == "['gq_secret', 'gq_secret']"
    assert said(attempt(program, shows=(folder,), hidden=(token,))) == "['', '']"
    assert attempt(program).status == 1
    token.unlink()  # once the worker has read it
    assert said(attempt("print('runs')", shows=(folder,), hidden=(token,))) == "runs"


def test_it_knows_nothing_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADEQUEUE_TOKEN", "gq_secret")
    program = """
import os, pathlib
print(sorted(os.environ))
print(sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[-1] < 20)
for file in ("environ", "cmdline"):
    for path in pathlib.Path("/proc").glob(f"[0-9]*/{file}"):
        try:
            assert b"gq_" + b"secret" not in path.read_bytes()
        except PermissionError:
            pass
"""
    names, few = said(attempt(program)).splitlines()
    assert "GRADEQUEUE_TOKEN" not in names
    assert few == "True"


@pytest.mark.parametrize("path", ["/etc/shadow", "/root", "/home", "/var/lib", "/run", "/sys/kernel", "/etc/ssh"])
def test_it_sees_nothing_else_of_this_machine(path: str) -> None:
    assert said(attempt(f"import os; print(os.path.exists({path!r}))")) == "False"


@pytest.mark.parametrize("place", ["/", "/dev", "/usr", "/opt", "/etc", "/.stage", "/.stage/in", "/proc", "{shown}"])
def test_it_writes_nowhere_else(folder: Path, place: str) -> None:
    place = place.format(shown=folder)
    outcome = attempt(f"open({place!r} + '/written', 'w')", shows=(folder,))
    assert outcome.status == 1
    assert not (Path(place) / "written").exists()


@pytest.mark.parametrize("place", ["/job", "/tmp", "/dev/shm", "/.stage/answer"])
def test_it_cannot_fill_the_disk(place: str) -> None:
    program = f"""
import os
written = 0
for number in range(64):
    try:
        path = {place!r} if os.path.isfile({place!r}) else {place!r} + f"/{{number}}"
        with open(path, "ab") as file:
            for _ in range(4):
                written += file.write(bytes(1024**2))
                file.flush()
    except OSError as error:
        print(error.strerror)
        break
print(written)
"""
    reason, written = said(attempt(program)).splitlines()
    assert reason in ("No space left on device", "File too large")
    assert int(written) <= 64 * MIB


@pytest.mark.parametrize("way", ["list", "children", "shared"])
def test_it_cannot_fill_the_memory(way: str) -> None:
    programs = {
        "list": "held = bytearray(10**9); held[::4096] = bytes(len(held[::4096]))",
        "children": """
import os, time
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(40 * 1024**2)
        for place in range(0, len(held), 4096): held[place] = 1
        time.sleep(60)
time.sleep(60)
""",
        "shared": """
import mmap, time
held = mmap.mmap(-1, 300 * 1024**2)
for place in range(0, len(held), 4096): held[place] = 1
time.sleep(60)
""",
    }
    started = time.monotonic()
    outcome = attempt(programs[way])
    assert time.monotonic() - started < 15
    if way == "list":
        assert (outcome.status, b"MemoryError" in outcome.stderr.kept) == (1, True)
    else:
        assert outcome.stopped == "it used more than 128 MiB of memory (--memory)"


def test_memory_that_children_share_counts_once() -> None:
    program = """
import os, time
held = bytearray(60 * 1024**2)
for place in range(0, len(held), 4096): held[place] = 1
children = []
for _ in range(5):
    children.append(os.fork())
    if children[-1] == 0:
        time.sleep(1)
        os._exit(0)
for child in children: os.waitpid(child, 0)
print("done")
"""
    outcome = attempt(program)
    assert said(outcome) == "done"
    assert outcome.usage["max_rss_bytes"] > 60 * MIB


def test_a_fork_bomb_ends_at_the_limit_and_nothing_of_it_stays() -> None:
    program = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        made += 1
except BlockingIOError:
    print(made)
"""
    started = time.monotonic()
    made = int(said(attempt(program)))
    assert 15 <= made < 24
    assert time.monotonic() - started < 15


def test_a_bomb_that_goes_on_cannot_keep_its_answer_from_being_read() -> None:
    program = """
import os, time
open("answer", "w").write("here")
try:
    while True:
        if os.fork() == 0:
            while True:
                try: os.fork()
                except OSError: pass
except BlockingIOError: pass
"""
    outcome = attempt(program, answer="answer")
    assert (outcome.status, outcome.answer) == (0, b"here")


def test_what_never_ends_is_ended() -> None:
    asleep = attempt("import time; time.sleep(60)", Limits(seconds=1))
    assert asleep.stopped == "it took longer than 1 s (--time-limit)"
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); signal.signal(2, signal.SIG_IGN); time.sleep(60)"
    assert attempt(deaf, Limits(seconds=1)).stopped == "it took longer than 1 s (--time-limit)"
    busy = attempt("while True: pass", Limits(seconds=20, cpu_seconds=1))
    assert busy.status in (137, 152)
    assert busy.usage["cpu_ms"] < 4000


def test_it_cannot_make_namespaces_of_its_own() -> None:
    program = "import ctypes; libc = ctypes.CDLL(None); print(libc.unshare(0x10000000), libc.unshare(0x00020000))"
    assert said(attempt(program)) == "-1 -1"


def test_it_has_no_rights() -> None:
    program = """
import os
print([line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "CapBnd", "NoNewPrivs"))])
print(os.getuid())
"""
    rights, user = said(attempt(program)).splitlines()
    assert rights == "['0000000000000000', '0000000000000000', '1']"
    assert user == "1000"


def test_it_prints_without_end() -> None:
    outcome = attempt("while True: print('x' * 1000)", Limits(seconds=2, cpu_seconds=1))
    assert len(outcome.stdout.kept) == 8 * MIB
    assert outcome.stdout.total > 8 * MIB


def test_nothing_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    attempt("import os, time; os.fork() or time.sleep(60); open('/tmp/x', 'w')")
    assert list(folder.iterdir()) == []
    assert not [entry for entry in os.scandir("/proc") if entry.name.isdigit() and is_ours(entry.path)]


def is_ours(path: str) -> bool:
    try:
        words = Path(path, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"--json-status-fd" in words and f"PPid:\t{os.getpid()}\n" in Path(path, "status").read_text()


def test_a_sandbox_that_cannot_be_made_is_the_machines_fault(folder: Path) -> None:
    outcome = attempt("print(1)", shows=(folder / "not-there",))
    assert (outcome.status, outcome.began) == (None, False)
    assert outcome.stopped.startswith("the sandbox could not be made: bwrap:")


def test_without_a_sandbox_the_limits_of_a_process_still_hold(folder: Path) -> None:
    def bare(program: str, limits: Limits) -> Outcome:
        with stage() as place:
            task = Task((PYTHON, "-c", program), root=str(place / "in"), folder=str(folder))
            return run(task, Bare(), limits, place, threading.Event())

    assert bare("import time; time.sleep(60)", Limits(seconds=1)).stopped == "it took longer than 1 s (--time-limit)"
    assert bare("while True: pass", Limits(cpu_seconds=1)).status in (137, 152)
    assert b"MemoryError" in bare("bytearray(10**9)", SMALL).stderr.kept
    big = bare("open('big', 'wb').write(bytes(17 * 1024**2))", SMALL)
    assert b"File too large" in big.stderr.kept
    left = bare("import os, time; os.fork() or time.sleep(60)", Limits(seconds=10))
    assert left.status == 0
    assert left.usage["wall_ms"] < 5000
