"""One verb, one transaction, and again where the database asks for it."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from django.db import OperationalError, connections, router, transaction

from submissions import signals
from submissions.errors import Overtaken, QueueError
from submissions.models import ExternalGraderDetail

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 8
# MySQL, MariaDB: lock wait timeout, deadlock, record changed since last read.
MYSQL_CODES = {1205, 1213, 1020}
# PostgreSQL: serialization failure, deadlock, lock not available.
SQLSTATES = {"40001", "40P01", "55P03"}


def verb(function: Callable[P, T | QueueError]) -> Callable[P, T]:
    """Make `function` a verb of the queue: one transaction, and again when somebody else's stood in its way.

    A refusal that it *returns* is raised only after the commit: raised inside, it would roll back what it tells of.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        outcome = in_transaction(function)(*args, **kwargs)
        if isinstance(outcome, QueueError):
            raise outcome
        return outcome

    return run


def graders_verb(function: Callable[Concatenate[int, P], T]) -> Callable[Concatenate[int, P], T]:
    """Tell whoever listens (`signals.claim_refused`) when a grader's word on a submission is refused."""

    @functools.wraps(function)
    def run(submission_id: int, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(submission_id, *args, **kwargs)
        except QueueError as refusal:
            signals.claim_refused.send_robust(sender=None, submission_id=submission_id, reason=refusal)
            raise

    return run


def in_transaction(function: Callable[P, T]) -> Callable[P, T]:
    """Run `function` in one transaction, and again when somebody else's stood in its way.

    Inside a transaction of the caller's it joins that one and is tried only once: what the caller did before
    would be lost with a rollback, so trying again is the caller's to decide.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        using = router.db_for_write(ExternalGraderDetail)
        connection = connections[using]
        attempts = 1 if connection.in_atomic_block or not connection.get_autocommit() else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                with transaction.atomic(using=using):
                    return function(*args, **kwargs)
            except OperationalError as error:
                if attempt == attempts or not is_passing(error):
                    raise
            # With jitter: two that met in a deadlock must not meet again.
            time.sleep(random.uniform(0.002, 0.01) * 2**attempt)  # noqa: S311 - no secret
        raise AssertionError("unreachable")

    return run


def is_passing(error: Exception) -> bool:
    """Whether the same statements can succeed when they are sent again: a deadlock, a busy database."""
    cause = error.__cause__
    # psycopg's name for it, and psycopg2's.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if isinstance(error, Overtaken) or state in SQLSTATES:
        return True
    code = (*error.args, "")[0]
    return code in MYSQL_CODES or "is locked" in str(code)
