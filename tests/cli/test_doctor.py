"""`gradequeue doctor` on a healthy database, and on ones that would hurt."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.test import override_settings
from django.utils.timezone import now

from gradequeue.http import exposure
from submissions.models import get_storage
from submissions.upkeep import doctor, file_systems
from submissions.upkeep.findings import Finding
from tests.dashboard.test_deliveries import delivery
from tests.server import Server

WIDE = (
    "OUTBOUND_NETWORKS has {}: results may be sent to the metadata of the cloud, and to what else is private there. "
    "Name the platform's own network, such as 10.1.0.0/16."
)


VACUUM_OFF = "autovacuum is off: dead rows stay, and the planner does not know how large tables are. Turn it on."


def of(check: str) -> Finding:
    (found,) = (one for one in doctor.findings() if one.check == check)
    return found


def lacking(rows: list[dict[str, Any]]) -> list[str]:
    return [row["sentence"] for row in rows if not row["fine"]]


def test_a_database_as_the_service_sets_it_up_is_fine(server: Server, kind: str) -> None:
    found = server.run("doctor", "--json", check=False)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert {row["check"] for row in rows} >= {"claim index", "skip locked", "clock", "storage"}
    # What MariaDB comes with, where nobody has followed docs/operating.md; and what some servers for tests alone have.
    small = "max_allowed_packet is 16777216 bytes; the largest submissions can take 52428800."
    assert lacking(rows) in ([], [{"mariadb": small, "postgresql": VACUUM_OFF}.get(kind)])
    assert found.returncode == (1 if lacking(rows) else 0)


def test_it_reads_as_sentences(server: Server) -> None:
    lines = server.run("doctor", check=False).stdout.splitlines()
    assert "ok       claim index: Claims walk their index." in lines


@pytest.mark.parametrize("number", ["0", "-5", "x"])
def test_a_number_of_connections_that_cannot_be_is_refused(server: Server, number: str) -> None:
    done = server.run("doctor", "--connections", number, check=False)
    assert done.returncode == 2
    assert f"a whole number of 1 or more is needed, not '{number}'" in done.stderr


@pytest.mark.django_db(transaction=True)
def test_a_missing_index_is_found_and_the_remedy_is_named() -> None:
    table, index = "submissions_externalgraderdetail", "submissions_claim_idx"
    where = f" ON {table}" if connection.vendor == "mysql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {index}{where}")
        try:
            found = of("claim index")
        finally:
            cursor.execute(f"CREATE INDEX {index} ON {table} (queue_name, available_at, id)")
    assert not found.fine
    assert found.sentence.endswith("every claim reads the whole queue. Run migrate.")


@pytest.mark.once
def test_dead_rows_that_nobody_removes_are_found() -> None:
    fine = Finding("vacuum", True, "Dead rows are removed.")
    assert doctor.of_vacuum(10, None, True) == doctor.of_vacuum(60_000, 3600.0, True) == fine
    assert doctor.of_vacuum(0, None, False) == Finding("vacuum", False, VACUUM_OFF)
    for age, since in ((None, "never"), (7 * 86400.0, "168 hours ago")):
        words = f"The jobs have 60000 dead rows and were last vacuumed {since}; see that autovacuum runs."
        assert doctor.of_vacuum(60_000, age, True) == Finding("vacuum", False, words)


@pytest.mark.django_db
def test_a_storage_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("in the way")
    media = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(blocked)}}
    with override_settings(EDX_SUBMISSIONS={"MEDIA": media}):
        assert isinstance(get_storage(), FileSystemStorage)
        found = of("storage")
    assert not found.fine
    assert found.sentence.startswith("Files cannot be stored and read back: ")


@pytest.mark.django_db(transaction=True)
def test_answers_that_a_power_cut_would_undo_are_found(kind: str, tmp_path: Path) -> None:
    assert of("power cut") == Finding("power cut", True, "What was answered is on the disk.")
    if kind == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            found = of("power cut")
            cursor.execute("RESET synchronous_commit")
        assert found == Finding("power cut", False, "A power cut loses the last answers: synchronous_commit is off.")


def test_sqlite_that_syncs_at_checkpoints_only_is_found(tmp_path: Path) -> None:
    server = Server(f"sqlite:///{tmp_path}/queue.sqlite3?init_command=PRAGMA+synchronous%3DNORMAL", tmp_path)
    server.run("migrate")
    rows = [json.loads(line) for line in server.run("doctor", "--json", check=False).stdout.splitlines()]
    (found,) = (row for row in rows if row["check"] == "power cut")
    assert found["fine"] is False
    assert found["sentence"].startswith("A power cut undoes the last answers: set PRAGMA synchronous=FULL")


def test_what_other_accounts_can_read_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "there-before"
    folder.mkdir(mode=0o755)
    server = Server(f"sqlite:///{folder}/queue.sqlite3", folder, GRADEQUEUE_DATA=str(folder))
    server.run("migrate")
    server.enqueue({"queue_name": "q", "files": {"a.py": "1"}})
    modes = {
        path.name: oct(path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.name.startswith("queue.sqlite3") or path.name in ("files", "q")
    }
    assert modes == {"queue.sqlite3": "0o600", "files": "0o700", "q": "0o700"}
    assert [oct(path.stat().st_mode & 0o777) for path in (folder / "files" / "q").iterdir()] == ["0o600"]
    # pytest's own folders are closed to others.
    for above in (folder, tmp_path, *tmp_path.parents[:3]):
        if above.owner() != "root" or above.name != "tmp":
            above.chmod(0o755)
    (folder / "queue.sqlite3").chmod(0o644)
    rows = [json.loads(line) for line in server.run("doctor", "--json", check=False).stdout.splitlines()]
    (found,) = (row for row in rows if row["check"] == "permissions")
    assert found["fine"] is False
    assert found["sentence"] == f"Other accounts of this machine can read {folder}/queue.sqlite3: chmod -R go= there."


@pytest.mark.django_db(transaction=True)
def test_what_would_hurt_on_this_database_is_found(kind: str) -> None:
    change, back, check = {
        "sqlite": ("PRAGMA busy_timeout = 100", "PRAGMA busy_timeout = 30000", "busy timeout"),
        "postgresql": (
            "SET default_transaction_isolation = 'repeatable read'",
            "RESET default_transaction_isolation",
            "isolation",
        ),
        "mariadb": (
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "isolation",
        ),
    }[kind]
    with connection.cursor() as cursor:
        assert of(check).fine
        cursor.execute(change)
        try:
            assert not of(check).fine
        finally:
            cursor.execute(back)


# Deliveries and where they may go. ----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_results_that_do_not_arrive_are_found_with_host_reason_and_remedy() -> None:
    assert of("deliveries") == Finding("deliveries", True, "No result is overdue, and none was given up.")
    delivery("slow.example.org", due_at=now() - timedelta(minutes=10), last_error="Connection refused")
    late = "1 result is overdue for delivery to slow.example.org: Connection refused"
    assert of("deliveries") == Finding(
        "deliveries",
        False,
        f"{late}. They are tried again by themselves; 'gradequeue deliveries hosts' says when. Is 'serve' or 'deliver' "
        "running?",
    )
    delivery("dead.example.org", "given_up", last_error="HTTP 500")
    assert of("deliveries") == Finding(
        "deliveries",
        False,
        "1 result could not be delivered to dead.example.org: HTTP 500. When it is mended, send again: gradequeue "
        "deliveries resend --all-matching --state given_up --host dead.example.org. 1 more host is in trouble.",
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("networks", "fine", "sentence"),
    [
        ([], True, "Results go to public addresses only."),
        (["10.0.0.0/8", "127.0.0.1"], True, "Results go to public addresses, and to 10.0.0.0/8, 127.0.0.1."),
        (["10.0.0.0/8", "0.0.0.0/0"], False, WIDE.format("0.0.0.0/0")),
        (["169.254.0.0/16"], False, WIDE.format("169.254.0.0/16")),
        (["::/0"], False, WIDE.format("::/0")),
    ],
)
def test_a_guard_that_is_switched_off_is_found(networks: list[str], fine: bool, sentence: str) -> None:
    with override_settings(SUBMISSIONS_OUTBOUND_NETWORKS=networks):
        assert of("outbound") == Finding("outbound", fine, sentence)


MOUNTS = """\
overlay / overlay rw 0 0
/dev/sda1 /srv ext4 rw 0 0
10.0.0.5:/export /srv/shared nfs4 rw 0 0
//files/a\\040b /srv/a\\040b cifs rw 0 0
"""


@pytest.mark.once
def test_the_file_system_of_a_file_is_that_of_the_nearest_mount() -> None:
    found = [
        file_systems.kind_of(Path(path), MOUNTS)
        for path in ("/srv/x.sqlite3", "/srv/shared/x", "/srv/sharedX", "/srv/a b/x", "/home/x")
    ]
    assert found == ["ext4", "nfs4", "ext4", "cifs", "overlay"]
    assert {"nfs4", "cifs"} <= file_systems.NETWORKED
    assert not {"ext4", "overlay", "tmpfs", "xfs", "btrfs", "zfs"} & file_systems.NETWORKED


@pytest.mark.once
def test_a_mount_whose_name_is_no_text_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    # Latin 1, and what Unicode holds to be the end of a line.
    mounts.write_bytes(b"/dev/sda1 /srv/\xe9\xe2\x80\xa8x ext4 rw 0 0\n10.0.0.5:/ /srv/shared nfs4 rw 0 0\n")
    monkeypatch.setattr(file_systems, "MOUNTS", mounts)
    assert file_systems.networked(Path("/srv/shared/x")) == "nfs4"


@pytest.mark.once
def test_a_database_that_several_machines_could_write_is_found() -> None:
    assert doctor.one_machine("") == Finding("one machine", True, "The database is on a disk of this machine.")
    assert doctor.one_machine("nfs4") == Finding(
        "one machine",
        False,
        "The database is a file on nfs4: locks are not reliable there, and two machines that write damage it. Keep it "
        "on a disk of this machine; for several machines use PostgreSQL, MySQL or MariaDB.",
    )


# The settings of the service. ---------------------------------------------------------------------------------------

GUESSED = (
    "The secret key can be guessed: it signs sessions and the addresses of files. Set GRADEQUEUE_SECRET_KEY to what "
    "python3 -c 'import secrets; print(secrets.token_urlsafe(50))' prints; everybody logs in again."
)
EVERY_HOST = (
    "ALLOWED_HOSTS has *: addresses in answers name whatever host a request named. Set GRADEQUEUE_ALLOWED_HOSTS to the "
    "names that are served."
)
NO_PROXY = (
    "No proxy is trusted, so no request counts as HTTPS, and forms are refused. Set GRADEQUEUE_TRUSTED_PROXIES to the "
    "number of proxies in front, 1 for one nginx."
)
HTTP_ADDRESS = (
    "Graders are told http://queue.example.org: passwords and files travel in clear text. Set GRADEQUEUE_BASE_URL to "
    "the https:// address."
)
LONG = "".join(map(chr, range(40, 100)))


def of_settings(**settings: Any) -> dict[str, Finding]:
    usual = {"DEBUG": False, "SECRET_KEY": LONG, "ALLOWED_HOSTS": ["queue.example.org"], "TRUSTED_PROXIES": 1}
    usual |= {"SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "SUBMISSIONS_BASE_URL": ""}
    with override_settings(**usual | settings):
        return {found.check: found for found in exposure.findings()}


@pytest.mark.once
def test_settings_of_production_as_they_should_be() -> None:
    assert {check: (found.fine, found.sentence) for check, found in of_settings().items()} == {
        "debug": (True, "DEBUG is off."),
        "secret key": (True, "The secret key is long."),
        "hosts": (True, "Served as queue.example.org."),
        "https": (True, "Cookies are sent by HTTPS only."),
    }
    local = of_settings(ALLOWED_HOSTS=["localhost", "127.0.0.1"], SESSION_COOKIE_SECURE=False, TRUSTED_PROXIES=0)
    assert local["https"] == Finding("https", True, "Only this machine is served: it may be without HTTPS.")


@pytest.mark.once
@pytest.mark.parametrize(
    ("check", "settings", "sentence"),
    [
        ("debug", {"DEBUG": True}, "DEBUG is on: error pages show code and settings to everybody. Set DEBUG to False."),
        ("secret key", {"SECRET_KEY": LONG[:49]}, GUESSED),
        ("secret key", {"SECRET_KEY": "x" * 60}, GUESSED),
        ("secret key", {"SECRET_KEY": f"django-insecure-{LONG}"}, GUESSED),
        ("hosts", {"ALLOWED_HOSTS": ["*"]}, EVERY_HOST),
        (
            "https",
            {"SESSION_COOKIE_SECURE": False},
            "queue.example.org is served, and cookies are sent without HTTPS, too. Set GRADEQUEUE_ENV=production.",
        ),
        (
            "https",
            {"SUBMISSIONS_BASE_URL": "http://queue.example.org"},
            HTTP_ADDRESS,
        ),
        ("https", {"TRUSTED_PROXIES": 0}, NO_PROXY),
    ],
)
def test_settings_that_would_hurt_in_production_are_found(check: str, settings: Any, sentence: str) -> None:
    assert of_settings(**settings)[check] == Finding(check, False, sentence)


@pytest.mark.once
def test_the_command_of_the_service_looks_at_its_environment(tmp_path: Path) -> None:
    hurting = {
        "GRADEQUEUE_ENV": "production",
        "GRADEQUEUE_SECRET_KEY": "short",
        "GRADEQUEUE_ALLOWED_HOSTS": "*",
        "GRADEQUEUE_OUTBOUND_NETWORKS": "0.0.0.0/0",
    }
    server = Server(f"sqlite:///{tmp_path / 'x.sqlite3'}", tmp_path, **hurting)
    server.run("migrate")
    done = server.run("doctor", "--json", check=False)
    assert done.returncode == 1
    assert lacking([json.loads(line) for line in done.stdout.splitlines()]) == [
        WIDE.format("0.0.0.0/0"),
        GUESSED,
        EVERY_HOST,
        NO_PROXY,
    ]
