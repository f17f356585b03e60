"""One verb, one transaction, and again where the database asks for it."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec, TypeVar

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InternalError,
    OperationalError,
    connections,
    router,
    transaction,
)

from submissions.errors import Overtaken
from submissions.models import ExternalGraderDetail
from submissions.writes import MYSQL_NOTHING_WRITTEN, NOTHING_WRITTEN

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 8
# MySQL, MariaDB: lock wait timeout, deadlock, record changed since last read; a statement's name that the server has
# forgotten, or cannot prepare anew.
MYSQL_CODES = {1205, 1213, 1020, 1243, 1615}
# PostgreSQL: serialization failure, deadlock; and a transaction that failed before, where a receiver of the host's
# took the error for its own.
SQLSTATES = {"40001", "40P01", "25P02", NOTHING_WRITTEN}


def in_transaction(verb: Callable[P, T]) -> Callable[P, T]:
    """Run `verb` in one transaction, and again when somebody else's stood in its way.

    Inside a transaction of the caller's it joins that one and is tried only once: what the caller did before
    would be lost with a rollback, so trying again is the caller's to decide.
    """
    return _tried_again(verb, lambda using: transaction.atomic(using=using))


def in_one_statement(verb: Callable[P, T]) -> Callable[P, T]:
    """The same for what is a single statement, and so needs no BEGIN and COMMIT.

    Inside a transaction of the caller's it needs the savepoint: PostgreSQL ends all of it after an error.
    """
    return _tried_again(
        verb, lambda using: transaction.atomic(using=using) if connections[using].in_atomic_block else nullcontext()
    )


def _tried_again(verb: Callable[P, T], around: Callable[[str], AbstractContextManager[object]]) -> Callable[P, T]:
    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        using = router.db_for_write(ExternalGraderDetail)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with around(using):
                    return verb(*args, **kwargs)
            except (OperationalError, DataError, InternalError, IntegrityError) as error:
                if connections[using].in_atomic_block or attempt == ATTEMPTS or not is_passing(error):
                    raise
            # With jitter: two that met in a deadlock must not meet again.
            time.sleep(random.uniform(0.002, 0.01) * 2**attempt)  # noqa: S311 - no secret
        raise AssertionError("unreachable")

    return run


def is_passing(error: DatabaseError) -> bool:
    """Whether the same statements can succeed when they are sent again: a deadlock, a busy database."""
    if isinstance(error, Overtaken) or getattr(error.__cause__, "sqlstate", None) in SQLSTATES:
        return True
    code, text = (*error.args, "", "")[:2]
    if code == MYSQL_NOTHING_WRITTEN[0]:  # to Django an IntegrityError
        return MYSQL_NOTHING_WRITTEN[1] in str(text)
    return code in MYSQL_CODES or "is locked" in str(code)
