"""PostgreSQL with Patroni and etcd, three hosts, synchronous: one web node by HAProxy, one by libpq's list of hosts."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import requests

from tests.ha.haproxy import HAProxy
from tests.ha.machines import BACK, Machine
from tests.ha.trial import Stage, Trial
from tests.ha.web import WebHost
from tests.nemesis.ledger import Ledger
from tests.nemesis.stores import Store

TTL = 20  # how long a leader that says nothing stays leader (seconds)


class Node:
    """A host with PostgreSQL, Patroni and etcd."""

    def __init__(self, machine: Machine, members: dict[str, str]) -> None:
        self.machine, self.members = machine, members
        shutil.chown(machine.folder, "postgres", "postgres")
        self.configuration = machine.folder / "patroni.json"  # JSON is YAML, too
        self.configuration.write_text(json.dumps(self._settings()))

    def _settings(self) -> dict[str, object]:
        back, name = self.machine.back, self.machine.name
        account = {"username": "postgres"}
        return {
            "scope": "gradequeue",
            "name": name,
            "restapi": {"listen": f"{back}:8008", "connect_address": f"{back}:8008"},
            "etcd3": {"hosts": [f"{address}:2379" for address in self.members.values()]},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": 5,
                    "retry_timeout": 5,
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 200}},
                },
                "initdb": [{"encoding": "UTF8"}, "data-checksums"],
                "pg_hba": ["local all all trust", "host all all all trust", "host replication all all trust"],
            },
            "postgresql": {
                "listen": f"{back}:5432",
                "connect_address": f"{back}:5432",
                "data_dir": str(self.machine.folder / "data"),
                "bin_dir": str(programs()),
                "pgpass": str(self.machine.folder / "pgpass"),
                "authentication": {"superuser": account, "replication": account, "rewind": account},
                "parameters": {"unix_socket_directories": str(self.machine.folder)},
            },
        }

    def start(self) -> None:
        back, name = self.machine.back, self.machine.name
        cluster = ",".join(f"{one}=http://{address}:2380" for one, address in self.members.items())
        options = {
            "name": name,
            "data-dir": self.machine.folder / "etcd-data",
            "listen-client-urls": f"http://{back}:2379",
            "advertise-client-urls": f"http://{back}:2379",
            "listen-peer-urls": f"http://{back}:2380",
            "initial-advertise-peer-urls": f"http://{back}:2380",
            "initial-cluster": cluster,
            # Processors that are busy with other things are no reason to elect another one.
            "heartbeat-interval": 300,
            "election-timeout": 3000,
        }
        self.machine.start("etcd", *(f"--{one}={value}" for one, value in options.items()), user="postgres")
        self.machine.start("patroni", str(self.configuration), user="postgres")


class Cluster(Store):
    """As the ledger reads it: libpq finds who may be written to."""

    kind = "postgresql"

    def __init__(self, stage: Stage) -> None:
        machines = [stage.machine(f"pg{number}", 10 + number) for number in (1, 2, 3)]
        members = {machine.name: machine.back for machine in machines}
        self.nodes = [Node(machine, members) for machine in machines]
        hosts = ",".join(f"{address}:5432" for address in members.values())
        self.url = f"postgres://postgres@{hosts}/gradequeue?target_session_attrs=read-write&connect_timeout=3"
        for node in self.nodes:
            node.start()
        self.wait_whole(180)
        self._make_database()

    def _make_database(self) -> None:
        import psycopg

        place = self.url.replace("postgres://", "postgresql://", 1).replace("/gradequeue?", "/postgres?")
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute("CREATE DATABASE gradequeue")

    def wait_whole(self, seconds: float) -> None:
        """Until there are a leader, a synchronous standby, and another one."""
        deadline = time.monotonic() + seconds
        members: dict[str, str] = {}
        while time.monotonic() < deadline:
            members = self._members()
            if sorted(members.values()) == ["leader running", "replica running", "sync_standby running"]:
                return
            time.sleep(0.5)
        raise AssertionError(f"The cluster is not whole: {members}")

    def _members(self) -> dict[str, str]:
        for node in self.nodes:
            try:
                found = requests.get(f"http://{node.machine.back}:8008/cluster", timeout=3).json()
            except (requests.RequestException, ValueError):
                continue
            return {one["name"]: f"{one['role']} {_streaming(one['state'])}" for one in found["members"]}
        return {}

    def leader(self) -> Machine:
        """Whoever is it now; there is one."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for name, state in self._members().items():
                if state == "leader running":
                    return next(node.machine for node in self.nodes if node.machine.name == name)
            time.sleep(0.5)
        raise AssertionError("The cluster has no leader.")

    def node(self, machine: Machine) -> Node:
        return next(node for node in self.nodes if node.machine is machine)


def _streaming(state: str) -> str:
    return "running" if state == "streaming" else state


def programs() -> Path:
    return max(Path("/usr/lib/postgresql").glob("*/bin"))


def run(stage: Stage) -> Ledger:
    cluster = Cluster(stage)
    first, second = stage.machine("web1", 21), stage.machine("web2", 22)
    balancer = HAProxy(first, [node.machine for node in cluster.nodes], 5432, "GET /primary", check_port=8008)
    balancer.start()
    # What web1 says to HAProxy passes a line that can be slow, lossy, or die.
    line = stage.proxy.line(BACK, (first.back, balancer.port))
    by_proxy = f"postgres://postgres@{BACK}:{line.port}/gradequeue"
    webs = [WebHost(first, by_proxy, stage.environment), WebHost(second, cluster.url, stage.environment)]
    webs[0].run("migrate", "-v", "0")
    for web in webs:
        web.start()
    trial = Trial(stage, cluster, webs, {"HAProxy": webs[:1], "list of hosts": webs[1:]})
    trial.begin()
    trial.expect_of_doctor(webs[0], "standbys", fine=True)
    dead = cluster.leader()
    trial.fault("kill -9 of the leader's host", dead.kill)
    cluster.node(dead).start()
    cluster.wait_whole(120)

    def freeze_leader() -> None:
        leader = cluster.leader()
        leader.freeze()
        time.sleep(30)
        leader.thaw()

    trial.fault("the leader's host stands still for 30 s and returns", freeze_leader)
    cluster.wait_whole(120)
    for what in ("a COMMIT", "a claim"):
        trial.partition(what, "HAProxy", line)
    trial.fault("kill -9 of HAProxy, back after 3 s", balancer.restart)
    return trial.end()
