"""`gradequeue import-xqueue`: what waits in the retired service's table becomes jobs, once, in its order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.db.utils import ConnectionHandler
from pytest_django import Settings

from gradequeue import env
from gradequeue.xqueue_import.source import Row, Skipped, Source, _row
from submissions import api, queue
from submissions.errors import SubmissionRequestError
from submissions.intake import jobs
from submissions.models import Delivery, ExternalGraderDetail, GraderQueue
from submissions.upkeep import audit
from tests.platform_stub import Platform, Reply

pytestmark = pytest.mark.django_db(transaction=True)

# As XQueue's own migrations make it.
TABLES = {
    "sqlite": "id integer PRIMARY KEY AUTOINCREMENT, {} arrival_time datetime NOT NULL, pull_time datetime, "
    "push_time datetime, return_time datetime, num_failures integer NOT NULL, lms_ack bool NOT NULL, "
    "retired bool NOT NULL",
    "postgresql": "id serial PRIMARY KEY, {} arrival_time timestamptz NOT NULL, pull_time timestamptz, "
    "push_time timestamptz, return_time timestamptz, num_failures integer NOT NULL, lms_ack boolean NOT NULL, "
    "retired boolean NOT NULL",
    "mariadb": "id integer AUTO_INCREMENT PRIMARY KEY, {} arrival_time datetime(6) NOT NULL, pull_time datetime(6), "
    "push_time datetime(6), return_time datetime(6), num_failures integer NOT NULL, lms_ack bool NOT NULL, "
    "retired bool NOT NULL",
}
TEXTS = (
    "requester_id varchar(128), lms_callback_url varchar(128), queue_name varchar(128), xqueue_header varchar(1024), "
    "xqueue_body text, s3_keys varchar(1024), s3_urls varchar(1024), grader_id varchar(128), pullkey varchar(128), "
    "grader_reply text,"
)
URL = "https://lms.example/courses/course-v1:Org+CS101+R1/xqueue/7/block-v1:Org+CS101+R1+type@problem+block@{:032x}/score_update"
BODY = '{"student_info": "{\\"anonymous_student_id\\": \\"abc\\"}", "grader_payload": "{}", "student_response": "x"}'
GOOD = '{"correct": true, "score": 0.5, "msg": ""}'


class Old:
    """The old service's database, filled by tests."""

    def __init__(self, url: str, kind: str) -> None:
        self.url = url
        self.connection = ConnectionHandler({"default": env.database_at(url)})["default"]
        with self.connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE queue_submission ({TABLES[kind].format(TEXTS)})")

    def add(self, number: int, *, header: str | None = None, minute: int = 0, **columns: Any) -> None:
        url = URL.format(number)
        head = {"lms_callback_url": url, "lms_key": f"key-{number}", "queue_name": "python"}
        row = {
            "id": number,
            "requester_id": "10.0.0.1",
            "lms_callback_url": url[:128],
            "queue_name": "python",
            "xqueue_header": json.dumps(head) if header is None else header,
            "xqueue_body": BODY,
            "s3_keys": "{}",
            "s3_urls": "{}",
            "grader_id": "",
            "pullkey": "",
            "grader_reply": "",
            "arrival_time": f"2026-01-31 12:{minute:02}:00.250000",
            "num_failures": 0,
            "lms_ack": False,
            "retired": False,
            **columns,
        }
        slots = ", ".join(["%s"] * len(row))
        with self.connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO queue_submission ({', '.join(row)}) VALUES ({slots})", list(row.values()))


@pytest.fixture
def old(empty_database: str, kind: str) -> Iterator[Old]:
    made = Old(empty_database, kind)
    yield made
    made.connection.close()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[dict[str, Any]], str, int]:
    """The rows that it tells of, its last sentence, and its exit code."""
    code = 0
    try:
        call_command("import-xqueue", "--json", *words)
    except SystemExit as end:
        code = int(str(end.code))
    said = capsys.readouterr()
    return [json.loads(line) for line in said.out.splitlines()], said.err.strip().splitlines()[-1], code


