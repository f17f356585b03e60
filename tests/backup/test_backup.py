"""`gradequeue backup` and `restore`: what was graded after the backup is graded again, and nothing counts twice."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from gradequeue.backup import databases as dumps
from submissions.upkeep import told as told_lines
from tests import databases
from tests.nemesis.receiver import Receiver
from tests.platform_stub import Platform
from tests.server import Server

LIMIT = 120  # seconds


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as running:
        running.answer = lambda call: 200
        yield running


@pytest.fixture
def other_database(kind: str, tmp_path: Path) -> Iterator[str]:
    """A second empty one, as after the first is gone."""
    address = databases.server_url(kind)
    assert address is not None
    name = f"gq_{uuid.uuid4().hex[:12]}"
    (tmp_path / "other").mkdir()
    yield databases.create(kind, address, name, tmp_path / "other")
    databases.drop(kind, address, name)


def service(url: str, folder: Path, platform: Platform) -> Server:
    folder.mkdir(exist_ok=True)
    secrets = {"GRADEQUEUE_WEBHOOK_SECRETS": Receiver.secret, "GRADEQUEUE_WEBHOOK_URL": f"{platform.url}/results"}
    return Server(url, folder, **secrets)


class Grader:
    """Patient: on a busy machine an answer takes its time, and a connection that was idle for long is made anew."""

    def __init__(self, service: Server, password: str) -> None:
        self.url, self.session = f"{service.url}/xqueue", requests.Session()
        assert self._post("login", username="ada", password=password) == 200

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def _post(self, what: str, **form: str) -> int:
        return self.session.post(f"{self.url}/{what}/", data=form, timeout=LIMIT).status_code

    def claim(self) -> tuple[str, str]:
        """The learner's answer, and the header that a result goes back with."""
        found = self.session.get(f"{self.url}/get_submission/", params={"queue_name": "q"}, timeout=LIMIT).json()
        content = json.loads(found["content"])
        return json.loads(content["xqueue_body"])["student_response"], content["xqueue_header"]

    def put(self, header: str, score: float) -> int:
        """The answer's status."""
        reply = json.dumps({"correct": True, "score": score, "msg": "<p>ok</p>"})
        return self._post("put_result", xqueue_header=header, xqueue_body=reply)


def told(platform: Platform) -> list[tuple[str, str, float]]:
    """Each message's name, the submission that it is about, and its points."""
    bodies = [(call.headers["webhook-id"], json.loads(call.body)["data"]) for call in platform.calls]
    return [(name, data["submission_uuid"], data["points_earned"]) for name, data in bodies]


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass(frozen=True)
class Before:
    """What happened until the database was lost. Submissions 1 and 2 were claimed before the backup, 3 and 4 after."""

    password: str
    headers: dict[str, str]
    """By answer, what a grader holds of its claim."""
    uuids: dict[str, str]
    """By answer."""
    late: int
    """The number of the submission that was handed in after the backup."""


def work(service: Server, copy: Path, platform: Platform) -> Before:
    """Four submissions are graded, and the platform is told: 1 before the backup, the others after it."""
    password = service.grader("ada")
    files = {"a.py": "print(1)", "b.py": "print(2)"}
    service.enqueue(*({"queue_name": "q", "answer": str(n), "student_id": str(n), "files": files} for n in (1, 2, 3)))
    with Grader(service, password) as grader:
        headers = dict([grader.claim()])
        grader.put(headers["1"], 0.25)
        headers |= dict([grader.claim()])
        wait_for(lambda: len(platform.calls) == 1)
        said = service.rows("backup", str(copy), "--json")
        assert said == [{"folder": str(copy), "files": 6, "problems": 0}]
        grader.put(headers["2"], 0.5)
        headers |= dict([grader.claim()])
        grader.put(headers["3"], 0.75)
        (late,) = service.enqueue({"queue_name": "q", "answer": "4", "student_id": "4"})
        headers |= dict([grader.claim()])
        grader.put(headers["4"], 1)
    wait_for(lambda: len(platform.calls) == 4)
    uuids = {f"{points * 4:g}": found for _, found, points in told(platform)}
    return Before(password, headers, uuids, late)


