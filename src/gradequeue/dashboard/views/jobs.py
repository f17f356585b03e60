"""The list of jobs, by filters that stand in its address, and the same as a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from datetime import datetime
from itertools import islice
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.views.finding import jobs_address
from gradequeue.dashboard.views.page import page
from gradequeue.dashboard.views.pages import may
from submissions import operators
from submissions.statistics import jobs_list
from submissions.statistics.jobs_list import BadFilter, Filters, Key, Listed
from submissions.words import Words

# Of a file; who needs more narrows the list (docs/dashboard.md).
MOST_EXPORTED = 1_000_000
MOST_NAMES = 500
COLUMNS = tuple(field.name for field in fields(Listed))
# With these a spreadsheet begins a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

LABELS: dict[str, Words] = {
    "state": _("State"),
    "queue": _("Queue"),
    "learner": _("Learner"),
    "course": _("Course"),
    "item": _("Item"),
    "grader": _("Grader"),
    "cause": _("Cause"),
    "reference": _("Platform's own name"),
    "file": _("Grader file"),
    "submission": _("Submission"),
    "delivery": _("Delivery"),
    "host": _("Host"),
    "claim": _("Claim"),
    "since": _("Changed since"),
    "until": _("Changed before"),
}
# What means nothing without another filter, and goes with it.
GOES_WITH = {"state": ("cause",), "delivery": ("host",)}
# In the form; the others come by links and are kept.
ASKED = ("state", "queue", "learner", "course", "item", "grader", "since")


@page("GET", "HEAD")
def jobs(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    try:
        filters, after = read(request.GET)
        found = jobs_list.page(filters, viewer.scope, after=after)
        number = jobs_list.count_beside(found, filters, viewer.scope, after)
    except BadFilter as refused:
        return render(request, "dashboard/jobs.html", _empty(viewer, refused), status=400)
    return render(
        request,
        "dashboard/jobs.html",
        {
            "viewer": viewer,
            "rows": jobs_list.rows(found.jobs, viewer.scope),
            "found": found,
            "count": number,
            "next": jobs_address(filters, after=jobs_list.write_key(found.after)) if found.after else "",
            "newest": jobs_address(filters) if after else "",
            "searched": request.GET.get("q", "")[:200],
            "now": now(),
        }
        | _form(viewer, filters)
        | may(viewer),
    )


def read(given: Any) -> tuple[Filters, Key | None]:
    """The filters and where the page begins. Raises BadFilter."""
    filters, after = jobs_list.read(given), jobs_list.read_key(given.get("after", ""))
    jobs_list.require_key(filters, after)
    return filters, after


def _form(viewer: Viewer, filters: Filters) -> dict[str, object]:
    written = jobs_list.written(filters)
    return {
        "written": written,
        "kept": [(name, value) for name, value in written.items() if name not in ASKED],
        "chips": chips(filters),
        "states": list(jobs_list.STATES.items()),
        "periods": [(word, words) for word, (words, _) in jobs_list.PERIODS.items()],
        "names": list(viewer.queues().values_list("name", flat=True)[:MOST_NAMES]),
        "moves": [move for move in MOVES if viewer.may(move) and starts_from(move, filters)],
        "export_csv": jobs_address(filters).replace("/jobs/", "/jobs/export.csv", 1),
        "export_json": jobs_address(filters).replace("/jobs/", "/jobs/export.json", 1),
        "most_exported": MOST_EXPORTED,
    }


MOVES = (operators.RETRY, operators.RELEASE, operators.SEND_AGAIN, operators.RETIRE)
"""What can be done to many jobs at once."""
STARTS_FROM = {
    operators.RETRY.name: (jobs_list.FAILED,),
    operators.RELEASE.name: (jobs_list.GRADING,),
    operators.RETIRE.name: (jobs_list.WAITING, jobs_list.GRADING, jobs_list.FAILED),
    operators.SEND_AGAIN.name: (jobs_list.FAILED, jobs_list.GRADED, jobs_list.ENDED),
}
"""From which states each starts, in the order in which a job goes through them."""


def starts_from(move: operators.Move, filters: Filters) -> bool:
    """Whether a list can have what the move is done to."""
    if filters.state not in ("", *STARTS_FROM[move.name]):
        return False
    # What was delivered, or is not late, is not sent again; a list by claims does not go by deliveries.
    given_up = filters.delivery in ("", jobs_list.GIVEN_UP, jobs_list.OVERDUE) and not filters.claim
    return move is not operators.SEND_AGAIN or given_up


def chips(filters: Filters) -> list[tuple[Words, Words, str]]:
    """Each filter in words, its value, and the list without it."""
    shown = []
    for name, value in jobs_list.written(filters).items():
        less = jobs_list.without(filters, name, *GOES_WITH.get(name, ()))
        shown.append((LABELS[name], _words(name, value), jobs_address(less)))
    return shown


def _words(name: str, value: str) -> Words:
    kinds = {"state": jobs_list.STATES, "delivery": jobs_list.DELIVERIES, "claim": jobs_list.CLAIMS}
    if name in ("since", "until") and value in jobs_list.PERIODS:
        return jobs_list.PERIODS[value][0]
    return kinds.get(name, {}).get(value, value)


def _empty(viewer: Viewer, refused: BadFilter) -> dict[str, object]:
    label = LABELS.get(refused.field, _("Address"))
    return {"viewer": viewer, "refused": f"{label}: {refused}"} | _form(viewer, Filters()) | may(viewer)


# As a file. -----------------------------------------------------------------------------------------------------------


@page("GET")
def export(request: HttpRequest, viewer: Viewer, form: str) -> HttpResponse:
    """All jobs of the list as CSV or JSON, written while they are read."""
    try:
        filters, after = read(request.GET)
    except BadFilter:
        raise Http404 from None
    rows = islice(_all(viewer, filters, after), MOST_EXPORTED)
    content, kind = (
        (_as_csv(rows), "text/csv; charset=utf-8") if form == "csv" else (_as_json(rows), "application/json")
    )
    response = StreamingHttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="jobs.{form}"'
    return response  # type: ignore[return-value]  # no HttpResponse, but a page's answer all the same


def _all(viewer: Viewer, filters: Filters, after: Key | None) -> Iterator[Listed]:
    for step in jobs_list.steps(filters, viewer.scope, after=after):
        yield from jobs_list.rows([one.pk for one in step.found], viewer.scope)


class _Line:
    """What the writer of CSV writes, given back."""

    def write(self, line: str) -> str:
        return line


def _as_csv(rows: Iterable[Listed]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield str(writer.writerow(COLUMNS))
    for row in rows:
        yield str(writer.writerow([_cell(value) for value in asdict(row).values()]))


def _cell(value: object) -> object:
    """A learner's or a grader's text must not become a formula in a spreadsheet."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _as_json(rows: Iterable[Listed]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows):
        shown = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(row).items()
        }
        yield (",\n" if number else "\n") + json.dumps(shown)
    yield "\n]\n"
