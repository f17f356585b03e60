"""Statements by the driver's own parts, without a cursor of the driver's and one of Django's around it for each.

Making those two, and what each does before and after, costs more than sending a statement and reading its rows
(ADR 0094). What the driver does with values, rows and errors is done by the driver here, too.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from gradequeue.databases.trips import FewerTrips, Statement, joined

Rows = list[tuple[Any, ...]]


class Quick(Protocol):
    """The driver's parts, for one connection in autocommit mode."""

    connection: Any
    done: int
    """How many statements of the last message came to their end."""

    def text(self, sql: str, params: Sequence[Any] | None) -> bytes:
        """The statements with their values. Raises what the driver's cursors raise for what cannot be sent."""

    def rows(self, text: bytes, answers: int) -> list[Rows]:
        """The rows of each of the statements, an empty list for one that has none. Raises the driver's errors.

        `answers`: how many the server gives; 0 where nobody knows.
        """


class WithoutCursors(FewerTrips):
    """Mixed into a DatabaseWrapper whose driver has such parts."""

    quick: Quick | None = None

    @abstractmethod
    def new_quick(self) -> Quick: ...

    def forget(self) -> None:
        """After an error nobody knows which names the server knows; where there are none there is nothing to do."""

    @property
    def is_watched(self) -> bool:
        """Whether somebody wants to see what is sent, and so must be shown it by cursors."""
        return bool(self.queries_logged) or len(self.execute_wrappers) > 1  # type: ignore[attr-defined]

    def rows_of(self, sql: str, params: Sequence[Any] | None, answers: int = 0) -> list[Rows]:
        """The rows of each of these statements; the same as by a cursor, but quicker.

        `answers`: how many the server gives to them, if known. One too few would leave the connection out of step.
        """
        if self.is_watched:
            return self._by_cursor(sql, params)
        wrapper: Any = self
        if self.connection is None:  # asked here: Django's own asks first whether a coroutine runs
            wrapper.ensure_connection()
        if self.quick is None or self.quick.connection is not self.connection:
            self.quick = self.new_quick()
        ahead = self._taken()
        try:
            with wrapper.wrap_database_errors:
                wrapper.validate_no_broken_transaction()
                text = self.quick.text(*joined([*ahead, (sql, params)]))
        except BaseException as error:
            self._keep_unsent(error, ahead)
            self.forget()
            raise
        try:
            with wrapper.wrap_database_errors:
                return self.quick.rows(text, len(ahead) + answers if answers else 0)[len(ahead) :]
        except BaseException as error:
            self._note_failed(error, ahead[self.quick.done :])
            self.forget()
            raise

    def _by_cursor(self, sql: str, params: Sequence[Any] | None) -> list[Rows]:
        with self.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(sql, params)
            found = [cursor.fetchall() if cursor.description else []]
            while cursor.nextset():
                found.append(cursor.fetchall() if cursor.description else [])
        return found

    def _send(self, *statements: Statement) -> None:
        self.rows_of(*joined(statements))

    def _with_held_back(self, *given: Any) -> Any:
        try:
            return super()._with_held_back(*given)
        except BaseException:
            self.forget()
            raise

    def _drop(self) -> None:
        if self.held_back:
            self.forget()
        super()._drop()

    def connect(self) -> None:
        self.forget()  # a new connection knows no names, one of a pool those of its last user
        super().connect()  # type: ignore[misc]
