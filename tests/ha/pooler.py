"""Two web nodes, each with its delivery loop, on one PostgreSQL by pgbouncer; submitted files on S3 (moto)."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.ha.machines import BACK, Machine
from tests.ha.postgresql import PostgreSQL
from tests.ha.trial import Stage, Trial
from tests.ha.web import WebHost
from tests.nemesis.ledger import Ledger

MOTO = Path(__file__).parents[2] / ".venv-ha" / "bin" / "moto_server"
BUCKET = "files"


class Pgbouncer:
    """By transactions, on the database's host."""

    port = 6432

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.configuration = machine.folder / "pgbouncer.ini"
        accounts = machine.folder / "accounts.txt"
        accounts.write_text('"postgres" ""\n')
        self.configuration.write_text(
            f"""[databases]
gradequeue = host={machine.back} port=5432 dbname=gradequeue user=postgres
[pgbouncer]
listen_addr = {machine.back}
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {accounts}
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
"""
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self.machine.start("/usr/sbin/pgbouncer", str(self.configuration), user="postgres")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)


def start_s3(machine: Machine) -> str:
    """GRADEQUEUE_STORAGE_URL of a bucket on that host."""
    import boto3  # type: ignore[import-untyped]

    machine.start(str(MOTO), "-H", machine.back, "-p", "9000")
    place = f"http://{machine.back}:9000"
    client = boto3.client(
        "s3", endpoint_url=place, aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            break
        except Exception:  # not up yet
            assert time.monotonic() < deadline, "the S3 server does not start"
            time.sleep(0.5)
    return f"s3://key:secret@{BUCKET}?region_name=us-east-1&endpoint_url={place}&addressing_style=path"


def run(stage: Stage) -> Ledger:
    host = stage.machine("db", 11)
    store = PostgreSQL(host)
    pooler = Pgbouncer(host)
    pooler.start()
    storage = {"GRADEQUEUE_STORAGE_URL": start_s3(stage.machine("s3", 31))}
    lines = [stage.proxy.line(BACK, (host.back, pooler.port)) for _ in (1, 2)]
    for line in lines:
        line.delay, line.loss = 0.003, 0.002
    webs = [
        WebHost(
            stage.machine(f"web{number}", 20 + number),
            f"postgres://postgres@{BACK}:{line.port}/gradequeue",
            stage.environment | storage,
        )
        for number, line in enumerate(lines, start=1)
    ]
    direct = WebHost(host, store.url, stage.environment | storage)
    direct.run("migrate", "-v", "0")
    for web in webs:
        web.start()
    trial = Trial(stage, store, webs, {"web1": webs, "web2": webs[::-1]}, files=1)
    trial.begin()
    trial.expect_of_doctor(webs[0], "pooler", fine=True)

    def restart_pooler() -> None:
        pooler.kill()
        time.sleep(5)
        pooler.start()

    trial.fault("kill -9 of pgbouncer, back after 5 s", restart_pooler)
    for what, where in (("a COMMIT", "web1"), ("a claim", "web2")):
        trial.partition(what, where, lines[int(where[-1]) - 1])

    def cut_off() -> None:
        webs[1].machine.cut()
        time.sleep(20)
        webs[1].machine.mend()

    trial.fault("web2 is cut off from database and files for 20 s", cut_off)

    def lose_web_host() -> None:
        webs[0].machine.kill()

    trial.fault("kill -9 of web1's host", lose_web_host)
    webs[0].start()
    return trial.end()
