"""Where a command runs: in a bubblewrap sandbox of its own, or without one.

In the sandbox it has no network, sees nothing of the machine but its programs (`SYSTEM`), what it is shown and its own
folder, and may write to that folder and /tmp only, which are gone afterwards. It is in namespaces of its own for
processes, users, mounts and IPC, and can make no further ones. A worker that runs as root gives each sandbox a user of
its own, since no limit on processes holds for root.
"""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradequeue_grader.tasks import MIB, TRY_AGAIN, Limits, Task

SYSTEM = ("/usr", "/opt", "/nix")
LINKED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What programs look up. Nothing here is secret.
ETC = (
    *("alternatives", "ca-certificates.conf", "debian_version", "fonts", "gai.conf", "host.conf", "ld.so.cache"),
    *("ld.so.conf", "ld.so.conf.d", "localtime", "magic", "mime.types", "nsswitch.conf", "os-release", "perl", "pki"),
    *("java", "protocols", "python3", "R", "services", "ssl/certs", "ssl/openssl.cnf", "timezone", "texmf"),
)
STAGE = "/.stage"
# Of the folders on this machine; one that was made just now may not be locked yet (seconds).
PREFIX, JUST_MADE = "gradequeue-grader-", 60.0
# Inside, where it is a folder of the sandbox's own.
TEMPORARY = "/tmp"  # noqa: S108
SHARED_MEMORY = "/dev/shm"  # noqa: S108
SHARED_MEMORY_BYTES = 64 * MIB
# Who the command is, inside.
USER = "1000"
PASSWD = f"root:x:0:0:root:/root:/bin/sh\ngrader:x:{USER}:{USER}:grader:/tmp:/bin/sh\n"
# The least number of the users of root's sandboxes: nobody else's.
FIRST_USER = 2_000_000_000
MOST_SLOTS = 64
GRACE_SECONDS = 3

# Limits hold for what it starts. It ends with the command's exit status, or TRY_AGAIN where the command never began.
SCRIPT = f"""
# A limit that cannot be set is one that is lower already.
limit() {{
  ulimit "$1" "$2" 2>/dev/null && return
  [ "$(ulimit "$1" 2>/dev/null || echo unlimited)" != unlimited ] || exit {TRY_AGAIN}
}}
limit -c 0; limit -t "$1"; limit -d "$2"; limit -f "$3"
ulimit -u "$4" 2>/dev/null || limit -p "$4"
seconds=$5 stage=$6 root=$7 folder=$8 answer=$9
shift 9
alone=$1
shift
if [ -n "$alone" ]; then cp -R "$stage/in/." "$root" || exit {TRY_AGAIN}; fi
cd "$folder" || exit {TRY_AGAIN}
# Unpacked archives have often lost this.
case $1 in "$root"/*) chmod +x "$1" 2>/dev/null;; esac
# The worker stops it sooner. This is for one that was killed while the sandbox was made: then nobody does.
timeout -s KILL "$seconds" "$@"
status=$?
# Nobody may write to the answer any more, nor keep the processes that reading it needs: they count until they are gone.
if [ -n "$alone" ]; then
  kill -9 -1 2>/dev/null
  while set -- /proc/[0-9]*; [ $# -gt 2 ]; do :; done
fi
if [ -n "$answer" ] && [ -f "$answer" ]; then cat "$answer" > "$stage/answer"; fi
exit $status
"""


class NoSandbox(Exception):
    """The sandbox cannot be made; the sentence says why."""


@dataclass(frozen=True)
class Launch:
    """How a process is started: the words, what else `subprocess.Popen` is told, and where it says how it ended."""

    words: list[str]
    options: dict[str, Any]
    says_status: bool
    """Whether it takes ``--json-status-fd`` in front of the other words."""


def environment(task: Task) -> dict[str, str]:
    """Nothing of the worker's own but PATH and language: no token."""
    usual = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {"PATH": os.defpath, "LANG": "C.UTF-8"} | usual | dict(task.environment)


