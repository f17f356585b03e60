"""Commands without the second in which each of them loads Django: one process does that, and forks for each command.

Without it this second is a third of the suite's time. A command runs in a process of its own all the same, from
``gradequeue.cli.main`` to the interpreter's end. Tests of how a command begins start one themselves.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST = 300
"""What a command may take (seconds)."""
# A command's folder and words are one message.
LARGEST_MESSAGE = 2**17


class Commands:
    """Runs commands in one environment. Its process ends with the last reference to this object."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._sending = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.commands", str(theirs.fileno())],
                env=self.environment,
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        weakref.finalize(self, _end, self._channel, self._process)
        self.ready = bool(self._channel.recv(1))
        """Whether Django could be loaded. Where it could not, the command itself has to say why."""

    def run(self, words: list[str], given: str) -> subprocess.CompletedProcess[str]:
        """One command, with `given` on its standard input.

        Raises:
            TimeoutError: It has not ended in `LONGEST` seconds.
        """
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            stdin.write(given.encode())
            stdin.seek(0)
            code = self._code(words, [file.fileno() for file in (stdin, out, err)])
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(words, code, out.read().decode(), err.read().decode())

    def _code(self, words: list[str], streams: list[int]) -> int:
        ended, status = os.pipe()
        try:
            with self._sending:
                message = json.dumps([str(Path.cwd()), *words]).encode()
                socket.send_fds(self._channel, [message], [*streams, status])
        finally:
            os.close(status)
        with os.fdopen(ended, "rb", buffering=0) as pipe:
            said = _next(pipe.fileno())
            # The code comes before the interpreter's end, which closes the pipe. Who was killed says nothing.
            return int(said) if said and not _next(pipe.fileno()) else -signal.SIGKILL


def _end(channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
    channel.close()
    process.wait()


def _next(pipe: int) -> bytes:
    if not select.select([pipe], [], [], LONGEST)[0]:
        raise TimeoutError(f"The command has not ended in {LONGEST} seconds.")
    return os.read(pipe, 16)


def _serve(channel: socket.socket) -> int:
    """Forks for each message; in such a child it returns the pipe that its exit code goes to, set up as a command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    channel.send(b"!")
    while True:
        message, files, _, _ = socket.recv_fds(channel, LARGEST_MESSAGE, 4)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    channel.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, status = files
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    folder, *words = json.loads(message)
    os.chdir(folder)
    sys.argv = ["gradequeue", *words]
    return status


def main() -> None:
    import django
    from django.core import checks
    from django.core.management import get_commands, load_command_class

    from gradequeue import cli

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gradequeue.settings")
    django.setup()
    checks.run_checks()  # each command makes them first: they load what is left, but for the commands
    for name, app in get_commands().items():
        if app in cli.OURS:
            load_command_class(app, name)
    gc.freeze()  # else each child walks all of it at its end
    status = _serve(socket.socket(fileno=int(sys.argv[1])))
    code: int | str | None = 1
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code
        raise
    finally:
        number = code if isinstance(code, int) else int(bool(code))
        os.write(status, str(number).encode())


if __name__ == "__main__":
    main()