def outcomes(rows: list[dict[str, Any]]) -> dict[int, str]:
    return {row["id"]: row["outcome"] for row in rows}


def test_what_waits_becomes_jobs_with_callbacks_in_the_order_of_arrival(
    old: Old, capsys: pytest.CaptureFixture[str]
) -> None:
    old.add(1, minute=3)
    old.add(2, minute=1)
    old.add(3, minute=2, pull_time="2026-01-31 12:10:00", pullkey="abc", num_failures=2)
    old.add(4, retired=True)
    rows, told, code = run(capsys, old.url)
    assert (outcomes(rows), told, code) == (
        {2: "taken", 3: "taken", 1: "taken"},
        "3 taken, 0 scored, 0 known, 0 skipped.",
        0,
    )
    jobs = [queue.claim("python", grader="ada")[0].row for _ in range(3)]
    assert [job.queue_key for job in jobs] == ["key-2", "key-3", "key-1"]
    assert [job.created_at for job in jobs] == [
        datetime(2026, 1, 31, 12, minute, 0, 250_000, tzinfo=UTC) for minute in (1, 2, 3)
    ]
    first = jobs[0]
    assert (first.body, first.num_failures, first.num_pulls) == (BODY, 0, 1)
    assert first.submission.student_item.student_item_dict == {
        "student_id": "abc",
        "course_id": "course-v1:Org+CS101+R1",
        "item_id": f"block-v1:Org+CS101+R1+type@problem+block@{2:032x}",
        "item_type": "problem",
    }
    delivery = Delivery.objects.get(job=first)
    assert (delivery.destination, delivery.state) == (URL.format(2), "waiting")
    assert json.loads(str(delivery.header))["lms_key"] == "key-2"
    assert list(audit.problems()) == []


def test_a_second_import_takes_only_what_is_new(old: Old, capsys: pytest.CaptureFixture[str]) -> None:
    old.add(1)
    run(capsys, old.url)
    old.add(2)
    rows, told, code = run(capsys, old.url)
    assert (outcomes(rows), code) == ({1: "known", 2: "taken"}, 0)
    assert told == "1 taken, 0 scored, 1 known, 0 skipped."
    assert ExternalGraderDetail.objects.count() == 2


def test_what_is_known_is_known_also_without_its_files(old: Old, capsys: pytest.CaptureFixture[str]) -> None:
    """The old service's files may be gone when the last rows are taken."""
    old.add(1)
    run(capsys, old.url)
    with old.connection.cursor() as cursor:
        cursor.execute("UPDATE queue_submission SET s3_urls = %s", [AWAY])
    for words in ((), ("--dry-run",)):
        rows, _, code = run(capsys, old.url, *words)
        assert (outcomes(rows), code) == ({1: "known"}, 0)


