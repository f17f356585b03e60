"""What travels together to the database: nothing gets lost on the way, and errors come where they belong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from submissions import queue, writes
from submissions.models import ExternalGraderDetail as Job
from submissions.models import GraderQueue, Score, StudentItem
from tests.queue.jobs import claim_one, key_of, make
from tests.settings import KIND

pytestmark = pytest.mark.django_db(transaction=True)


class Broken(Exception):
    pass


@contextmanager
def undone() -> Iterator[None]:
    """A transaction that comes to nothing."""
    with suppress(Broken), transaction.atomic():
        yield
        raise Broken


def write(job: Job, **changes: Any) -> None:
    """As the verbs do: held back until the next statement where the connection can."""
    for name, value in changes.items():
        setattr(job, name, value)
    writes.update(job, tuple(changes))


def stored(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_a_write_is_there_for_the_next_statement_and_after_the_commit() -> None:
    job = make()
    with transaction.atomic():
        write(job, grader="one")
        assert stored(job).grader == "one"
        write(job, grader="two")
    assert stored(job).grader == "two"


def test_nothing_remains_of_what_was_rolled_back() -> None:
    job = make()
    for _ in range(2):  # the second time the server was told of a statement that it then never heard
        with undone():
            write(job, grader="one")
        assert stored(job).grader == ""
    with transaction.atomic():
        write(job, grader="two")
    assert stored(job).grader == "two"


def test_a_transaction_without_a_statement_costs_nothing_and_harms_nothing() -> None:
    with transaction.atomic():
        pass
    with undone():
        pass
    assert Job.objects.count() == 0


def test_a_write_that_the_database_refuses_undoes_the_whole_transaction() -> None:
    job = make()
    with pytest.raises(DatabaseError):
        _refused_at_the_end(job)
    assert not GraderQueue.objects.filter(name="new").exists()
    assert stored(job).status == "pending"
    assert queue.claim("q", grader="g")[0].pk == job.pk


@transaction.atomic
def _refused_at_the_end(job: Job) -> None:
    GraderQueue.objects.create(name="new")
    write(job, queue_name=None)


def test_the_first_statement_of_a_transaction_may_fail() -> None:
    item = StudentItem.objects.create(student_id="s", course_id="c", item_id="i", item_type="t")
    with pytest.raises(IntegrityError), transaction.atomic():
        StudentItem.objects.create(student_id="s", course_id="c", item_id="i", item_type="t")
    assert list(StudentItem.objects.all()) == [item]


def test_a_savepoint_undoes_what_came_after_it_and_no_more() -> None:
    job, other = make(), make()
    with transaction.atomic():
        write(job, grader="kept")
        with undone():
            write(other, grader="undone")
    assert (stored(job).grader, stored(other).grader) == ("kept", "")


def test_many_rows_and_rows_one_by_one_begin_a_transaction_too() -> None:
    jobs = [make(), make(), make()]
    with undone():
        assert len(list(Job.objects.iterator(chunk_size=2))) == 3
        Job.objects.update(grader="undone")
    table = connection.ops.quote_name(Job._meta.db_table)
    with undone(), connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET grader = %s WHERE id = %s", [("undone", job.pk) for job in jobs])
    assert {job.grader for job in Job.objects.all()} == {""}


def test_percent_signs_mean_themselves_where_a_statement_has_no_values() -> None:
    job = make()
    with transaction.atomic():
        write(job, grader="100 %s")
        with connection.cursor() as cursor:
            cursor.execute("SELECT '%s 5%', 10 % 4")
            assert cursor.fetchone() == ("%s 5%", 2)
    assert stored(job).grader == "100 %s"


def test_what_the_server_knew_is_told_again_on_a_new_connection() -> None:
    for _ in range(2):
        make()
        job = claim_one()
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
        connection.close()
    assert Job.objects.filter(status="retired").count() == 2


def test_after_an_error_of_the_database_the_next_claim_goes_on() -> None:
    """An error on the way: what was to be prepared with that statement is prepared anew."""
    make()
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nonsense FROM nowhere")
    assert claim_one().grader == "grader"


@pytest.mark.skipif(connection.vendor != "mysql", reason="elsewhere the database itself gives up such a transaction")
@pytest.mark.parametrize("many", [False, True])
def test_a_write_that_failed_unnoticed_fails_the_commit(many: bool) -> None:
    """Whoever got its error went on, and an unrelated savepoint was rolled back since: that one undid nothing of it."""
    job = make()
    with pytest.raises(IntegrityError):
        _goes_on(job, many)
    with transaction.atomic():
        assert not GraderQueue.objects.filter(name="new").exists()
    assert stored(job).queue_name == "q"
    connection.close()
    assert claim_one().pk == job.pk


@transaction.atomic
def _goes_on(job: Job, many: bool) -> None:
    with transaction.atomic():
        GraderQueue.objects.create(name="new")
        write(job, queue_name=None)
        with suppress(DatabaseError), connection.cursor() as cursor:
            if many:
                cursor.executemany("SELECT %s + %s", [(1, 2), (3, 4)])
            else:
                cursor.execute("SELECT 1")
    with undone():
        assert Job.objects.count() == 1


@pytest.mark.skipif(connection.vendor != "mysql", reason="elsewhere the database itself gives up such a transaction")
def test_a_write_that_was_undone_with_its_savepoint_fails_nothing() -> None:
    job = make()
    with transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            write(job, queue_name=None)
        write(job, grader="kept", queue_name="q")
    assert stored(job).grader == "kept"


HALF_A_SIGN = "\ud800"  # half of a surrogate pair: no driver can send it


def test_what_cannot_be_sent_undoes_the_whole_transaction() -> None:
    """Django rolls back after an error of the database's only, and this is none."""
    job = make()
    with pytest.raises(UnicodeEncodeError):
        _not_sendable(job)
    with transaction.atomic():
        assert not GraderQueue.objects.filter(name="new").exists()
    # And the connection is out of that transaction: what follows is there for everybody.
    assert claim_one().pk == job.pk
    connection.close()
    assert stored(job).status == "pulled"


