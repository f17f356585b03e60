"""Machines of the run's own: network namespaces on two switches, inside a network that belongs to the run alone.

The run itself is inside namespaces of its own (see `__main__`), so nothing here can meet the servers of the real
machine, and everything ends with the run.
"""

from __future__ import annotations

import pwd
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

# Where the hosts find each other, and where graders and platforms find the web nodes. This process is number 1 on both.
SWITCHES = {"back": "10.77.0", "front": "10.78.0"}
BACK, FRONT = f"{SWITCHES['back']}.1", f"{SWITCHES['front']}.1"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def lay_network() -> None:
    """The two switches. Only in a network namespace of the run's own."""
    _ip("link", "set", "lo", "up")
    for name, net in SWITCHES.items():
        _ip("link", "add", name, "type", "bridge")
        _ip("addr", "add", f"{net}.1/24", "dev", name)
        _ip("link", "set", name, "up")


class Machine:
    """One host: it can lose power, stand still, and be cut off from the others while graders still reach it."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name, self.number = name, number
        self.folder = folder / name
        self.folder.mkdir(mode=0o755)
        self.back, self.front = (f"{net}.{number}" for net in SWITCHES.values())
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self._network()
        self.inode = Path(self._namespace).stat().st_ino

    @property
    def _namespace(self) -> str:
        return f"/proc/{self.holder.pid}/ns/net"

    def _network(self) -> None:
        deadline = time.monotonic() + 30
        while Path(self._namespace).stat().st_ino == Path("/proc/self/ns/net").stat().st_ino:
            assert time.monotonic() < deadline, "no network namespace was made"
            time.sleep(0.01)
        self._inside("link", "set", "lo", "up")
        for switch, net in SWITCHES.items():
            port = f"{self.name}-{switch}"
            _ip("link", "add", port, "type", "veth", "peer", "name", switch, "netns", str(self.holder.pid))
            _ip("link", "set", port, "master", switch, "up")
            self._inside("addr", "add", f"{net}.{self.number}/24", "dev", switch)
            self._inside("link", "set", switch, "up")

    def _inside(self, *words: str) -> None:
        subprocess.run(["nsenter", f"--net={self._namespace}", "ip", *words], check=True, capture_output=True)

    def command(self, *words: str, user: str = "root") -> list[str]:
        """`words`, to be run on this machine by `user`."""
        account = pwd.getpwnam(user)
        return [
            "nsenter",
            f"--net={self._namespace}",
            f"--setuid={account.pw_uid}",
            f"--setgid={account.pw_gid}",
            *words,
        ]

    def start(
        self, *words: str, user: str = "root", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A process of this machine. What it says goes to a file in the machine's folder that is named after it."""
        with (self.folder / f"{Path(words[0]).name}.log").open("ab") as log:
            return subprocess.Popen(
                self.command(*words, user=user),
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self) -> list[psutil.Process]:
        """All that run here, but for the one that holds the network."""
        return [found for found in psutil.process_iter() if found.pid != self.holder.pid and self._is_here(found.pid)]

    def _is_here(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/ns/net").stat().st_ino == self.inode
        except OSError:
            return False

    def _signal(self, number: int) -> None:
        for process in self.processes():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def kill(self) -> None:
        """kill -9 of everything at once, as when its power is gone (its disk keeps what the kernel was given)."""
        deadline = time.monotonic() + 30
        while left := [found for found in self.processes() if found.status() != psutil.STATUS_ZOMBIE]:
            assert time.monotonic() < deadline, f"{self.name}: {left} cannot be killed"
            self._signal(signal.SIGKILL)
            time.sleep(0.05)

    def freeze(self) -> None:
        """Everything stands still; its kernel still takes connections, and acknowledges what is sent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def cut(self) -> None:
        """Nothing goes between it and other hosts, both ways, and nobody is told so. Graders still reach it."""
        _ip("link", "set", f"{self.name}-back", "down")

    def mend(self) -> None:
        _ip("link", "set", f"{self.name}-back", "up")

    def remove(self) -> None:
        self.thaw()
        self.kill()
        self.holder.kill()
        self.holder.wait(30)