def test_of_two_imports_at_once_each_row_is_taken_by_one(
    old: Old, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old.add(1)
    old.add(2, grader_reply=GOOD, minute=1)
    old.add(3, minute=2)
    take = jobs._take_over
    others: list[jobs.TakenOver] = []

    def overtaken(*words: Any) -> jobs.TakenOver:
        """Somebody else has committed the first two since this one looked."""
        if len(others) < 2:
            others.append(take(*words))
        return take(*words)

    monkeypatch.setattr(jobs, "_take_over", overtaken)
    rows, _, code = run(capsys, old.url)
    assert (outcomes(rows), code) == ({1: "known", 2: "known", 3: "taken"}, 0)
    assert [one.scored for one in others] == [False, True]
    assert Delivery.objects.count() == ExternalGraderDetail.objects.count() == 3


def test_a_result_that_the_platform_never_took_is_told_and_not_graded_again(
    old: Old, capsys: pytest.CaptureFixture[str]
) -> None:
    old.add(1, grader_reply=GOOD, grader_id="10.0.0.9", num_failures=1)
    old.add(2, grader_reply="no JSON", grader_id="10.0.0.9")
    old.add(3, grader_reply='{"score": -1}')
    old.add(4, grader_reply=GOOD, retired=True)
    old.add(5, grader_reply=GOOD, retired=True, lms_ack=True)
    rows, _, _ = run(capsys, old.url)
    assert outcomes(rows) == {1: "scored", 2: "taken", 3: "taken"}
    states = dict(ExternalGraderDetail.objects.values_list("queue_key", "status"))
    assert states == {"key-1": "retired", "key-2": "pending", "key-3": "retry"}
    job = ExternalGraderDetail.objects.get(queue_key="key-1")
    assert (job.grader, job.grader_reply) == ("10.0.0.9", GOOD)
    assert Delivery.objects.get(job=job).state == "due"
    rows, _, _ = run(capsys, old.url, "--unacknowledged")
    assert outcomes(rows) == {1: "known", 2: "known", 3: "known", 4: "scored"}
    assert list(audit.problems()) == []


def test_a_dry_run_changes_nothing(old: Old, capsys: pytest.CaptureFixture[str]) -> None:
    old.add(1)
    old.add(2, grader_reply=GOOD)
    rows, told, code = run(capsys, old.url, "--dry-run")
    assert rows == [
        {"id": 1, "outcome": "taken", "submission_id": None},
        {"id": 2, "outcome": "scored", "submission_id": None},
    ]
    assert (told, code) == ("Dry run: 1 taken, 1 scored, 0 known, 0 skipped.", 0)
    assert not ExternalGraderDetail.objects.exists()


CUT = json.dumps({"lms_callback_url": URL.format(1), "lms_key": "k" * 2000, "queue_name": "python"})[:1024]
OTHER = '{"lms_callback_url": "https://lms.example/", "lms_key": "k", "queue_name": "q"}'
ODD = {"header": '{"lms_callback_url": "lms/", "lms_key": "k", "queue_name": "q"}', "lms_callback_url": "lms/"}
NO_URL = "its callback cannot be called. The address must begin with https:// or http:// and name a host"
NO_HOST = "its files have no host in their addresses; say with --files where they are served"
AWAY = '{"URL_FOR_EXTERNAL_DICTS": "http://127.0.0.1:1/x"}'
NOT_FETCHED = (
    "its list of files is kept elsewhere and could not be fetched: <urlopen error [Errno 111] Connection refused>"
)
NO_PORT = "its list of files is kept elsewhere and could not be fetched: nonnumeric port: 'x'"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"header": CUT}, "its header cannot be read, or was cut off"),
        ({"header": "{}"}, "its header cannot be read, or was cut off"),
        ({"header": OTHER}, "its header and its callback's column disagree"),
        (ODD, NO_URL),
        ({"s3_urls": '{"a.c": "https://s3.exam'}, "its list of files cannot be read, or was cut off"),
        ({"s3_urls": '{"a.c": "/python/0f1e"}'}, NO_HOST),
        ({"s3_urls": AWAY}, NOT_FETCHED),
        ({"s3_urls": '{"URL_FOR_EXTERNAL_DICTS": "http://127.0.0.1:x/"}'}, NO_PORT),
    ],
)
def test_what_cannot_be_taken_is_skipped_with_the_reason_and_the_others_go_on(
    old: Old, capsys: pytest.CaptureFixture[str], columns: dict[str, Any], reason: str
) -> None:
    old.add(1, **columns)
    old.add(2)
    rows, told, code = run(capsys, old.url)
    assert rows[0] == {"id": 1, "outcome": "skipped", "submission_id": None, "reason": reason}
    assert (rows[1]["outcome"], told, code) == ("taken", "1 taken, 0 scored, 0 known, 1 skipped.", 1)