def test_a_restore_that_is_older_than_results(
    fresh_database: str, other_database: str, platform: Platform, tmp_path: Path
) -> None:
    first = service(fresh_database, tmp_path / "before", platform)
    first.run("migrate", "-v", "0")
    first.start(workers=1)
    before = work(first, tmp_path / "copy", platform)
    first.stop()
    known = tmp_path / "known.jsonl"
    known.write_text("".join(f"{call.body.decode()}\n" for call in platform.calls))

    second = service(other_database, tmp_path / "after", platform)
    done = second.run("restore", str(tmp_path / "copy"))
    assert done.stdout.startswith("The database and 6 files are back.\n3 jobs: 1 pending, 1 pulled, 1 retired.")
    assert done.stdout.endswith("0 problems.\n")
    lost = {"submission_id": None, "problem": f"{before.uuids['4']} is not here, and a platform was told 1 points"}
    assert problems(second, known) == [
        {"submission_id": 2, "problem": "has no score, and a platform was told 0.5 points"},
        {"submission_id": 3, "problem": "has no score, and a platform was told 0.75 points"},
        lost,
    ]
    grade_what_is_left(second.start(workers=1), before)
    wait_for(lambda: len(platform.calls) == 7)
    second.stop()

    # A platform that goes by the messages' names has one result of each submission: the first.
    kept = {name: (found, points) for name, found, points in reversed(told(platform))}
    assert sorted(points for _, points in kept.values()) == [0, 0.25, 0.5, 0.75, 1]
    assert len({found for found, _ in kept.values()}) == 5
    changed = {"submission_id": 3, "problem": "has 0.125, and a platform was told 0.75 points"}
    assert problems(second, known) == [changed, lost]


def grade_what_is_left(service: Server, before: Before) -> None:
    with Grader(service, before.password) as grader:
        # Of a claim that the restored database knows a result is taken, once; one of a later claim is refused.
        for header, status in (("2", 200), ("2", 200), ("3", 409), ("4", 404)):
            assert grader.put(before.headers[header], 0.5) == status
        answer, header = grader.claim()
        assert (answer, grader.put(header, 0.125)) == ("3", 200)
        # A new submission takes the number of the one that was lost, and is not taken for it.
        assert service.enqueue({"queue_name": "q", "answer": "5", "student_id": "5"}) == [before.late]
        assert grader.put(before.headers["4"], 1) == 409
        assert grader.put(grader.claim()[1], 0) == 200


def problems(service: Server, known: Path) -> list[dict[str, object]]:
    found = [row for row in service.rows("audit", "--json", "--told", str(known), check=False) if "problem" in row]
    return sorted(found, key=lambda row: row["submission_id"] or 9**9)  # messages arrive in any order


@pytest.fixture
def backed_up(fresh_database: str, tmp_path: Path) -> tuple[Server, Path]:
    """A service that does not run, and a backup of its one submission."""
    running = Server(fresh_database, tmp_path)
    running.run("migrate", "-v", "0")
    running.enqueue({"queue_name": "q", "files": {"a.py": "print(1)"}})
    running.run("backup", str(tmp_path / "copy"))
    return running, tmp_path / "copy"


def elsewhere(url: str, folder: Path) -> Server:
    folder.mkdir(exist_ok=True)
    return Server(url, folder)


