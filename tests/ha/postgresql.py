"""One PostgreSQL on a host of its own, for what is tried beside it."""

from __future__ import annotations

import shutil
import subprocess
import time

import psycopg

from tests.ha.machines import Machine
from tests.ha.patroni import programs
from tests.nemesis.stores import Store


class PostgreSQL(Store):
    kind = "postgresql"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.data = machine.folder / "data"
        self.url = f"postgres://postgres@{machine.back}:5432/gradequeue"
        shutil.chown(machine.folder, "postgres", "postgres")
        initdb = [str(programs() / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(machine.command(*initdb, user="postgres"), check=True, capture_output=True)
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all trust\n")
        settings = {
            "listen_addresses": "*",
            "unix_socket_directories": machine.folder,
            "max_connections": 300,
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        machine.start(str(programs() / "postgres"), "-D", str(self.data), *words, user="postgres")
        self._make_database()

    def _make_database(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                with psycopg.connect(
                    f"postgresql://postgres@{self.machine.back}:5432/postgres", autocommit=True, connect_timeout=3
                ) as connection:
                    connection.execute("CREATE DATABASE gradequeue")
                    return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not start"
                time.sleep(0.2)