def test_a_body_that_the_database_does_not_take_skips_its_row_alone(
    old: Old, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def require(body: str) -> None:
        """As where a server takes statements of a few bytes."""
        if body != BODY:
            raise SubmissionRequestError(field_errors={"xqueue_body": ["The database takes no text of this length."]})

    monkeypatch.setattr(jobs, "_require_packet", require)
    old.add(1, xqueue_body=BODY + " ")
    old.add(2, minute=1)
    rows, _, code = run(capsys, old.url)
    assert (outcomes(rows), code) == ({1: "skipped", 2: "taken"}, 1)
    assert "The database takes no text of this length" in rows[0]["reason"]


def test_a_row_in_bytes_that_are_no_text_ends_nothing() -> None:
    columns = ("", "q", "{}", "{}", "[" * 100_000, None, b"a\xff", b'{"correct": true, "score": 1, "msg": "\xff"}')
    row = _row(1, *columns)
    result = row.result()
    assert result is not None
    assert (result.grader, result.score) == ("a\\udcff", 1)
    assert result.reply == '{"correct": true, "score": 1, "msg": "\\udcff"}'
    with pytest.raises(Skipped, match="its list of files cannot be read, or was cut off"):
        row.links("")


def test_a_zero_date_of_mysql_is_no_time() -> None:
    row = Row(1, URL.format(1), "python", "{}", BODY, "{}", None, "", "")
    with pytest.raises(Skipped, match="it arrived at None, which is no time"):
        _ = row.arrived


def test_a_strict_registry_and_a_full_queue_skip_and_a_later_run_takes(
    old: Old, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    old.add(1)
    settings.SUBMISSIONS_STRICT_QUEUES = True
    rows, _, code = run(capsys, old.url)
    assert (rows[0]["reason"], code) == ("There is no queue 'python'; set it up first", 1)
    GraderQueue.objects.create(name="python")
    assert run(capsys, old.url)[2] == 0
    settings.SUBMISSIONS_QUEUE_MAX_WAITING = 1
    old.add(2)
    rows, _, _ = run(capsys, old.url)
    assert rows[1]["reason"] == "Queue 'python' is full: 1 job waits already. Try again later"
    settings.SUBMISSIONS_QUEUE_MAX_WAITING = 0
    assert outcomes(run(capsys, old.url)[0]) == {1: "known", 2: "taken"}


def test_files_stay_where_they_are_and_graders_get_their_addresses(
    old: Old, capsys: pytest.CaptureFixture[str]
) -> None:
    old.add(1, s3_urls='{"a.c": "https://s3.example/b/0f1e?Signature=x", "b.c": "/python/77"}')
    with Platform() as storage:
        storage.answer = lambda call: Reply(body=b'{"files": {"c.c": "https://s3.example/c"}, "keys": {}}')
        old.add(2, s3_urls=json.dumps({"URL_FOR_EXTERNAL_DICTS": f"{storage.url}/list"}), minute=1)
        assert run(capsys, old.url, "--files", "https://old.example/media/")[2] == 0
    first, second = (queue.claim("python", grader="ada")[0] for _ in range(2))
    assert api.get_files_for_grader(first, "https://queue.example/xqueue/") == {
        "a.c": "https://s3.example/b/0f1e?Signature=x",
        "b.c": "https://old.example/python/77",
    }
    assert api.get_files_for_grader(second, "https://queue.example/xqueue/") == {"c.c": "https://s3.example/c"}


def test_a_file_whose_address_is_none_skips_its_row_alone(old: Old, capsys: pytest.CaptureFixture[str]) -> None:
    old.add(1, s3_urls='{"a.c": "http://[bad"}')
    old.add(2)
    rows, _, _ = run(capsys, old.url, "--files", "https://s3.example/")
    assert rows[0]["reason"] == "the address of a file, 'http://[bad', is no URL"
    assert outcomes(rows) == {1: "skipped", 2: "taken"}


def test_more_rows_than_a_batch_some_at_the_same_moment(
    old: Old, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradequeue.xqueue_import.source.BATCH", 7)
    for number in range(1, 31):
        old.add(number, minute=number % 3)
    rows, told, _ = run(capsys, old.url)
    assert told == "30 taken, 0 scored, 0 known, 0 skipped."
    assert [row["id"] for row in rows] == [*range(3, 31, 3), *range(1, 31, 3), *range(2, 31, 3)]


def test_the_old_database_cannot_be_written_through_it(old: Old) -> None:
    source = Source(old.url)
    try:
        with pytest.raises(DatabaseError), source.connection.cursor() as cursor:
            cursor.execute("DELETE FROM queue_submission")
    finally:
        source.close()


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(("pooled", "read_only"), [(False, "on"), (True, "off")])
def test_a_poolers_connection_is_left_as_it_was(
    old: Old, monkeypatch: pytest.MonkeyPatch, pooled: bool, read_only: str
) -> None:
    """The service may be the next one that gets it."""
    monkeypatch.setattr("gradequeue.xqueue_import.source.is_pooled", lambda _: pooled)
    source = Source(old.url)
    try:
        with source.connection.cursor() as cursor:
            cursor.execute("SHOW default_transaction_read_only")
            assert cursor.fetchone() == (read_only,)
    finally:
        source.close()


def test_without_json_only_what_was_skipped_is_told(old: Old, capsys: pytest.CaptureFixture[str]) -> None:
    old.add(1, header="")
    old.add(2)
    with pytest.raises(SystemExit):
        call_command("import-xqueue", old.url)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0] == "Row 1 is skipped: its header cannot be read, or was cut off."


@pytest.mark.once
@pytest.mark.parametrize("url", ["", "nonsense", "redis://host/0", "sqlite://"])
def test_a_url_that_is_none_is_wrong_usage(url: str) -> None:
    with pytest.raises(CommandError, match="DATABASE_URL") as refused:
        call_command("import-xqueue", url)
    assert refused.value.returncode == 2


@pytest.mark.once
def test_a_database_without_the_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no file "):
        call_command("import-xqueue", f"sqlite:///{tmp_path}/nowhere")
    (tmp_path / "empty").touch()
    with pytest.raises(CommandError, match="There is no table queue_submission in it"):
        call_command("import-xqueue", f"sqlite:///{tmp_path}/empty")
    with pytest.raises(CommandError, match="cannot be used"):
        call_command("import-xqueue", "postgres://nobody@127.0.0.1:1/x")


@pytest.mark.databases("sqlite")  # what a copy of MySQL's table can hold there; the others' columns hold times alone
@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"arrival_time": "0000-00-00 00:00:00"}, "it arrived at '0000-00-00 00:00:00', which is no time"),
        ({"arrival_time": "garbage"}, "it arrived at 'garbage', which is no time"),
        ({"xqueue_header": None}, "its header cannot be read, or was cut off"),
        ({"xqueue_body": b"\xff\xfe"}, "its header cannot be read, or was cut off"),
    ],
)
def test_a_row_that_holds_no_times_or_texts_is_skipped_and_the_rest_is_taken(
    old: Old, capsys: pytest.CaptureFixture[str], columns: dict[str, Any], reason: str
) -> None:
    old.add(1, **columns)
    old.add(2)
    rows, told, code = run(capsys, old.url)
    assert (outcomes(rows), told, code) == (
        {1: "skipped", 2: "taken"},
        "1 taken, 0 scored, 0 known, 1 skipped.",
        1,
    )
    assert [row["reason"] for row in rows if row["id"] == 1] == [reason]


def test_a_batch_of_rows_without_a_time_does_not_end_the_import(
    old: Old, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradequeue.xqueue_import.source.BATCH", 2)
    with old.connection.cursor() as cursor:
        cursor.execute("DROP TABLE queue_submission")
        cursor.execute(f"CREATE TABLE queue_submission ({TABLES[kind].format(TEXTS)})".replace(" NOT NULL", ""))
    for number in (1, 2, 3):
        old.add(number, arrival_time=None, grader_id=None, grader_reply=None)
    old.add(4)
    old.add(5)
    rows, told, _ = run(capsys, old.url)
    assert outcomes(rows) == {1: "skipped", 2: "skipped", 3: "skipped", 4: "taken", 5: "taken"}
    assert told == "2 taken, 0 scored, 0 known, 3 skipped."