def test_what_is_no_whole_backup_is_refused(
    backed_up: tuple[Server, Path], other_database: str, tmp_path: Path
) -> None:
    running, copy = backed_up
    other = Server(other_database, tmp_path / "other")
    tables = "The database has tables already. A backup is restored into an empty one."
    assert refused(running, "restore", copy) == tables
    assert refused(running, "backup", copy) == f"{copy} is not empty."
    (dump,) = copy.glob("database.*")
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-10])
    assert refused(other, "restore", copy) == f"{dump} is not what was written there."
    dump.write_bytes(whole)
    manifest = (copy / "backup.json").read_text()
    (copy / "backup.json").unlink()
    assert refused(other, "restore", copy) == f"{copy} holds no whole backup: its backup.json cannot be read."
    later = manifest.replace('"gradequeue": "0.2.0"', '"gradequeue": "0.10.0"')
    (copy / "backup.json").write_text(later)
    assert refused(other, "restore", copy) == (
        "The backup is of gradequeue 0.10.0, this is 0.2.0. Restore it with that version or a later one."
    )
    # The files are looked at, too, and those that the storage has still are not written again.
    (copy / "backup.json").write_text(manifest)
    (stored,) = (copy / "files" / "q").iterdir()
    stored.write_text("print(9)")
    done = other.run("restore", str(copy), check=False)
    changed = "submission 1 has a file 'a.py' that is not what was handed in"
    assert (done.returncode, changed in done.stdout) == (1, True)


def refused(running: Server, command: str, copy: Path) -> str:
    done = running.run(command, str(copy), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.removeprefix("CommandError: ").rstrip("\n")


@pytest.mark.once
def test_files_that_outlived_the_database_stay(
    backed_up: tuple[Server, Path], other_database: str, tmp_path: Path
) -> None:
    """As in a bucket: what is whole there is not written again, and need not be in the backup."""
    running, copy = backed_up
    other = Server(other_database, tmp_path / "other")
    shutil.copytree(copy / "files", Path(other.env["GRADEQUEUE_DATA"]) / "files")
    shutil.rmtree(copy / "files")
    assert other.run("restore", str(copy)).stdout.startswith("The database and 1 file are back.")
    # And one that is gone when the backup is made is named.
    shutil.rmtree(Path(running.env["GRADEQUEUE_DATA"]) / "files" / "q")
    done = running.run("backup", str(tmp_path / "second"), check=False)
    assert (done.returncode, done.stderr.startswith("file 'a.py' of submission 1 was not saved: ")) == (1, True)


@pytest.mark.once
@pytest.mark.parametrize(
    "line", ["no JSON", "[]", "1", '{"submission_uuid": "x", "points_earned": 1}', '{"data": 1}', '{"data": {}}']
)
def test_a_line_that_says_nothing_of_a_result(line: str) -> None:
    with pytest.raises(ValueError, match=r'^not an object with "submission_uuid" and "points_earned"$'):
        told_lines.parse(line)


@pytest.mark.once
def test_a_line_is_known_by_its_number(tmp_path: Path, db: None) -> None:
    (tmp_path / "known").write_text('\n{"submission_uuid": 1}\n')
    with pytest.raises(CommandError, match="line 2") as raised:
        call_command("audit", told=tmp_path / "known", stdout=StringIO())
    assert raised.value.returncode == 2


class OfMySQL:
    """As much of a connection as a dump asks for."""

    vendor = "mysql"
    settings_dict: dict[str, Any] = {"OPTIONS": {}}

    @property
    def client(self) -> OfMySQL:
        return self

    def settings_to_cmd_args_env(self, settings: Any, options: list[str]) -> tuple[list[str], dict[str, str]]:
        return ["mysql", *options, "gradequeue"], {}


@pytest.mark.once
def test_an_account_with_rights_to_one_database_may_copy_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL's mysqldump asks about tablespaces unless it is told not to, and is refused without the right PROCESS."""
    (tmp_path / "mariadb-dump").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
    (tmp_path / "mariadb-dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    connection: Any = OfMySQL()
    dumps.dump(connection, tmp_path / "database.sql")
    words = (tmp_path / "said").read_text().split()
    assert "--no-tablespaces" in words
    assert words[-1] == "gradequeue"
