"""How a record of the log is written. Whatever is in it, one record cannot look like two."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from gradequeue import requests, tracing

# Asked for each record, and written in none.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class Line(logging.Formatter):
    """For people. A traceback's lines are indented behind a bar, so that none of them begins like a record."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        first, *more = super().format(record).splitlines() or [""]
        # `splitlines` knows all that a terminal may take for the end of a line.
        request_id = requests.current.get()
        text = f"{first} [{request_id}]" if request_id else first
        return "".join([text, *(f"\n    | {line}" for line in more)])


class Json(logging.Formatter):
    """For machines: one object per line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := requests.current.get():
            entry["request_id"] = request_id
        if trace_id := tracing.current_trace():
            entry["trace_id"] = trace_id
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        return json.dumps(entry)
