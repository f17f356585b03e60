"""What stands in a verb's way for a moment is tried again; what does not pass is told."""

from __future__ import annotations

import pytest
from django.db import OperationalError, transaction

from submissions.errors import Overtaken
from submissions.queue.transactions import ATTEMPTS, in_transaction, is_passing


class Deadlock(Exception):
    sqlstate = "40P01"


class DeadlockOfPsycopg2(Exception):
    pgcode = "40P01"


class Closed(Exception):
    sqlstate = "57P01"


def caused_by(cause: Exception) -> OperationalError:
    error = OperationalError("told by the driver")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (OperationalError("database is locked"), True),
        (OperationalError("database table is locked: django_session"), True),
        (OperationalError(1213, "Deadlock found when trying to get lock"), True),
        (OperationalError(1205, "Lock wait timeout exceeded"), True),
        (OperationalError(1020, "Record has changed since last read"), True),
        (caused_by(Deadlock()), True),
        (caused_by(DeadlockOfPsycopg2()), True),
        (OperationalError(2006, "Server has gone away"), False),
        (OperationalError("no such table: x"), False),
        (Overtaken("by another transaction"), True),
        (caused_by(Closed()), False),
        (OperationalError(), False),
    ],
)
def test_which_errors_pass_by_themselves(error: OperationalError, passing: bool) -> None:
    assert is_passing(error) is passing


@pytest.mark.django_db(transaction=True)
def test_a_verb_is_tried_again_until_it_succeeds() -> None:
    tries = []

    @in_transaction
    def verb() -> str:
        tries.append(transaction.get_connection().in_atomic_block)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return "done"

    assert verb() == "done"
    assert tries == [True, True, True]


@pytest.mark.django_db(transaction=True)
def test_a_verb_is_not_tried_for_ever() -> None:
    tries = []

    @in_transaction
    def verb() -> None:
        tries.append(1)
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError):
        verb()
    assert len(tries) == ATTEMPTS == 8


@pytest.mark.django_db(transaction=True)
def test_inside_a_callers_transaction_it_is_tried_once() -> None:
    tries = []

    @in_transaction
    def verb() -> None:
        tries.append(1)
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError), transaction.atomic():
        verb()
    assert tries == [1]
