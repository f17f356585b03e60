"""MariaDB Galera, three nodes, one of them written to, by HAProxy."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ha.haproxy import HAProxy
from tests.ha.machines import BACK, Machine
from tests.ha.trial import Stage, Trial
from tests.ha.web import WebHost
from tests.nemesis.ledger import Ledger
from tests.nemesis.stores import Store

CHECK_PORT = 9200
PROVIDER = "/usr/lib/galera/libgalera_smm.so"


class Node:
    """A host with MariaDB, and a small server that tells HAProxy whether the node is in step with the others."""

    def __init__(self, machine: Machine, members: list[str]) -> None:
        self.machine = machine
        subprocess.run(["chown", "mysql:mysql", str(machine.folder)], check=True)
        self.socket = machine.folder / "mysqld.sock"
        self.configuration = machine.folder / "my.cnf"
        self.configuration.write_text(
            _CONFIGURATION.format(
                folder=machine.folder,
                back=machine.back,
                name=machine.name,
                members=",".join(members),
                provider=PROVIDER,
            )
        )
        words = ("mariadb-install-db", f"--defaults-file={self.configuration}", "--wsrep-on=OFF")
        more = ("--auth-root-authentication-method=normal", "--skip-test-db")
        subprocess.run(
            machine.command(*words, *more, user="mysql"), check=True, capture_output=True, cwd=machine.folder
        )

    def start(self, *more: str) -> None:
        self.machine.start("mariadbd", f"--defaults-file={self.configuration}", *more, user="mysql")
        self.machine.start(sys.executable, str(Path(__file__).parent / "in_step.py"), str(self.socket), str(CHECK_PORT))

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        import MySQLdb

        connection = MySQLdb.connect(unix_socket=str(self.socket), user="root", autocommit=True)
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())
        finally:
            connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """As a second writer does, if only into a table of its own."""
        self.ask("CREATE TABLE gradequeue.beside (id INT PRIMARY KEY AUTO_INCREMENT, at DOUBLE)")
        done = threading.Event()
        thread = threading.Thread(target=self._write_until, args=[done])
        thread.start()
        yield
        done.set()
        thread.join()
        self.ask("DROP TABLE gradequeue.beside")

    def _write_until(self, done: threading.Event) -> None:
        while not done.wait(0.2):
            self.ask("INSERT INTO gradequeue.beside (at) VALUES (0)")

    def is_in_step(self) -> bool:
        import MySQLdb

        try:
            return dict(self.ask("SHOW STATUS LIKE 'wsrep_%'")).get("wsrep_local_state") == "4"
        except MySQLdb.Error:
            return False


class Cluster(Store):
    kind = "mariadb"

    def __init__(self, stage: Stage) -> None:
        machines = [stage.machine(f"db{number}", 10 + number) for number in (1, 2, 3)]
        self.nodes = [Node(machine, [one.back for one in machines]) for machine in machines]
        self.url = ""
        first, *others = self.nodes
        first.start("--wsrep-new-cluster")
        self.wait_whole([first])
        first.ask("CREATE USER gradequeue@'%'")
        first.ask("GRANT ALL ON *.* TO gradequeue@'%' WITH GRANT OPTION")
        first.ask("CREATE DATABASE gradequeue CHARACTER SET utf8mb4")
        for node in others:  # one after the other: each is given a copy by one that is in step
            node.start()
            self.wait_whole([node])

    def wait_whole(self, nodes: list[Node] | None = None) -> None:
        deadline = time.monotonic() + 180
        for node in nodes or self.nodes:
            while not node.is_in_step():
                assert time.monotonic() < deadline, f"{node.machine.name} does not come into step"
                time.sleep(0.5)


def run(stage: Stage) -> Ledger:
    cluster = Cluster(stage)
    host = stage.machine("web1", 21)
    balancer = HAProxy(
        host, [node.machine for node in cluster.nodes], 3306, "GET /", check_port=CHECK_PORT, one_writer=True
    )
    balancer.start()
    cluster.url = f"mysql://gradequeue@{host.back}:{balancer.port}/gradequeue"
    line = stage.proxy.line(BACK, (host.back, balancer.port))
    web = WebHost(host, f"mysql://gradequeue@{BACK}:{line.port}/gradequeue", stage.environment)
    balancer.wait()
    web.run("migrate", "-v", "0")
    web.start()
    trial = Trial(stage, cluster, [web], {"HAProxy": [web]})
    trial.begin()
    trial.expect_of_doctor(web, "galera", fine=True)
    trial.expect_of_doctor(web, "galera reads", fine=True)
    writer = cluster.nodes[0]

    trial.fault("kill -9 of the writer's host", writer.machine.kill)
    trial.fault("the writer's host returns", writer.start)
    cluster.wait_whole()

    def freeze_writer() -> None:
        writer.machine.freeze()
        time.sleep(30)
        writer.machine.thaw()

    trial.fault("the writer's host stands still for 30 s and returns", freeze_writer)
    cluster.wait_whole()
    trial.fault("kill -9 of HAProxy, back after 3 s", balancer.restart)
    for what in ("a COMMIT", "a claim"):
        trial.partition(what, "HAProxy", line)
    with cluster.nodes[1].writing():
        trial.expect_of_doctor(web, "galera", fine=False)
    return trial.end()


_CONFIGURATION = """\
[mysqld]
datadir={folder}/data
socket={folder}/mysqld.sock
pid-file={folder}/mysqld.pid
bind-address={back}
port=3306
max_connections=300
skip_name_resolve=1
max_allowed_packet=64M
character-set-server=utf8mb4
innodb_buffer_pool_size=64M
innodb_flush_log_at_trx_commit=1
binlog_format=ROW
default_storage_engine=InnoDB
innodb_autoinc_lock_mode=2
wsrep_on=ON
wsrep_sync_wait=7
wsrep_provider={provider}
wsrep_cluster_name=gradequeue
wsrep_cluster_address=gcomm://{members}
wsrep_node_address={back}
wsrep_node_name={name}
wsrep_sst_method=mariabackup
wsrep_sst_auth=root:
wsrep_provider_options="gcache.size=64M"
"""