@transaction.atomic
def _not_sendable(job: Job) -> None:
    GraderQueue.objects.create(name="new")
    write(job, last_error=HALF_A_SIGN)


@pytest.mark.skipif(not hasattr(connection, "send_later"), reason="only there something is sent with the COMMIT")
def test_a_commit_that_is_broken_off_undoes_the_whole_transaction() -> None:
    """By a signal, for example: Django rolls back after an error of the database's only, and this is none."""
    job = make()

    def interrupted(execute: Any, sql: str, *rest: Any) -> Any:
        if "COMMIT" in sql:
            raise KeyboardInterrupt
        return execute(sql, *rest)

    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(interrupted):
        _renamed_with_a_queue(job)
    with transaction.atomic():
        assert stored(job).grader == ""
    assert not GraderQueue.objects.filter(name="new").exists()


@transaction.atomic
def _renamed_with_a_queue(job: Job) -> None:
    GraderQueue.objects.create(name="new")
    write(job, grader="new")


def test_what_cannot_be_sent_undoes_a_whole_verb_within_a_callers_transaction() -> None:
    make()
    job = claim_one()
    with transaction.atomic():
        with pytest.raises(UnicodeEncodeError):
            queue.complete(job.submission_id, key_of(job), score=1, reply=HALF_A_SIGN)
        GraderQueue.objects.create(name="of the caller")
    assert GraderQueue.objects.filter(name="of the caller").exists()
    assert (stored(job).status, Score.objects.count()) == ("pulled", 0)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only there the server lists them")
def test_errors_leave_no_prepared_statements_behind() -> None:
    for _ in range(5):
        make()
        claim_one()
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT nonsense FROM nowhere")
        with undone():
            pass
        Job.objects.all().delete()
    make()
    claim_one()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'gradequeue%%'")
        assert cursor.fetchone() == (1,)


@pytest.mark.skipif(KIND != "mariadb", reason="only there is a transaction one statement")
def test_a_transaction_in_one_statement_is_done_as_a_whole_or_not_at_all() -> None:
    first, second = make(), make()
    again = ("INSERT INTO submissions_graderqueue SELECT * FROM submissions_graderqueue WHERE name = %s", ["q"])
    renamed = (
        "UPDATE submissions_externalgraderdetail SET queue_name = %s WHERE id = %s",
        ["end; COMMIT; %", first.pk],
    )
    ours: Any = connection
    with pytest.raises(IntegrityError):
        ours.rows_of_transaction(renamed, again, read=("SELECT 1", None))
    assert stored(first).queue_name == "q"
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@in_transaction")
        assert cursor.fetchone() == (0,)
    ids = ("SELECT id FROM submissions_externalgraderdetail ORDER BY id", None)
    found = ours.rows_of_transaction(renamed, read=ids)
    assert found == [(first.pk,), (second.pk,)]
    assert (stored(first).queue_name, stored(second).queue_name) == ("end; COMMIT; %", "q")


@pytest.mark.skipif(KIND != "mariadb", reason="only there is a transaction one statement")
def test_a_claim_is_answered_by_its_rows_and_an_end_and_a_result_by_an_end_alone() -> None:
    ours: Any = connection
    for _ in range(2):  # the first time, names are made known
        make()
        job = claim_one()
        after_claim = ours.quick.done
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert (after_claim, ours.quick.done) == (2, 1)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only there is a claim one statement")
def test_a_claim_that_fails_leaves_its_callers_transaction_usable() -> None:
    job = make()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert Job.objects.count() == 1  # from now on it sees the past
        thread = threading.Thread(target=_touched_elsewhere, args=(job,))
        thread.start()
        thread.join()
        with pytest.raises(OperationalError):
            queue.claim("q", grader="g")
        GraderQueue.objects.create(name="of the caller")
    assert GraderQueue.objects.filter(name="of the caller").exists()
    assert queue.claim("q", grader="g")[0].pk == job.pk


def _touched_elsewhere(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(num_pulls=7)
    connection.close()


@pytest.mark.parametrize("unsendable", [HALF_A_SIGN, "\0"])
def test_a_statement_that_could_not_be_sent_takes_nothing_along(unsendable: str) -> None:
    """Neither the BEGIN nor a write that was held back: its caller may go on without it."""
    job, other = make(), make()
    with undone():
        with suppress(UnicodeEncodeError, DatabaseError, ValueError):
            StudentItem.objects.filter(student_id=unsendable).exists()
        GraderQueue.objects.create(name="undone")
    assert not GraderQueue.objects.filter(name="undone").exists()
    with transaction.atomic():
        write(job, grader="kept")
        with suppress(UnicodeEncodeError, DatabaseError, ValueError):
            StudentItem.objects.filter(student_id=unsendable).exists()
        write(other, grader="kept, too")
    assert (stored(job).grader, stored(other).grader) == ("kept", "kept, too")
