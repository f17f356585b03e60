"""The table of the retired XQueue service: what still waits in it, read only, as what its platforms handed in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import urlopen

from django.db import DatabaseError
from django.db.utils import ConnectionHandler
from django.utils.dateparse import parse_datetime

from gradequeue import env
from submissions.connections import is_pooled
from submissions.intake.jobs import Result
from submissions.intake.requests import BadSubmitRequest, SubmitRequest, parse
from submissions.outbound import http
from submissions.text import made_storable
from submissions.xqueue import wire

TABLE = "queue_submission"
COLUMNS = "id, lms_callback_url, queue_name, xqueue_header, xqueue_body, s3_urls, arrival_time, grader_id, grader_reply"
NAMES = COLUMNS.split(", ")[1:]
BATCH = 200
# Where XQueue's list of files was too long for its column, it kept it as one more file, under this name.
ELSEWHERE = "URL_FOR_EXTERNAL_DICTS"
LIST_BYTES = 1024 * 1024
LIST_SECONDS = 10
READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = ON",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}


class Skipped(ValueError):
    """Why a row is not taken over."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    id: int
    lms_callback_url: str
    queue_name: str
    xqueue_header: str
    xqueue_body: str
    s3_urls: str
    arrival_time: datetime | str | None
    grader_id: str
    grader_reply: str

    @property
    def key(self) -> str:
        """The same with each import, and no other row's."""
        words = [self.id, self.arrived.isoformat(), self.xqueue_header, self.xqueue_body]
        return hashlib.sha256(json.dumps(["retired xqueue", *words]).encode()).hexdigest()

    @property
    def arrived(self) -> datetime:
        """XQueue wrote UTC; some databases give it back without saying so."""
        given = self.arrival_time  # None where MySQL has its zero date
        try:
            time = given if isinstance(given, datetime) else parse_datetime(str(given))
        except ValueError:  # the zero date of MySQL, where its table was copied into SQLite
            time = None
        if time is None:
            raise Skipped(f"it arrived at {self.arrival_time!r:.60}, which is no time")
        return time if time.tzinfo else time.replace(tzinfo=UTC)

    def handed_in(self) -> SubmitRequest:
        """Raises Skipped. The callback is the header's: the column holds its first 128 characters alone."""
        try:
            handed = parse(self.xqueue_header, self.xqueue_body)
            http.parse(handed.callback_url)
        except BadSubmitRequest:
            raise Skipped("its header cannot be read, or was cut off") from None
        except http.Refused as refused:
            raise Skipped(f"its callback cannot be called. {refused}") from None
        if not handed.callback_url.startswith(self.lms_callback_url):
            raise Skipped("its header and its callback's column disagree")
        return handed

    def result(self) -> Result | None:
        """What a grader said, if that can be scored; without it the job is graded again."""
        reply, grader = made_storable(self.grader_reply), made_storable(self.grader_id)[:150]
        said = wire.read_reply(self.id, "", reply, len(reply.encode()) + 1)
        return Result(grader or "xqueue", said.score, said.reply) if said.flaw is None else None

    def links(self, base: str) -> str | None:
        """The files' names and addresses, as JSON; relative ones below `base`. Raises Skipped."""
        found = _parse_object(self.s3_urls)
        if ELSEWHERE in found:
            found = _fetch_list(_absolute(found[ELSEWHERE], base))
        links = {name: _absolute(address, base) for name, address in found.items()}
        return json.dumps(links) if links else None


def _parse_object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Skipped("its list of files cannot be read, or was cut off")
    return found


def _absolute(address: object, base: str) -> str:
    try:
        whole = urljoin(base, address) if isinstance(address, str) else ""
    except ValueError:
        raise Skipped(f"the address of a file, {address!r:.60}, is no URL") from None
    if not whole.startswith(("http://", "https://")):
        raise Skipped("its files have no host in their addresses; say with --files where they are served")
    return whole


def _fetch_list(address: str) -> dict[str, object]:
    try:
        # The operator's own storage, which the old service asked in the same way.
        with urlopen(address, timeout=LIST_SECONDS) as answer:  # noqa: S310 - http(s), see _absolute
            found = json.loads(answer.read(LIST_BYTES))["files"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Skipped(f"its list of files is kept elsewhere and could not be fetched: {error}") from None
    if not isinstance(found, dict):
        raise Skipped("its list of files cannot be read")
    return found


class Source:
    """The old service's database. Nothing is written to it."""

    def __init__(self, url: str) -> None:
        """Raises ImproperlyConfigured for a URL that is none, DatabaseError."""
        wanted = env.database_at(url)
        if wanted["ENGINE"].endswith("sqlite3") and not Path(wanted["NAME"]).is_file():
            raise DatabaseError(f"There is no file {wanted['NAME']}.")  # SQLite would make one
        # A handler of its own: nothing else in this process gets to know of that database.
        self.connection = ConnectionHandler({"default": wanted})["default"]
        if not is_pooled(self.connection):  # else the setting would stay with whoever gets this connection next
            with self.connection.cursor() as cursor:
                cursor.execute(READ_ONLY[self.connection.vendor])
        if TABLE not in self.connection.introspection.table_names():
            raise DatabaseError(f"There is no table {TABLE} in it.")

    def count(self, *, unacknowledged: bool) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {TABLE} WHERE {_condition(unacknowledged)}")  # noqa: S608
            return int(cursor.fetchone()[0])

    def rows(self, *, unacknowledged: bool) -> Iterator[Row]:
        """What is not retired, in the order of arrival; with `unacknowledged`, also what was retired with a reply that
        the platform never took. In batches, with no cursor held open."""
        after: tuple[datetime | str | None, int] | None = None
        while batch := self._batch(_condition(unacknowledged), after):
            yield from batch
            after = (batch[-1].arrival_time, batch[-1].id)

    def _batch(self, wanted: str, after: tuple[datetime | str | None, int] | None) -> list[Row]:
        where = wanted
        params: list[Any] = []
        if after is not None:
            if after[0] is None:  # what has no time comes first
                where, params = where + " AND (arrival_time > '1000-01-01' OR id > %s)", [after[1]]
            else:
                where += " AND (arrival_time > %s OR (arrival_time = %s AND id > %s))"
                params = [after[0], *after]
        # Names of our own and slots: nothing from outside is in the text.
        columns = COLUMNS
        if self.connection.vendor == "sqlite":  # as it stands there: Django would end with a time that is none
            columns = columns.replace("arrival_time", "CAST(arrival_time AS TEXT)")
        first = " NULLS FIRST" if self.connection.vendor == "postgresql" else ""  # as the others have it
        text = f"SELECT {columns} FROM {TABLE} WHERE {where} ORDER BY arrival_time{first}, id LIMIT {BATCH}"  # noqa: S608
        with self.connection.cursor() as cursor:
            cursor.execute(text, params)
            return [_row(*values) for values in cursor.fetchall()]

    def close(self) -> None:
        self.connection.close()


def _row(number: int, *values: Any) -> Row:
    texts = {name: value if name == "arrival_time" else _text(value) for name, value in zip(NAMES, values, strict=True)}
    return Row(number, **texts)


def _text(value: Any) -> Any:
    """NULL is no text. Bytes are its UTF-8; what is none is no text that can be read, and so the row is skipped."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else "" if value is None else value


def _condition(unacknowledged: bool) -> str:
    return "(NOT retired OR (NOT lms_ack AND grader_reply <> ''))" if unacknowledged else "NOT retired"
