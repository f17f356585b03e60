"""Show submissions: state, score, reply, times, deliveries. Ids as arguments, or one per line on standard input."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from submissions.management.base import NO_IDS, DataCommand, UsageError, ids_from, parsed_id, refusal_of, shown
from submissions.models import Delivery, ExternalGraderDetail, Score
from submissions.statistics.expectation import expect
from submissions.text import counted

BATCH = 500


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", metavar="ID", help="submission ids")

    def handle(self, **options: Any) -> None:
        refused = shown = 0
        for row in _rows(ids_from(options["ids"])):
            shown += 1
            refused += "error" in row
            if options["as_json"]:
                self.say(row)
            elif "error" in row:
                self.tell(refusal_of(row["submission_id"], row))
            else:
                self.table((), (row | {"deliveries": in_lines(row["deliveries"])}).items())
                self.stdout.write("")
        if not shown:
            raise UsageError(NO_IDS)
        if refused:
            raise SystemExit(1)


def _rows(ids: Iterator[str]) -> Iterator[dict[str, object]]:
    while batch := list(itertools.islice(ids, BATCH)):
        found = _facts({int(text) for text in batch if _refusal(text) is None})
        for text in batch:
            refusal = _refusal(text)
            if refusal is None:
                yield found.get(int(text), {"submission_id": int(text), "error": "There is no such submission"})
            else:
                yield {"submission_id": text, "error": refusal}


def _refusal(text: str) -> str | None:
    try:
        parsed_id(text)
    except ValueError as error:
        return str(error)
    return None


def _facts(ids: set[int]) -> dict[int, dict[str, object]]:
    jobs = (
        ExternalGraderDetail.objects.filter(submission_id__in=ids)
        .select_related("submission__student_item")
        .defer("submission__answer")
        .prefetch_related("deliveries")
    )
    # Oldest first, so that the newest score of a submission is the one that stays.
    scores = {score.submission_id: score for score in Score.objects.filter(submission_id__in=ids).order_by("pk")}
    return {job.submission_id: _fact(job, scores.get(job.submission_id)) for job in jobs}


def _fact(job: ExternalGraderDetail, score: Score | None) -> dict[str, object]:
    item = job.submission.student_item
    return {
        "submission_id": job.submission_id,
        "uuid": str(job.submission.uuid),
        "queue_name": job.queue_name,
        "course_id": item.course_id,
        "item_id": item.item_id,
        "student_id": item.student_id,
        "status": job.status,
        "points_earned": None if score is None else score.points_earned,
        # Only the platform knows the maximum of what it handed in over HTTP (ADR 0051).
        "points_possible": job.points_possible if job.points_known else None,
        "num_failures": job.num_failures,
        "num_pulls": job.num_pulls,
        "grader": job.grader,
        "grader_reply": job.grader_reply,
        "last_error": job.last_error,
        "created_at": job.created_at,
        "available_at": job.available_at,
        "pulled_at": job.pulled_at,
        "returned_at": job.returned_at,
        "note": expect(job).note,
        "deliveries": [_told(delivery) for delivery in sorted(job.deliveries.all(), key=lambda one: one.pk)],
    }


def in_lines(deliveries: Any) -> str:
    """For people: a line for each."""
    return "\n".join(
        f"{one['id']}: {one['transport']} to {one['destination'] or 'this platform'}, {one['state']}, "
        + counted(one["attempts"], "attempt")
        + (f", due {shown(one['due_at'])}" if one["due_at"] else "")
        + (f", delivered {shown(one['delivered_at'])}" if one["delivered_at"] else "")
        + (f": {one['last_error']}" if one["last_error"] else "")
        for one in deliveries
    )


def _told(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.pk,
        "transport": delivery.transport,
        "destination": delivery.destination,
        "state": delivery.state,
        "result": delivery.result,
        "attempts": delivery.attempts,
        "due_at": delivery.due_at,
        "delivered_at": delivery.delivered_at,
        "last_error": delivery.last_error,
    }
