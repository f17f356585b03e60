"""BEGIN travels with the first statement of a transaction, and the last write with COMMIT (ADR 0090).

A trip to the database and back costs both sides more than most of our statements do. Nothing else changes: what is
held back is sent before the next statement, in order, and its errors are raised there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.db import DatabaseError

Statement = tuple[str, Sequence[Any] | None]


class Owed(tuple[str, Sequence[Any]]):
    """A statement whose caller believes it done, and does not hear of its failure."""


class FewerTrips:
    """Mixed into a DatabaseWrapper whose driver takes several statements at once, and is left in autocommit mode."""

    begin: ClassVar[str]
    connection: Any
    in_atomic_block: bool
    sends_together = True
    """Whether several statements can be sent at once, with ; between them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held_back: list[Statement] = []
        self.failed: tuple[BaseException, frozenset[str]] | None = None
        """The first error of a write that was held back, and the savepoints that undo it: without a rollback there must
        be no COMMIT, even if whoever got the error went on."""
        self.savepoints: set[str] = set()
        """Those that are open. Django's own list forgets one before it is released, which may fail."""
        self.execute_wrappers: list[Callable[..., Any]] = [self._with_held_back]

    def shortened(self, sql: str, params: Sequence[Any]) -> Statement:
        """Another way to say a statement that is said often; here there is none."""
        return sql, params

    def send_later(self, sql: str, params: Sequence[Any]) -> None:
        """Send this with the next statement or the COMMIT. Only within `atomic`, and where no result is needed.

        Raises UnicodeEncodeError at once, where it belongs: Django undoes a savepoint that cannot be released, and a
        transaction that cannot be committed, after errors of the database's only.
        """
        for value in params:
            if isinstance(value, str):
                value.encode()
        self.held_back.append(Owed((sql, params)))

    def _with_held_back(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self.held_back:
            return execute(sql, params, many, context)
        if many or not isinstance(params, list | tuple | None) or getattr(context["cursor"].cursor, "name", None):
            # Many rows, or a cursor on the server: those are sent by messages of their own.
            self._send_ahead()
            return execute(sql, params, many, context)
        ahead, done = self._taken(), 0
        whole, values = joined([*ahead, (sql, params)])
        try:
            result = execute(whole, values, False, context)
            for _ in ahead:
                done += 1
                context["cursor"].nextset()
        except Exception as error:
            if done or not self._keep_unsent(error, ahead):
                self._note_failed(error, ahead[done:])
            raise
        return result

    def _send_ahead(self) -> None:
        ahead = self._taken()
        try:
            self._send(*ahead)
        except BaseException as error:
            self._note_failed(error, ahead)
            raise

    def _keep_unsent(self, error: BaseException, ahead: list[Statement]) -> bool:
        unsent = self.in_atomic_block and self.was_not_sent(error, ahead)
        if unsent:
            self.held_back = ahead  # its caller may go on without that statement, but not without its BEGIN
        return unsent

    def _note_failed(self, error: BaseException, statements: Sequence[Statement]) -> None:
        """The first of these failed, and so none of them was done."""
        if self.failed is None and self.in_atomic_block and any(isinstance(one, Owed) for one in statements):
            self.failed = error, frozenset(self.savepoints)

    def was_not_sent(self, error: BaseException, statements: Sequence[Statement]) -> bool:
        """Whether the driver could not write them down: what went wrong was not the database's to say."""
        return isinstance(error, TypeError | ValueError)

    def _taken(self) -> list[Statement]:
        taken, self.held_back = self.held_back, []
        return taken

    def _send(self, *statements: Statement) -> None:
        raise NotImplementedError

    def _send_and_commit(self, statements: Sequence[Statement]) -> None:
        self._send(*statements, ("COMMIT", None))

    # What Django calls at the beginning and the end of a transaction. -----------------------------------------------

    def _set_autocommit(self, autocommit: bool) -> None:
        self._drop()
        self.savepoints.clear()
        if not autocommit:
            self.held_back.append((self.begin_statement(), None))

    def begin_statement(self) -> str:
        return self.begin

    def _commit(self) -> None:
        if self.failed is not None:
            error = self.failed[0]
            if not isinstance(error, DatabaseError):
                self.close()  # type: ignore[attr-defined]  # as below
            raise error
        ahead = self._taken()
        if len(ahead) == 1 and self._begins(ahead):
            return  # nothing was sent at all
        if not ahead:
            super()._commit()  # type: ignore[misc]
            return
        try:
            self._send_and_commit(ahead)
        except DatabaseError:
            raise  # Django rolls back
        except BaseException:
            # Django would not, and the next transaction would commit what this one has written.
            self.close()  # type: ignore[attr-defined]
            raise

    def _rollback(self) -> None:
        begun = not self._begins(self.held_back)
        self._drop()
        if begun:
            super()._rollback()  # type: ignore[misc]

    def _begins(self, statements: Sequence[Statement]) -> bool:
        return (self.begin_statement(), None) in statements

    def _savepoint(self, sid: str) -> None:
        super()._savepoint(sid)  # type: ignore[misc]
        self.savepoints.add(sid)

    def _savepoint_commit(self, sid: str) -> None:
        super()._savepoint_commit(sid)  # type: ignore[misc]
        self.savepoints.discard(sid)

    def _savepoint_rollback(self, sid: str) -> None:
        failed = self.failed
        self._drop()  # all after the savepoint: that took along what was held back before it
        if failed is not None and sid not in failed[1]:
            self.failed = failed
        super()._savepoint_rollback(sid)  # type: ignore[misc]

    def _drop(self) -> None:
        self.held_back, self.failed = [], None

    def _close(self) -> None:
        self._drop()
        super()._close()  # type: ignore[misc]


def joined(statements: Sequence[Statement]) -> tuple[str, list[Any] | None]:
    """One text with all values. Where a statement has none, its percent signs mean themselves."""
    if all(params is None for _, params in statements):
        return "; ".join(sql for sql, _ in statements), None
    texts = [sql.replace("%", "%%") if params is None else sql for sql, params in statements]
    return "; ".join(texts), [value for _, params in statements for value in params or ()]
