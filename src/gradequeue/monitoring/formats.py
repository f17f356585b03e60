"""How a record of the log is written. Whatever is in it, one record cannot look like two."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime

from gradequeue.http import request_ids
from gradequeue.monitoring import tracing

# Asked for each record, and written in none.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
logging._srcfile = None  # as Python's documentation has it for whoever does not want to know the calling line


class Line(logging.Formatter):
    """For people. A traceback's lines are indented behind a bar, so that none of them begins like a record."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")
        self.second = 0, ""
        """The last one that was written down, and how: in one piece, for all threads write their lines with this."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        second, text = self.second
        if second != int(record.created):
            text = time.strftime(self.default_time_format, time.localtime(record.created))
            self.second = int(record.created), text
        return f"{text},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        first, *more = super().format(record).splitlines() or [""]
        # `splitlines` knows all that a terminal may take for the end of a line.
        request_id = request_ids.current.get()
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
        if request_id := request_ids.current.get():
            entry["request_id"] = request_id
        if trace_id := tracing.current_trace():
            entry["trace_id"] = trace_id
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)
