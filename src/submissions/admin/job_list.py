"""Which jobs a list shows: by filters and search, along indexes alone (ADR 0061)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from submissions import sql
from submissions.admin.filters import exactly
from submissions.admin.terms import ITEM_COLUMNS, Id, Text, Uuid, of_items
from submissions.models import ExternalGraderDetail, GraderQueue, Status, Submission
from submissions.statistics import find, jobs_list
from submissions.words import Words

Job = ExternalGraderDetail

LAST_CHANGE = ("-status_time", "-id")
NEWEST = ("-id",)

MOST_RANGES = 60
"""More ranges of the index than this in one statement, and the planner does as well by itself."""

MOST_FOUND = 500

KEYS_OF_FINISHED = 2000
"""A finished job is found by its key while it is among so many that finished last."""


BY_COLUMN: dict[str, Words] = {
    "queue_key": _("found by queue key %(term)s"),
    "grader_file_name": _("found by grader file %(term)s"),
    "student_id": _("found by student %(term)s"),
    "course_id": _("found by course %(term)s"),
    "item_id": _("found by item %(term)s"),
}


@dataclass(frozen=True)
class Found:
    """What a term turned out to be, in words for the head of the list."""

    jobs: QuerySet[Job]
    words: Words
    narrow: bool = True
    """These rows have an index of their own, in the order of ids."""
    queue: str | None = None
    sample: QuerySet[Job] | None = None
    """Where there are too many for that: those of the newest student items."""


def search(jobs: QuerySet[Job], term: str, *, keys: bool) -> Found:
    """By the first kind that matches: id, uuid, queue, queue key, grader file, student, course, item; with `keys` also
    the key of a claim."""
    number, uuid, text = Id.read(term), Uuid.read(term), Text.read(term)
    if number is not None and Job.objects.filter(submission_id=number).exists():
        return Found(jobs.filter(submission_id=number), gettext("found by submission %(term)s") % {"term": number})
    # The ids of learners in Open edX look like a uuid without dashes, so the search goes on where there is none.
    if uuid is not None and (ids := list(Submission._objects.filter(uuid=uuid).values_list("pk", flat=True))):
        return Found(jobs.filter(submission_id__in=ids), gettext("found by submission %(term)s") % {"term": uuid})
    for found in _by_text(jobs, text, keys=keys) if text else ():
        return found
    return Found(jobs.none(), gettext('No match for "%(term)s"') % {"term": term[:100]})


def search_further(jobs: QuerySet[Job], term: str) -> Found:
    """By several words, or parts of names, as the dashboard's field and `gradequeue find` do: the latest MOST_FOUND."""
    answer = find.find(term)
    if answer.filters is not None:
        page = jobs_list.page(answer.filters, size=MOST_FOUND)
        by = ", ".join(f"{kind} {word}" for word, kind in answer.understood)
        words = (
            gettext("found by %(words)s, the latest %(count)s")
            if page.after is not None
            else gettext("found by %(words)s")
        )
        return Found(jobs.filter(pk__in=page.jobs), words % {"words": by, "count": MOST_FOUND})
    unknown = (answer.unknown or term)[:100]
    if not answer.choices:
        return Found(jobs.none(), gettext('No match for "%(term)s"') % {"term": unknown})
    choices = ", ".join(f"{find.KINDS[one.kind]} {one.name}" for one in answer.choices[:5])
    words = gettext('No match for "%(term)s"; it may be %(choices)s')
    return Found(jobs.none(), words % {"term": unknown, "choices": choices})


def _by_text(jobs: QuerySet[Job], text: str, *, keys: bool) -> Iterator[Found]:
    if GraderQueue.objects.filter(name=text).exists():
        yield Found(
            jobs.filter(queue_name=text), gettext("found by queue %(term)s") % {"term": text}, narrow=False, queue=text
        )
    for column in ("queue_key", "grader_file_name"):
        if sql.exactly(Job.objects.order_by(), **{column: text}).exists():
            yield Found(sql.exactly(jobs, **{column: text}), BY_COLUMN[column] % {"term": text})
    for column in ITEM_COLUMNS:
        if (items := of_items(column, text, at="submission__student_item")) is not None:
            sample = None if items.few else jobs.filter(**items.newest)
            yield Found(items.of(jobs), BY_COLUMN[column] % {"term": text}, items.few, sample=sample)
    if keys and (job := _by_key(text)) is not None:
        yield Found(jobs.filter(pk=job), gettext("found by the pull key"))


def _by_key(key: str) -> int | None:
    """Keys have no index: each claim writes a new key, and would pay for it. The jobs with a valid key are few."""
    held = Job.objects.filter(status__in=Status.taking_results(), queue_name__in=_queues())
    last = Job.objects.order_by(*LAST_CHANGE).values_list("pk", "pullkey", "status")[:KEYS_OF_FINISHED]
    found = held.filter(pullkey=key).order_by().values_list("pk", flat=True).first()
    if found is not None:
        return int(found)
    return next((pk for pk, pullkey, status in last if pullkey == key and status == Status.RETIRED), None)


def first_ids(
    jobs: QuerySet[Job], most: int, *, queue: str | None = None, status: str | None = None, narrow: bool = False
) -> list[int]:
    """The ids of the first `most` of `jobs`: of those that changed last, or of the newest of a narrow search.

    `queue` and `status` are what `jobs` is already filtered by. With one of them the index by queue, status and time
    is walked, a range for each pair, however seldom a state is and however long ago it came about.
    """
    if jobs.query.is_empty():  # a union of nothing cannot be put into an order
        return []
    if narrow:
        return list(jobs.order_by(*NEWEST).values_list("pk", flat=True)[:most])
    ranges = list(islice(_ranges(queue, status), MOST_RANGES + 1)) if queue or status else []
    together = connections[jobs.db].features.supports_slicing_ordering_in_compound
    if not ranges or len(ranges) > MOST_RANGES or (len(ranges) > 1 and not together):
        return list(jobs.order_by(*LAST_CHANGE).values_list("pk", flat=True)[:most])
    parts = [
        jobs.filter(queue_name=name, **exactly(state))
        .order_by("-status", *LAST_CHANGE)
        .values_list("status_time", "id")[:most]
        for name, state in ranges
    ]
    rows = parts[0] if len(parts) == 1 else parts[0].union(*parts[1:], all=True).order_by(*LAST_CHANGE)[:most]
    return [pk for _at, pk in rows]


def _ranges(queue: str | None, status: str | None) -> Iterator[tuple[str, str]]:
    for name in [queue] if queue else _queues():
        for state in [status] if status else Status.values:
            yield name, state


def _queues() -> list[str]:
    return list(GraderQueue.objects.order_by().values_list("name", flat=True)[: MOST_RANGES + 1])


def chosen(request: HttpRequest) -> tuple[str | None, str | None]:
    """The queue and the status that the filters in the URL name."""
    status = request.GET.get("status__exact")
    return request.GET.get("queue_name") or None, status if status in Status.values else None
