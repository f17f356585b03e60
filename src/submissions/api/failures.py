"""A database's failure, as callers of the Python door see it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError

from submissions.errors import SubmissionInternalError, TeamSubmissionInternalError

logger = logging.getLogger("submissions.api")

P = ParamSpec("P")
T = TypeVar("T")


def name_database_errors(function: Callable[P, T]) -> Callable[P, T]:
    """A database's failure as SubmissionInternalError, so that callers need to know no driver."""
    return _name(SubmissionInternalError, function)


def name_team_errors(function: Callable[P, T]) -> Callable[P, T]:
    """The same as TeamSubmissionInternalError."""
    return _name(TeamSubmissionInternalError, function)


def _name(kind: type[SubmissionInternalError], function: Callable[P, T]) -> Callable[P, T]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            logger.exception("%s: the database failed", function.__name__)
            raise kind(f"{function.__name__}: the database failed: {error}") from error

    return run