def script(task: Task, limits: Limits, stage: str, alone: bool) -> list[str]:
    """The words that run the task under its limits; `alone`: nobody else is in its namespace of processes."""
    seconds = math.ceil(limits.seconds) + GRACE_SECONDS
    numbers = [limits.cpu_seconds, limits.memory // 1024, limits.disk // 512, limits.processes, seconds]
    answer = f"{task.root}/{task.answer}" if task.answer else ""
    folder = task.folder or str(Path.cwd())
    words = [*map(str, numbers), stage, task.root, folder, answer, "alone" if alone else "", *task.words]
    return ["/bin/sh", "-c", SCRIPT, "grader", *words]


class Bare:
    """No sandbox: the command has the network, and can read what the worker's user can read, also the token's file."""

    def root(self, usual: str, anywhere: bool, stage: Path) -> str:
        """A folder below the stage, where the protocol allows it."""
        return str(stage / "in") if anywhere else usual

    def prepare(self, task: Task, stage: Path) -> None:
        """Lay out what the stage has, where the task looks for it. Raises OSError."""
        root = Path(task.root)
        if root == stage / "in":
            return
        root.mkdir(parents=True, exist_ok=True)
        if task.answer:
            _remove(root / task.answer)  # the last job's
        for part in (stage / "in").iterdir():
            _replace(part, root / part.name)
        for name, source in task.copies.items():
            if not (root / name).exists():
                _replace(source, root / name)

    def launch(self, task: Task, limits: Limits, stage: Path, slot: int) -> Launch:
        """How it is started."""
        variables = environment(task) | {"HOME": task.root, "TMPDIR": str(stage / "tmp")} | dict(task.environment)
        options = {"env": variables, "start_new_session": True}
        return Launch(script(task, limits, str(stage), alone=False), options, says_status=False)


def _remove(target: Path) -> None:
    """Whatever it is: a command may have made anything of it."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _replace(source: Path, target: Path) -> None:
    _remove(target)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy(source, target)


@dataclass(frozen=True)
class Bubblewrap:
    """A sandbox for each command."""

    program: str
    shows: tuple[tuple[Path, str], ...]
    """What of this machine it may read: where it lies, and where it is seen."""
    hidden: tuple[Path, ...]
    """Files that it must not read, wherever they lie."""

    def root(self, usual: str, anywhere: bool, stage: Path) -> str:
        """What the protocol says: the folder is the sandbox's own."""
        return usual

    def prepare(self, task: Task, stage: Path) -> None:
        """Make the places where copies are seen; they are copied inside. Raises OSError."""
        for name, source in task.copies.items():
            place = stage / "in" / name
            place.mkdir(parents=True) if source.is_dir() else place.touch()

    def launch(self, task: Task, limits: Limits, stage: Path, slot: int) -> Launch:
        """How it is started. As root, the stage is given to a user of this sandbox's own."""
        variables = environment(task) | {"HOME": TEMPORARY, "TMPDIR": TEMPORARY} | dict(task.environment)
        # A session of its own: Ctrl-C is for the worker, which finishes what it holds.
        options: dict[str, Any] = {"env": variables, "start_new_session": True}
        if os.geteuid() == 0:
            user = sandbox_user(slot)
            for path in (stage, *stage.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
            options |= {"user": user, "group": user, "extra_groups": []}
        words = [self.program, *self._namespaces(), *self._mounts(task, limits, stage)]
        return Launch([*words, "--", *script(task, limits, STAGE, alone=True)], options, says_status=True)

    def _namespaces(self) -> list[str]:
        names = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
        return [*names, "--uid", USER, "--gid", USER, "--hostname", "grader"]

    def _mounts(self, task: Task, limits: Limits, stage: Path) -> list[str]:
        words = ["--proc", "/proc", "--dev", "/dev"]
        words += ["--perms", "1777", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", SHARED_MEMORY]
        for place in SYSTEM:
            words += ["--ro-bind-try", place, place]
        for place in filter(os.path.lexists, LINKED):
            link = Path(place)
            words += ["--symlink", str(link.readlink()), place] if link.is_symlink() else ["--ro-bind", place, place]
        for name in ETC:
            words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        words += ["--ro-bind", str(stage / "passwd"), "/etc/passwd"]
        for place in dict.fromkeys((TEMPORARY, task.root)):
            words += ["--perms", "1777", "--size", str(limits.disk), "--tmpfs", place]
        for source, seen in self.shows:
            words += ["--ro-bind", str(source), seen]
        words += ["--ro-bind", str(stage / "in"), f"{STAGE}/in", "--bind", str(stage / "answer"), f"{STAGE}/answer"]
        copies = [(source, f"{STAGE}/in/{name}") for name, source in task.copies.items()]
        for source, seen in copies:
            words += ["--ro-bind", str(source), seen]
        for place in self._seen_hidden(copies):
            words += ["--ro-bind", str(stage / "empty"), place]
        # They are in memory, and nothing limits them.
        return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]

    def _seen_hidden(self, copies: Sequence[tuple[Path, str]]) -> list[str]:
        """Where the hidden files would be seen."""
        shown = [*self.shows, *copies, *((Path(place), place) for place in SYSTEM)]
        # One that has been deleted meanwhile cannot be read, and nothing can be laid over it.
        hidden = [path for path in self.hidden if path.exists()]
        places = [(path.resolve(), source.resolve(), seen) for path in hidden for source, seen in shown]
        return [
            str(Path(seen) / path.relative_to(source)) for path, source, seen in places if path.is_relative_to(source)
        ]


Box = Bare | Bubblewrap


def sandbox_user(slot: int) -> int:
    """The number of a user that nobody is, for one of root's sandboxes."""
    mapped = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    most = max(int(first) + int(count) for first, _, count in mapped)
    if most > FIRST_USER + 1_000_000 * MOST_SLOTS:
        return FIRST_USER + os.getpid() % 1_000_000 * MOST_SLOTS + slot
    return most - 1 - slot


@contextmanager
def stage() -> Iterator[Path]:
    """A folder of this machine with what one run needs: ``in/`` (for its inputs), ``tmp/``, ``answer`` and others.

    Its owner alone may read it; it is locked as long as this process lives. Raises OSError.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("in", "tmp"):
            (folder / name).mkdir()
        for name in ("answer", "empty"):
            (folder / name).touch()
        (folder / "passwd").write_text(PASSWD)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_leftovers() -> None:
    """The stages of workers of this user that were killed: they hold what learners handed in."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # gone meanwhile; or locked, by a process that lives
            seen = folder.lstat()
            # Of root's, a stage belongs to its sandbox's user.
            if os.geteuid() in (0, seen.st_uid) and time.time() - seen.st_mtime > JUST_MADE:
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    """Raises OSError where it is locked, or is no folder."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _end_unmade(folder)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _end_unmade(folder: Path) -> None:
    """The sandbox of this stage, where its worker was killed while it was made: bubblewrap's half of it waits forever
    for the other half. The command never began."""
    for _ in range(20):  # one that ends may just have made another
        if not _kill_all(f"{folder}/".encode()):
            return
        time.sleep(0.05)


def _kill_all(beginning: bytes) -> bool:
    """Whether there was a process that had a word with this beginning in its command."""
    found = False
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if any(word.startswith(beginning) for word in place.read_bytes().split(b"\0")):
                os.kill(int(place.parent.name), signal.SIGKILL)
                found = True
    return found


def lay_out(folder: Path, inputs: Mapping[str, bytes]) -> None:
    """Write a task's inputs into its stage. Raises OSError."""
    for name, contents in inputs.items():
        place = folder / "in" / name
        if name.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(contents)


def find_bubblewrap() -> str | None:
    """Where the program is."""
    return shutil.which("bwrap")


def probe(box: Bubblewrap, word: str) -> None:
    """Start a sandbox and look for the command in it. Raises NoSandbox."""
    said = _run([box.program, "--help"], {}).stdout
    missing = [option for option in ("--size", "--perms", "--disable-userns") if option not in said]
    if missing:
        raise NoSandbox(f"{box.program} is too old: it has no {', '.join(missing)} (0.8 does)")
    looks = ("/bin/sh", "-c", 'command -v -- "$1" > /dev/null', "sh", word)
    try:
        with stage() as folder:
            launch = box.launch(Task(looks, root="/job", folder="/job"), Limits(), folder, MOST_SLOTS - 1)
            done = _run(launch.words, launch.options)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoSandbox(f"bubblewrap cannot be started: {error}") from error
    if done.stderr.strip():
        raise NoSandbox(done.stderr.strip())
    if done.returncode != 0:
        raise NoSandbox(f"{word} is not seen in the sandbox; show its folder with --show")


def _run(words: list[str], options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    options = options | {"capture_output": True, "text": True, "timeout": 60, "check": False}
    return subprocess.run(words, **options)  # noqa: S603 - our own words
