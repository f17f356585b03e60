"""HAProxy on a web node: leads to the one database that may be written to, and ends connections to one that may not."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence

from tests.ha.machines import Machine


class HAProxy:
    port = 5000

    def __init__(
        self,
        machine: Machine,
        targets: Sequence[Machine],
        port: int,
        question: str,
        *,
        check_port: int,
        one_writer: bool = False,
    ) -> None:
        """`question`: the HTTP request that one that may be written to answers with 200, on `check_port`.

        `one_writer`: where all may be, the first of them that answers is used, and none beside it.
        """
        self.machine = machine
        self.configuration = machine.folder / "haproxy.cfg"
        beside = " backup" if one_writer else ""
        back = " on-marked-up shutdown-backup-sessions" if one_writer else ""
        servers = [
            f"  server {target.name} {target.back}:{port} check port {check_port}{beside if number else back}"
            for number, target in enumerate(targets)
        ]
        self.configuration.write_text("\n".join([*_BEGINNING.format(question=question).splitlines(), *servers, ""]))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self.machine.start("/usr/sbin/haproxy", "-db", "-f", str(self.configuration))

    def wait(self) -> None:
        """Returns when a connection to it leads to a database, which speaks first (MariaDB)."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((self.machine.back, self.port), 2) as probe:
                    if probe.recv(1):
                        return
            except OSError:
                pass
            time.sleep(0.2)
        raise AssertionError("HAProxy leads nowhere.")

    def restart(self) -> None:
        """kill -9, and back after three seconds."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)
        time.sleep(3)
        self.start()


_BEGINNING = """\
defaults
  mode tcp
  timeout connect 3s
  timeout check 2s
  timeout client 1h
  timeout server 1h
listen database
  bind *:5000
  option httpchk {question}
  http-check expect status 200
  default-server inter 1s fall 3 rise 1 on-marked-down shutdown-sessions
"""
